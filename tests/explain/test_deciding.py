# SPDX-License-Identifier: GPL-2.0-or-later
"""The step that decides a story, in traces where the rules leave no doubt which one it is."""

from collections.abc import Iterator

import pytest

from coldline.corpus import CORPUS_FOLDER, read_corpus
from coldline.explain.deciding import Role
from coldline.explain.explained import ExplainedHazard
from coldline.trace_check import check_trace
from tests.explain.test_witness import told
from tests.helpers.effort import examples
from tests.helpers.order_traces import draw_ordered

MAPS = "c map 0x1000 0x1000 normal-wb exec\nn map 0x1000 0x1000 normal-nc\n"
"""A cacheable and a non-cacheable agent."""

CASES = {
    "a store stays in a cache, and memory is read": (
        MAPS + "c write 0x1000 8\nn read 0x1000 8\n", "stale-read", Role.LEFT_OLD, "memory", 3, 3
    ),
    "a store goes past a cached copy": (
        MAPS + "c read 0x1000 8\nn write 0x1000 8\nc read 0x1000 8\n", "stale-read", Role.LEFT_OLD, "level 1", 4, 4
    ),
    "a store goes past the instruction cache": (
        MAPS + "c fetch 0x1000 4\nc write 0x1000 4\nc dc cvau 0x1000 4\nc fetch 0x1000 4\n",
        "stale-fetch", Role.LEFT_OLD, "the instruction cache", 4, 4,
    ),
    "an invalidate discards": (
        MAPS + "c write 0x1000 8\nc dc ivac 0x1000 8\nc read 0x1000 8\n",
        "lost-write", Role.DISCARDED, "level 1", 4, 4,
    ),
    "a clean writes an old line over the store": (
        MAPS + "c write 0x1000 8\nn write 0x1000 8\nc dc civac 0x1000 8\nc read 0x1000 8\n",
        "lost-write", Role.WROTE_OLD, "memory", 5, 5,
    ),
    "an operation by set and way discards": (
        MAPS + "c write 0x1000 8\nc dc isw 0x1000 64\nc read 0x1000 8\n",
        "lost-write", Role.DISCARDED, "level 1", 4, 4,
    ),
}  # fmt: skip
"""A trace, the hazard's kind, what decides it, the copy, and the lines of the deciding step and of the event."""


def place(hazard: ExplainedHazard) -> tuple[int, int]:
    """The lines of the deciding step, 0 for a step of a cache, and of the event that answers for it."""
    assert hazard.decided is not None
    step, event = (hazard.story[index].line_event for index in (hazard.decided.step, hazard.decided.event))
    assert event is not None
    return step.where if step is not None else 0, event.where


@pytest.mark.parametrize(("text", "kind", "role", "copy", "step", "event"), CASES.values(), ids=CASES)
def test_the_deciding_step(text: str, kind: str, role: Role, copy: str, step: int, event: int) -> None:
    (hazard,) = (each for each in told(text).hazards if each.entry.kind == kind)
    assert hazard.decided is not None
    assert (hazard.decided.role, hazard.decided.copy) == (role, copy)
    assert place(hazard) == (step, event)


def test_a_write_back_decides_and_the_store_before_it_answers() -> None:
    """Only a write-back by a cache can lose the write, as the copy is not cleaned."""
    text = MAPS + "c write 0x1000 8\nn write 0x1000 8\nn read 0x1000 8\n"
    (hazard,) = (each for each in told(text).hazards if each.entry.kind == "lost-write")
    assert hazard.decided is not None
    assert (hazard.decided.role, hazard.decided.copy) == (Role.WROTE_OLD, "memory")
    assert hazard.story[hazard.decided.step].step == "write back 2"
    assert place(hazard) == (0, 4)


def test_a_fill_after_the_store_decides() -> None:
    """The instruction cache has no copy at the store, as its page is mapped executable only after it."""
    text = """\
c map 0x1000 0x1000 normal-wb
c write 0x1000 4
e map 0x1000 0x1000 normal-wb exec
c dc cvau 0x1000 4
e fetch 0x1000 4
"""
    (hazard,) = told(text).hazards
    assert hazard.decided is not None
    assert (hazard.decided.role, hazard.decided.copy) == (Role.FILLED_OLD, "the instruction cache")
    assert hazard.story[hazard.decided.step].step == "fill I"
    assert place(hazard) == (0, 2)


def test_an_operation_that_takes_effect_later_is_answered_for_by_its_event() -> None:
    text = """\
version 2
option order
core cpu0 c
c map 0x1000 0x1000 normal-wb
c write 0x1000 8
c dc ivac 0x1000 8
c dsb
c read 0x1000 8
"""
    hazards = [each for each in told(text).hazards if each.entry.kind == "lost-write"]
    assert hazards
    assert hazards[0].decided is not None
    assert hazards[0].decided.role is Role.DISCARDED
    assert place(hazards[0]) == (0, 6)


def of_the_corpus() -> Iterator[tuple[str, ExplainedHazard]]:
    for bug in read_corpus(CORPUS_FOLDER):
        for case in bug.cases:
            for hazard in check_trace(str(case.path)).hazards:
                yield f"{bug.name}/{case.name}", hazard


def test_each_story_of_the_corpus_has_a_step_that_decides_it() -> None:
    """A lost write was lost at that step; the store is the last one of the bad byte before it."""
    seen = 0
    for name, hazard in of_the_corpus():
        decided = hazard.decided
        assert decided is not None, name
        seen += 1
        states = [step.state for step in hazard.story]
        if hazard.entry.kind == "lost-write":
            assert states[decided.step].lost, name
            assert not states[decided.step - 1].lost, name
            assert all(state.lost for state in states[decided.step :]), name
        event = hazard.story[decided.event].line_event
        assert event is not None, name
        assert event.where < hazard.entry.where, name
    assert seen > 25


def test_a_story_of_any_trace_with_order_has_a_step_that_decides_it() -> None:
    """The event that answers for it comes before the read; what is lost stays lost from that step on."""
    seen = 0
    for seed in range(examples(120, least=30)):
        for hazard in told(draw_ordered(seed, most=8), most=20).hazards:
            if not hazard.story:  # a part of a range that was split is not followed
                continue
            decided = hazard.decided
            assert decided is not None
            event = hazard.story[decided.event].line_event
            assert event is not None
            assert event.number < hazard.entry.number
            if hazard.entry.kind == "lost-write":
                assert all(step.state.lost for step in hazard.story[decided.step :])
            seen += 1
    assert seen > 5
