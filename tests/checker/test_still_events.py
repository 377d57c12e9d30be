# SPDX-License-Identifier: GPL-2.0-or-later
"""Accesses that change nothing count as they do in the interpreter, and so do their known hazards."""

import numpy as np
import pytest

from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.errors import TraceError
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules import Profile
from coldline.rules.order.ordering import Ordering
from tests.checker.test_fast_path import assert_same, by_events, by_stream, hazards_of

BASE = 0x40000000
PAGES = 3
AGENTS = ("cpu0", "cpu1", "device")
BEFORE = [
    Event("cpu0", Op.MAP, BASE, PAGES * PAGE_SIZE, MemoryType.NORMAL_WB, True),
    Event("cpu1", Op.MAP, BASE, PAGES * PAGE_SIZE, MemoryType.NORMAL_WB, True),
    Event("device", Op.MAP, BASE, PAGES * PAGE_SIZE, MemoryType.NORMAL_NC),
]


def accesses(count: int) -> list[Event]:
    """Accesses of up to 64 bytes at any place, also over the ends of lines and pages."""
    random = np.random.default_rng(18)
    made = []
    for place, size, op, agent in zip(
        random.integers(0, PAGES * PAGE_SIZE - 64, count).tolist(),
        random.choice([1, 4, 8, 16, 63, 64], count).tolist(),
        random.choice([Op.READ, Op.READ, Op.WRITE, Op.FETCH, Op.WALK], count).tolist(),
        random.choice(AGENTS, count).tolist(),
        strict=True,
    ):
        if agent == "device" and op in (Op.FETCH, Op.WALK):
            op = Op.READ
        memory_type = MemoryType.NORMAL_WB if op == Op.WALK else None
        made.append(Event(agent, Op(op), BASE + place, size, memory_type))
    return made


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize(("ordering", "line"), [(None, 16), (None, 64), (None, 2048), (Ordering(), 64)])
def test_they_are_counted_as_the_interpreter_counts_them(
    ordering: Ordering | None, line: int, distinct: bool
) -> None:
    """The same accesses come three times: from the second time on, most of them change nothing.

    By the rules of order, each check numbers the states as it meets them, so the numbers are not compared.
    """
    profile = Profile(line, ordering=ordering)
    numbered = list(enumerate(BEFORE + accesses(300) * 3, 1))
    stepped = by_events(profile, numbered, distinct=distinct)
    streamed = by_stream(profile, [numbered], distinct=distinct)
    assert hazards_of(streamed) == hazards_of(stepped)
    assert (streamed.hazards, streamed.coverage) == (stepped.hazards, stepped.coverage)
    assert streamed.hazards > 50
    if ordering is None:
        assert_same(streamed, stepped, numbered)
        assert streamed.state.by_letter.tolist() == stepped.state.by_letter.tolist()


@pytest.mark.parametrize("size", [0, (1 << 64) - 8, (1 << 64) - 1])
def test_no_byte_and_too_many_are_left_to_the_interpreter(size: int) -> None:
    checker = Checker()
    checker.expect(COMPILE_FROM)
    for event in BEFORE:
        checker.event(event)
    rows = np.zeros(3, EVENT_DTYPE)
    rows["address"], rows["op"], rows["size"] = BASE + 8, Op.READ, (8, 8, size)
    with pytest.raises(TraceError, match=f"event {len(BEFORE) + 2}: "):
        checker.feed(Batch(["cpu0"], rows))
