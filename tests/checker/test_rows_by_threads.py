# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of many pages, whose rows several threads step: the same hazards, in the same order, as by one thread."""

import os
import random

import pytest

from coldline.arm import MemoryType
from coldline.checker import Checker, compiled_dense_rows, dense_rows
from coldline.checker.checker import StateRun
from coldline.checker.loops import Loops
from coldline.checker.state.findings import HazardEntry, entries
from coldline.events import PAGE_SIZE, Event, Op
from coldline.rules.profile import Profile

BASE, PAGES = 0x4000_0000, 48
SIZE = PAGES * PAGE_SIZE
WB, NC = MemoryType.NORMAL_WB, MemoryType.NORMAL_NC
WHOLE = (Op.READ, Op.WRITE, Op.DC_CVAC, Op.DC_CIVAC, Op.DC_IVAC, Op.DC_CVAU, Op.FETCH)


def drawn(seed: int) -> list[Event]:
    """Accesses to single lines and parts of them, and between them events of all pages, or of most."""
    rng = random.Random(seed)
    events = [
        Event("host", Op.MAP, BASE, SIZE, WB, True),
        Event("guest", Op.MMU_OFF),
        Event("dom0", Op.MAP, BASE, SIZE, NC),
    ]
    for _ in range(6):
        for _ in range(rng.randrange(120)):
            agent, op = rng.choice([("host", Op.WRITE), ("dom0", Op.WRITE), ("host", Op.READ)])
            at = BASE + rng.randrange(SIZE // 8 - 8) * 8
            events.append(Event(agent, op, at, rng.choice([8, 64])))
        first = rng.choice([0, 0, rng.randrange(8)]) * PAGE_SIZE
        agent = rng.choice(["host", "dom0", "guest"])
        op = rng.choice(WHOLE if agent == "host" else WHOLE[:2])
        events.append(Event(agent, op, BASE + first, SIZE - first))
    return [*events, Event("guest", Op.READ, BASE, SIZE)]


def found(events: list[Event], line: int) -> tuple[list[HazardEntry], list[StateRun]]:
    """The hazards of each line, in a report's order, and the states of all lines after all events."""
    checker = Checker(Profile(line=line))
    for number, event in enumerate(events):
        checker.event(event, number)
    return list(entries(checker.findings, line)), list(checker.states(BASE, SIZE))


@pytest.mark.parametrize("line", [32, 64])
@pytest.mark.parametrize("threads", [2, 3])
def test_the_same_hazards(monkeypatch: pytest.MonkeyPatch, threads: int, line: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(threads)))
    monkeypatch.setattr(dense_rows, "LOAD_FROM", 0)
    monkeypatch.setattr(dense_rows, "COMPILE_FROM", 0)
    at_once, calls = Loops.call_at_once, []

    def counted(self: Loops, name: str, each: list[tuple[int, ...]]) -> None:
        calls.append(len(each))
        at_once(self, name, each)

    monkeypatch.setattr(Loops, "call_at_once", counted)
    hazardous = 0
    for seed in range(30):
        events = drawn(seed)
        monkeypatch.setattr(compiled_dense_rows, "AT_ONCE_ROWS", 1 << 60)
        by_one = found(events, line)
        assert not calls
        monkeypatch.setattr(compiled_dense_rows, "AT_ONCE_ROWS", 8)
        monkeypatch.setattr(compiled_dense_rows, "STEPPED_BEFORE", 1 + seed % 4)
        assert found(events, line) == by_one
        assert set(calls) == {threads}
        calls.clear()
        hazardous += bool(by_one[0])
    assert hazardous > 10
