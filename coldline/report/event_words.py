# SPDX-License-Identifier: GPL-2.0-or-later
"""An event in words, and which events of a story are told as one."""

from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.events import Event, Op
from coldline.events.op import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep
    from coldline.report.model import Report

_FEWEST: Final = 3
_SET_UP: Final = (Kind.ALIAS, Kind.SWITCH, Kind.BARRIER)
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
        What the steps after the first one are, such as ``and 15 more reads of the same line``; empty if there are
        none.
    """

    first: int
    last: int
    more: str = ""


def story_rows(hazard: "ExplainedHazard", start: int = 0) -> "Iterator[StoryRow]":
    """The rows of a story, from a step on.

    What an agent does in a row without changing a copy of the bad byte is one row: accesses to other bytes of the
    line, and three or more mappings, switches and barriers of a host, or of a guest's start.
    """
    story = hazard.story
    index = start
    while index < len(story):
        end = index + 1
        if _is_neighbour(hazard, index):
            while end < len(story) and _is_neighbour(hazard, end) and _by(story[index]) == _by(story[end]):
                end += 1
        more = f"and {_more(story[index + 1 : end])} of the same line" if end > index + 1 else ""
        quiet = index
        while quiet < len(story) and _is_set_up(hazard, quiet) and _by(story[quiet]) == _by(story[index]):
            quiet += 1
        if quiet - index >= _FEWEST:
            end, more = quiet, ", ".join(_briefly(story[index:quiet]))
        yield StoryRow(index, end - 1, more)
        index = end


def _is_set_up(hazard: "ExplainedHazard", index: int) -> bool:
    """Whether a step of a run maps, switches or waits, changes no copy, and is not of the guest's code."""
    story = hazard.story
    event = story[index].line_event
    if event is None or event.where or event.code is not None or index in (0, len(story) - 1):
        return False
    if hazard.decided is not None and index in (hazard.decided.step, hazard.decided.event):
        return False
    before, step = story[index - 1], story[index]
    return event.event.op.kind in _SET_UP and (step.state, step.pending) == (before.state, before.pending)


def _by(step: "WitnessStep") -> str:
    """The agent of a step."""
    return step.line_event.event.agent if step.line_event is not None else ""


def _briefly(steps: "Sequence[WitnessStep]") -> "Iterator[str]":
    """What steps of one agent do, after the first one: without its name, and without the range that was the last."""
    last = (-1, -1)
    for index, step in enumerate(steps):
        assert step.line_event is not None
        event = step.line_event.event
        words = str(event).split()[1:]
        start = len(event.op.words.split())
        if event.op.has_range and (event.address, event.size) == last:
            del words[start : start + 2]
        text = " ".join(words)
        last = (event.address, event.size) if event.op.has_range else last
        if index:
            yield f"{text} ({step.times:,} times)" if step.times > 1 else text


def _more(steps: "Sequence[WitnessStep]") -> str:
    """How many accesses some steps are, by what they do, such as ``2 more reads and 1 write``."""
    counts: dict[Op, int] = {}
    for step in steps:
        assert step.line_event is not None
        op = step.line_event.event.op
        counts[op] = counts.get(op, 0) + step.times
    words = [f"{count:,} {_noun(op, count)}" for op, count in counts.items()]
    words[0] = words[0].replace(" ", " more ", 1)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _noun(op: Op, count: int) -> str:
    noun = _NOUNS[op]
    return noun if count == 1 else "fetches" if noun == "fetch" else f"{noun}s"


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
