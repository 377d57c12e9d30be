# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled loop writes events as the words of each event do."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.events.attributes import allowed_attributes, unpack_attributes
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.jit import code_cache, programs
from coldline.rules.profile import Profile
from coldline.trace import compiled_writing, text_writing
from coldline.trace.compiled import frame
from coldline.trace.text_writing import TextWriter
from tests.helpers.effort import examples

NAMES = ("a", "guest", "dom0-nc", "\u2603", "x" * 40, "y" * 400)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    code_cache.load_code(programs.TEXT)
    monkeypatch.setattr(text_writing, "LOAD_CODE_FROM", 0)
    monkeypatch.setattr(TextWriter, "_write", None)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Draw any event of version 2."""
    op = draw(st.sampled_from(list(Op)))
    agents = st.sampled_from(NAMES)
    agent = draw(agents)
    if op.traits.impersonal:
        agent = " ".join(draw(st.lists(agents, min_size=1, unique=True))) if op is Op.GIVE else ""
    if not op.has_range:
        return Event(agent, op)
    unit = PAGE_SIZE if op.traits.whole_pages else 1
    size = unit * draw(st.one_of(st.integers(1, 4200), st.integers(1, ADDRESS_LIMIT // unit)))
    address = unit * draw(st.integers(0, (ADDRESS_LIMIT - size) // unit))
    address >>= draw(st.integers(0, 48)) // unit.bit_length() * unit.bit_length()
    attributes = draw(st.sampled_from(sorted(allowed_attributes(op, version=2))))
    return Event(agent, op, address // unit * unit, size, *unpack_attributes(attributes))


def written(*batches: Batch) -> str:
    file = io.BytesIO()
    writer = TextWriter(file, Profile())
    for batch in batches:
        writer.write(batch)
    writer.finish()
    writer.close()
    return file.getvalue().decode()


def test_any_events(compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is little room for text, or for kinds."""

    @settings(max_examples=examples(120), deadline=None)
    @given(
        st.lists(st.lists(events(), max_size=8), max_size=4),
        st.sampled_from([(1 << 18, 1 << 16, 1 << 11), (1 << 10, 1 << 8, 2), (128, 64, 1)]),
    )
    def check(parts: list[list[Event]], room: tuple[int, int, int]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(compiled_writing, "_ROOM", room[0])
            patch.setattr(compiled_writing, "_LONGEST", room[1])
            patch.setattr(frame, "MOST_KINDS", room[2])
            assert written(*map(Batch.of, parts)) == "".join(f"{event}\n" for part in parts for event in part)

    check()


def test_agents_that_change_from_batch_to_batch(compiled: None) -> None:
    parts = [[Event(name, Op.READ, 4096, 8)] for name in ("a", "b", "a")]
    assert written(*map(Batch.of, parts)) == "a read 0x1000 8\nb read 0x1000 8\na read 0x1000 8\n"


def test_every_number_of_digits(compiled: None) -> None:
    numbers = sorted({max((1 << bit) + more, 0) for bit in range(53) for more in (-1, 0, 1)})
    rows = np.zeros(len(numbers), EVENT_DTYPE)
    rows["address"], rows["size"] = numbers, numbers
    sizes = [f"{size:#x}" if size >= 4096 else f"{size}" for size in numbers]
    assert written(Batch(("a",), rows)).splitlines() == [
        f"a read {address:#x} {size}" for address, size in zip(numbers, sizes, strict=True)
    ]
