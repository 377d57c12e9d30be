# SPDX-License-Identifier: GPL-2.0-or-later
"""A cause in a sentence, and its place in a file: what reports for other programs are made of."""

from typing import TYPE_CHECKING, NamedTuple

from coldline.report.causes import FINAL_READ
from coldline.report.code_places import code_place, source_place
from coldline.report.event_words import event_words
from coldline.report.leaked_words import leaked_words

if TYPE_CHECKING:
    from coldline.checker.state.findings import HazardEntry
    from coldline.explain.line_history import LineEvent
    from coldline.report.causes import Cause
    from coldline.report.model import Report

KIND_SENTENCES = {
    "bbm": "A descriptor gives a mapping another memory type without break-before-make.",
    "leak": "A read may return what was in a page before it was given to the reader.",
    "stale-read": "A read may return old bytes, while newer ones are in another copy.",
    "stale-fetch": "An instruction fetch may return old bytes, while newer ones are in another copy.",
    "lost-write": "A read may return old bytes, and no copy has the newer ones any more.",
}
"""A sentence for each kind of hazard."""

_BYTES = {"leak": "another owner's bytes"}
"""What a read may get, where that is not just old."""


class FilePlace(NamedTuple):
    """A place in a file: its path, and the line from 1, or 0 where there is none."""

    path: str
    line: int


def cause_sentence(report: "Report", cause: "Cause") -> str:
    """A cause in one sentence: who may get old bytes, how many, and what decides it."""
    bytes_ = cause.first.entry.size
    size = "1 byte" if bytes_ == 1 else f"{bytes_:,} bytes"
    who = "the final read" if cause.final_read else cause.first.entry.event.agent
    what = f"{harm_words(cause.first.entry, who)} at {cause.first.entry.address:#x}, {size}"
    more = cause.count - cause.first.entry.lines
    others = f" (and {more:,} hazards more up to {cause.end - 1:#x})" if more else ""
    leaked = leaked_words(cause.first)
    whose = f" ({leaked})" if leaked else ""
    return f"{what}{others}{whose}: {decider_words(report, cause)}"


def harm_words(entry: "HazardEntry", who: str) -> str:
    """What somebody may do wrongly, without the place."""
    if entry.kind == "bbm":
        return f"{who} changes the memory type of a live mapping"
    return f"{who} may get {_BYTES.get(entry.kind, 'old bytes')}"


def capital(text: str) -> str:
    """A sentence with a capital letter first."""
    return text[:1].upper() + text[1:]


def decider_words(report: "Report", cause: "Cause") -> str:
    """What decides a cause, in words: the event, where it is, and what it does."""
    line_event = cause.event
    event = event_words(report, line_event.event, line_event.where)
    said = f"{event} ({event_place(report, line_event)}) {cause.words}"
    if cause.decided.step == cause.decided.event:
        return said
    return f"a cache, after {event} ({event_place(report, line_event)}), {cause.words}"


def event_place(report: "Report", line_event: "LineEvent") -> str:
    """Where an event is: its line in a trace, or its instruction, or its number in a run."""
    if line_event.where:
        return f"line {line_event.where}"
    if line_event.code is not None:
        return f"at {code_place(report, line_event.code)}"
    return f"event {line_event.number:,}"


def reader_words(report: "Report", cause: "Cause") -> str:
    """Who reads the old bytes, and where, in words."""
    if cause.final_read:
        return FINAL_READ
    entry, code = cause.first.entry, cause.first.code
    if entry.where:
        return f"line {entry.where}: {event_words(report, entry.event, entry.where)}"
    return f"{entry.event} at {code_place(report, code)}" if code is not None else str(entry.event)


def reader_place(report: "Report", cause: "Cause") -> FilePlace:
    """The place in a file of the read: in a trace its line; of a run its source line, else the image alone."""
    source = source_place(report, cause.first.code) if cause.first.code is not None else None
    if source is not None and source.path and not cause.final_read:
        return FilePlace(source.path, source.line)
    return FilePlace(report.subject, 0 if cause.final_read else cause.first.entry.where)


def decider_place(report: "Report", line_event: "LineEvent") -> FilePlace:
    """The place in a file of an event of a story: as that of a read."""
    source = source_place(report, line_event.code) if line_event.code is not None else None
    if source is not None and source.path:
        return FilePlace(source.path, source.line)
    return FilePlace(report.subject, line_event.where)
