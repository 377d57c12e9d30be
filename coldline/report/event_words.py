# SPDX-License-Identifier: GPL-2.0-or-later
"""An event in words, and which events of a story are told as one."""

from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.events import Event, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep
    from coldline.report.model import Report

_NOUNS: Final = {Op.READ: "read", Op.WRITE: "write", Op.FETCH: "fetch", Op.WALK: "walk"}


def event_words(report: "Report | None", event: Event, where: int) -> str:
    """An event as its trace's text has it, where that is known; else in the form of a trace."""
    written = report.written.get(where) if report is not None else None
    return written if written is not None else str(event)


class StoryRow(NamedTuple):
    """Steps of a story that are one row of its table.

    Attributes
    ----------
    first, last : int
        The indices of the first step and of the last one.
    more : str
        What the steps after the first one are, such as ``15 more reads of the same line``; empty if there are none.
    """

    first: int
    last: int
    more: str = ""


def story_rows(hazard: "ExplainedHazard") -> "Iterator[StoryRow]":
    """The rows of a story: an agent's accesses to other bytes of the line that follow one another are one.

    They change no copy of the bad byte.
    """
    story = hazard.story
    index = 0
    while index < len(story):
        end = index + 1
        if _is_neighbour(hazard, index):
            while end < len(story) and _is_neighbour(hazard, end) and _alike(story[index], story[end]):
                end += 1
        count = sum(step.times for step in story[index + 1 : end])
        yield StoryRow(
            index, end - 1, f"{count:,} more {_noun(story[index], count)} of the same line" if count else ""
        )
        index = end


def _noun(step: "WitnessStep", count: int) -> str:
    assert step.line_event is not None
    noun = _NOUNS[step.line_event.event.op]
    return noun if count == 1 else "fetches" if noun == "fetch" else f"{noun}s"


def _alike(one: "WitnessStep", other: "WitnessStep") -> bool:
    assert one.line_event is not None
    assert other.line_event is not None
    first, second = one.line_event.event, other.line_event.event
    return (first.agent, first.op, first.type_word) == (second.agent, second.op, second.type_word)


def _is_neighbour(hazard: "ExplainedHazard", index: int) -> bool:
    """Whether a step is an access to other bytes of the line that changes nothing of the bad one."""
    story = hazard.story
    step = story[index]
    if step.line_event is None or step.line_event.event.op not in _NOUNS or index in (0, len(story) - 1):
        return False
    if hazard.decided is not None and index in (hazard.decided.step, hazard.decided.event):
        return False
    event, bad = step.line_event.event, hazard.entry.address
    before = story[index - 1]
    same = step.state == before.state and step.pending == before.pending and not step.outcome
    return same and not event.address <= bad < event.address + event.size
