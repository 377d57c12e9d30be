# SPDX-License-Identifier: GPL-2.0-or-later
"""Each hazard's story as a separate trace, with the steps of the caches between the events.

``docs/reference/witness.md`` says how to read it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from coldline.events import PAGE_SIZE, Event, Op
from coldline.explain.explained import ExplainedHazard
from coldline.explain.witness import WitnessStep
from coldline.report.phrases import coverage_words, not_covered_words, verdict_words
from coldline.report.reporters.base import Reporter
from coldline.rules import Profile
from coldline.support.printable import one_line, printable
from coldline.trace.text import MAX_LINE_LENGTH
from coldline.trace.text_head import head_lines
from coldline.verdict import Verdict

if TYPE_CHECKING:
    from coldline.report.model import Report

MARK = "#!"
"""Begins a comment that has a meaning for programs that replay a witness; a trace's reader ignores it."""

_WIDEST = 60
"""The column at which remarks line up, at most."""


class WitnessReporter(Reporter):
    """Writes the listed hazards as traces, and the verdict as a comment."""

    def report(self, report: "Report") -> None:
        """Write a report of a trace file or of a run."""
        if report.judgement is None:
            print(one_line(f"coldline: {report.error}"), file=self.settings.errors or self.out)
            return
        self.warn(report)
        if not self.settings.quiet:
            for line in witness_lines(report, self.settings.hazards):
                print(line, file=self.out)
        print(_comment(f"{report.subject}: {verdict_words(report.judgement)}"), file=self.out)
        print(_comment(coverage_words(report)), file=self.out)
        if report.verdict is Verdict.COHERENT:
            print(_comment(not_covered_words(report)), file=self.out)


def witness_lines(report: "Report", most: int | None = None) -> Iterator[str]:
    """The first `most` hazards of a report as traces, one after another, in lines without their ends."""
    judgement = report.judgement
    number = 1
    for hazard in judgement.hazards[:most] if judgement is not None else ():
        assert judgement is not None
        entry = hazard.entry
        last = number + entry.lines - 1
        which = f"hazard {number}" if entry.lines == 1 else f"hazards {number} to {last}"
        number = last + 1
        where = f"{_where(entry.where, entry.number)}: {entry.event}"
        yield _comment(f"{which} of {judgement.found} in {report.subject}, {where}")
        if not hazard.story:
            yield "# this hazard has no story"
        else:
            yield from _trace(hazard, judgement.profile)
        yield ""


def _where(line: int, number: int) -> str:
    """An event's line in its file; for a run, its number."""
    return f"line {line}" if line else f"event {number}"


def _trace(hazard: ExplainedHazard, profile: Profile) -> Iterator[str]:
    entry = hazard.entry
    line = entry.address - entry.address % profile.line
    size = min(entry.size, line + profile.line - entry.address)
    yield printable(f"{MARK} {entry.kind} {entry.event.agent} {entry.address:#x} {size}")
    yield from _header(profile)
    spelt = [(_spelt(step, line, profile.line), _remark(step, line, profile.line)) for step in hazard.story]
    width = min(max(len(text) for text, _ in spelt), _WIDEST)
    for text, remark in spelt:
        row = f"{text:{width}}  # {remark}"
        yield row if len(row) < MAX_LINE_LENGTH else text


def _spelt(step: WitnessStep, line: int, size: int) -> str:
    """A step as a line of the trace: an event and the copies after it, or a comment for a step of a cache."""
    if step.line_event is None:
        words = (MARK, step.step or "", step.core, step.operation, step.outcome)
        return printable(" ".join(word for word in words if word))
    event = printable(str(part_on(step.line_event.event, line, size)))
    return f"{event} {MARK} {step.outcome}" if step.outcome else event


def _remark(step: WitnessStep, line: int, size: int) -> str:
    """The copies after a step, and the event's place in the file."""
    state = "; ".join((str(step.state), *pending_words(step)))
    if step.line_event is None:
        return state
    event, where = step.line_event.event, _where(step.line_event.where, step.line_event.number)
    times = f", {step.times:,} times" if step.times > 1 else ""
    whole = printable(f": {event}") if part_on(event, line, size) != event else ""
    return f"{state}; {where}{times}{whole}"


def pending_words(step: WitnessStep) -> list[str]:
    """What each core has pending after a step."""
    return [printable(f"{core} pending: {words}") for core, words in step.pending]


def part_on(event: Event, line: int, size: int) -> Event:
    """The part of an event that concerns the line of `size` bytes at address `line`."""
    if not event.op.has_range:
        return event
    if event.op.traits.whole_pages:
        return event._replace(address=line - line % PAGE_SIZE, size=PAGE_SIZE)
    start, end = max(event.address, line), min(event.address + event.size, line + size)
    if start < end:
        return event._replace(address=start, size=end - start)
    # The event touches other lines: a block that reaches into this one, or a fetch that a prefetch follows.
    return event._replace(address=line, size=size) if event.op is Op.DC_ZVA else event


def _header(profile: Profile) -> list[str]:
    """The lines of a header that asks for `profile`."""
    return head_lines(profile).splitlines()


def _comment(text: str) -> str:
    return printable(f"# {text}")[:MAX_LINE_LENGTH]
