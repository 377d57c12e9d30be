# SPDX-License-Identifier: GPL-2.0-or-later
"""A hazard's story as a trace of its own, with what the caches did written between the events.

``docs/witness.md`` says how it reads.
"""

from collections.abc import Iterator

from coldline.events import PAGE_SIZE, Event, Op
from coldline.explain.witness import WitnessStep
from coldline.rules import Profile
from coldline.support.printable import printable
from coldline.trace.text import MAX_LINE_LENGTH, head_lines
from coldline.verdict import Hazard, Judgement

MARK = "#!"
"""Begins what a trace's reader takes for a comment and somebody who walks the witness does not."""

_WIDEST = 60
"""Columns of the longest event that remarks are lined up behind."""


def witness_lines(found: Judgement, path: str) -> Iterator[str]:
    """Every listed hazard as a trace, one after another, in lines without their ends.

    Parameters
    ----------
    found : Judgement
        What a check of `path` says.
    path : str
        The file's name.
    """
    for number, hazard in enumerate(found.hazards, start=1):
        entry = hazard.entry
        yield _comment(f"hazard {number} of {found.found} in {path}, line {entry.where}: {entry.event}")
        if not hazard.story:
            yield "# its story is not told"
        else:
            yield from _trace(hazard, found.profile)
        yield ""


def _trace(hazard: Hazard, profile: Profile) -> Iterator[str]:
    entry = hazard.entry
    yield printable(f"{MARK} {entry.kind} {entry.event.agent} {entry.address:#x} {entry.size}")
    yield from _header(profile)
    line = entry.address - entry.address % profile.line
    spelt = [(_spelt(step, line, profile.line), _remark(step, line, profile.line)) for step in hazard.story]
    width = min(max(len(text) for text, _ in spelt), _WIDEST)
    for text, remark in spelt:
        row = f"{text:{width}}  # {remark}"
        yield row if len(row) < MAX_LINE_LENGTH else text


def _spelt(step: WitnessStep, line: int, size: int) -> str:
    """A step as the trace has it: an event and what came of it, or a comment where there is no event."""
    if step.line_event is None:
        return f"{MARK} {step.step} {step.outcome}".rstrip()
    event = printable(str(part_on(step.line_event.event, line, size)))
    return f"{event} {MARK} {step.outcome}" if step.outcome else event


def _remark(step: WitnessStep, line: int, size: int) -> str:
    """What the copies are after a step, and where in the file an event is from."""
    if step.line_event is None:
        return str(step.state)
    event, where = step.line_event.event, step.line_event.where
    times = f", {step.times:,} times" if step.times > 1 else ""
    whole = printable(f": {event}") if part_on(event, line, size) != event else ""
    return f"{step.state}; line {where}{times}{whole}"


def part_on(event: Event, line: int, size: int) -> Event:
    """The part of an event that bears on the line at address `line`, of `size` bytes."""
    if not event.op.has_range:
        return event
    if event.op in (Op.MAP, Op.UNMAP):
        return event._replace(address=line - line % PAGE_SIZE, size=PAGE_SIZE)
    start, end = max(event.address, line), min(event.address + event.size, line + size)
    if start < end:
        return event._replace(address=start, size=end - start)
    # It touches other lines: a block that reaches into this one, or a fetch that a prefetch follows.
    return event._replace(address=line, size=size) if event.op is Op.DC_ZVA else event


def _header(profile: Profile) -> list[str]:
    """The lines of a header that asks for `profile`."""
    return head_lines(profile).splitlines()


def _comment(text: str) -> str:
    return printable(f"# {text}")[:MAX_LINE_LENGTH]
