# SPDX-License-Identifier: GPL-2.0-or-later
"""Packed words, as callbacks write them, decode to the right columns. The words are built by hand."""

import random
from typing import Any

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("numba")

from coldline.arm import MemoryType
from coldline.events import Event, Op
from coldline.events.agent_names import AGENTS, FIRST_VCPU, agents_of
from coldline.events.footprints import selected, slots_of, starts_of
from coldline.events.words import ESCAPE, Buffers, Packed, Word
from coldline.frontends.unicorn.callbacks import Callbacks
from coldline.frontends.unicorn.state import State
from coldline.jit import programs

WB_EXECUTABLE = 1 + MemoryType.NORMAL_WB | 8


def short(address: int, size: int, op: Op, agent: int = 0, attributes: int = 0) -> list[int]:
    return [address | (size - 1) << 40 | op << 52 | agent << 58 | attributes << 60]


def long(address: int, size: int, op: Op, agent: int = 0, attributes: int = 0) -> list[int]:
    return [63 << 52, address, size, agent << 32 | op << 48 | attributes << 56]


@pytest.fixture(scope="module")
def unpack() -> Any:
    return Callbacks(State([], instructions=False), programs.CALLBACKS["arm64"]).unpack


def batch_of(words: list[int], count: int, unpack: Any) -> tuple[Packed, Buffers, Buffers]:
    words_from, columns_from = Buffers(1 << 14), Buffers(1 << 14)
    buffer = words_from.take()
    for index, word in enumerate(words):
        buffer[8 * index : 8 * index + 8] = word.to_bytes(8, "little")
    return (
        Packed(agents_of(FIRST_VCPU), buffer, count, unpack, words_from, columns_from),
        words_from,
        columns_from,
    )


def test_words_are_events(unpack: Any) -> None:
    last = (1 << 40) - 4096
    words = [
        *short(0x4000_0008, 8, Op.READ),
        *short(0x4000_0FFF, 1, Op.WRITE, agent=3),
        *short(last, 4096, Op.MAP, agent=2, attributes=WB_EXECUTABLE),
        *long(0, 0, Op.MMU_ON),
        *long(0x4000_0000, 1 << 39, Op.DC_CISW),
        *long(0x4000_0000, 8192, Op.MAP, attributes=WB_EXECUTABLE),
        *short(0x4000_1000, 64, Op.DC_CIVAC, agent=1),
    ]
    batch, _, _ = batch_of(words, 7, unpack)
    assert len(batch) == 7
    assert [batch.event(index) for index in range(7)] == [
        Event("guest", Op.READ, 0x4000_0008, 8),
        Event("guest-wt", Op.WRITE, 0x4000_0FFF, 1),
        Event("guest-nc", Op.MAP, last, 4096, MemoryType.NORMAL_WB, True),
        Event("guest", Op.MMU_ON),
        Event("guest", Op.DC_CISW, 0x4000_0000, 1 << 39),
        Event("guest", Op.MAP, 0x4000_0000, 8192, MemoryType.NORMAL_WB, True),
        Event("guest-device", Op.DC_CIVAC, 0x4000_1000, 64),
    ]


def test_every_operation_fits() -> None:
    assert max(Op) < ESCAPE == Word.OP.mask >> Word.OP.lsb
    assert len(agents_of(FIRST_VCPU)) == AGENTS == 1 + (Word.AGENT.mask >> Word.AGENT.lsb)


def test_buffers_come_back_when_a_batch_is_released(unpack: Any) -> None:
    batch, words_from, columns_from = batch_of(short(0x1000, 8, Op.READ), 1, unpack)
    kept = batch.keep()
    assert kept is batch
    assert batch.kept
    words, columns = batch._words, batch.rows
    assert columns["address"].tolist() == [0x1000]
    kept.release()
    assert words_from.take() is words
    assert columns_from.take() is batch._columns


@pytest.mark.parametrize("seed", range(3))
def test_events_are_selected_from_words_as_from_columns(unpack: Any, seed: int) -> None:
    """Of any operation, of sizes around those of a granule and a page, some in the lines asked for."""
    draw = random.Random(seed)
    slots = slots_of([(0x4000_1F00, 0x4000_2001)])
    starts = starts_of(slots)
    words: list[int] = []
    for _ in range(400):
        make = draw.choice([short, long])
        size = draw.choice([1, 8, 255, 256, 257, 4096])
        address = draw.choice([0x4000_1E00, 0x4000_3F00, 0x4001_0000]) + draw.randrange(0x400)
        words += make(address, size, draw.choice(list(Op)), draw.randrange(4), draw.randrange(16))
    expected, _, _ = batch_of(words, 400, unpack)
    indices = selected(expected.rows, slots, starts).tolist()
    chosen = batch_of(words, 400, unpack)[0].selected(slots, starts)
    assert chosen[1].tolist() == indices
    assert chosen[0].tolist() == expected.rows[indices].tolist()
    assert 100 < len(indices) < 400


def test_of_each_agent_the_first_event_that_it_begins_by_is_selected(unpack: Any) -> None:
    slots = slots_of([(0x4000_0000, 0x4000_0040)])
    words = [
        *short(0x4100_0000, 8, Op.READ),
        *short(0x4100_0000, 8, Op.READ),
        *short(0x4100_1000, 4096, Op.UNMAP, agent=1),
        *long(0x4100_0000, 8, Op.DC_CIVAC, agent=1),
        *short(0x4100_0000, 8, Op.WRITE, agent=1),
    ]
    batch, _, _ = batch_of(words, 5, unpack)
    assert batch.selected(slots, starts_of(slots))[1].tolist() == [0, 2, 3]
    assert batch.rows["op"].tolist() == [Op.READ, Op.READ, Op.UNMAP, Op.DC_CIVAC, Op.WRITE]
    assert batch.selected(slots, starts_of(slots))[1].tolist() == [0, 2, 3]
