# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a line as a drawing: a lane for each agent, for the caches' own steps, and for each copy of the byte.

This has the places and the words; a template makes SVG of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.report.cause_words import event_place
from coldline.report.causes import decided_words, outcome_words
from coldline.report.event_words import event_words
from coldline.report.step_words import CACHES, COPIES, copies_words, step_words

if TYPE_CHECKING:
    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep
    from coldline.report.model import Report

STEP_WIDTH: Final = 30
LANE_HEIGHT: Final = 26
LEFT: Final = 130
TOP: Final = 22
"""Places in the drawing, in pixels."""

_ENDS: Final = {
    "lost-write": "reads old bytes, which are lost",
    "leak": "reads bytes from before the gift",
    "bbm": "both mappings are alive",
}
"""What the last step of a story did, by the kind of hazard, where it did not just read old bytes."""


class Mark(NamedTuple):
    """A step of the story.

    Attributes
    ----------
    number : int
        Its number, from 1.
    x, y : int
        Its place.
    lane : str
        Its lane.
    what : str
        What happened.
    where : str
        Its line, instruction or number; empty for a step of a cache.
    note : str
        What it decides, or that it reads the old bytes; else empty.
    copies : str
        The copies of the byte after it.
    pending : str
        What is not complete after it.
    of_cache : bool
        Whether a cache did it on its own.
    """

    number: int
    x: int
    y: int
    lane: str
    what: str
    where: str
    note: str
    copies: str
    pending: str
    of_cache: bool

    @property
    def said(self) -> str:
        """All of it in a sentence."""
        where = f" ({self.where})" if self.where else ""
        by_cache = "by itself: " if self.of_cache else ""
        note = f". It {self.note}" if self.note else ""
        pending = f". Not complete: {self.pending}" if self.pending else ""
        return f"{self.number}. {by_cache}{self.what}{where}{note}. Copies: {self.copies}{pending}"


class Stretch(NamedTuple):
    """A run of steps during which a copy has one content: its place, its width, its look and its word."""

    x: int
    y: int
    width: int
    look: str
    word: str


class Timeline(NamedTuple):
    """A story as a drawing.

    Attributes
    ----------
    width, height : int
        Its size in pixels.
    lanes : list of (str, int)
        The names of the lanes, and the middle of each.
    marks : list of Mark
        The steps.
    stretches : list of Stretch
        The contents of the copies.
    decides : int
        The x of the deciding step; 0 if it is not known.
    """

    width: int
    height: int
    lanes: list[tuple[str, int]]
    marks: list[Mark]
    stretches: list[Stretch]
    decides: int


def timeline(report: "Report", hazard: "ExplainedHazard") -> Timeline:
    """Lay out the story of a hazard."""
    names = list(dict.fromkeys(_lane(step) for step in hazard.story))
    names.sort(key=lambda name: name == CACHES)
    lanes = [
        (name, TOP + index * LANE_HEIGHT + LANE_HEIGHT // 2) for index, name in enumerate((*names, *COPIES))
    ]
    places = dict(lanes[: len(names)])
    marks = [
        _mark(report, hazard, index, step, places[_lane(step)]) for index, step in enumerate(hazard.story)
    ]
    copies = {name: lanes[len(names) + index][1] for index, name in enumerate(COPIES)}
    decided = hazard.decided
    return Timeline(
        LEFT + STEP_WIDTH * len(hazard.story) + 10,
        TOP + LANE_HEIGHT * len(lanes) + 6,
        lanes,
        marks,
        [each for name in COPIES for each in _stretches(hazard.story, name, copies[name])],
        marks[decided.step].x if decided is not None else 0,
    )


def _lane(step: "WitnessStep") -> str:
    return step.line_event.event.agent if step.line_event is not None else CACHES


def _mark(report: "Report", hazard: "ExplainedHazard", index: int, step: "WitnessStep", y: int) -> Mark:
    of_cache = step.line_event is None
    times = f", {step.times:,} times" if step.times > 1 else ""
    outcome = outcome_words(step)
    if step.line_event is not None:
        what = f"{event_words(report, step.line_event.event, step.line_event.where)}{times}"
    else:
        what = step_words(step)
    notes = []
    if hazard.decided is not None and index == hazard.decided.step:
        notes.append(decided_words(hazard.decided))
    if index == len(hazard.story) - 1:
        notes.append(_ENDS.get(hazard.entry.kind, "reads old bytes"))
    return Mark(
        number=index + 1,
        x=LEFT + STEP_WIDTH * index + STEP_WIDTH // 2,
        y=y,
        lane=_lane(step),
        what=f"{what}: {outcome}" if outcome else what,
        where=event_place(report, step.line_event) if step.line_event is not None else "",
        note=", and ".join(notes),
        copies=", ".join(f"{name} {word}" for name, word in copies_words(step.state).items()),
        pending="; ".join(f"{core}: {words}" for core, words in step.pending),
        of_cache=of_cache,
    )


def _stretches(story: "Sequence[WitnessStep]", name: str, y: int) -> list[Stretch]:
    """The contents of one copy, from the step that made each to the next one."""
    words = [copies_words(step.state)[name] for step in story]
    found = []
    start = 0
    for index in range(1, len(words) + 1):
        if index < len(words) and words[index] == words[start]:
            continue
        if words[start] != "-":
            look = "old" if words[start].startswith("OLD") else "new"
            dirty = " dirty" if words[start].endswith("*") else ""
            x, width = LEFT + STEP_WIDTH * start + STEP_WIDTH // 2, STEP_WIDTH * (index - start)
            found.append(Stretch(x, y, width, f"{look}{dirty}", words[start]))
        start = index
    return found
