# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the causes that are like one that has been told: a line for all of them, and one for each."""

from typing import TYPE_CHECKING, Final

from coldline.report.causes import FINAL_READ
from coldline.report.code_places import source_place
from coldline.report.consequence_words import consequence_summary
from coldline.report.event_words import event_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coldline.explain.event_code import Code
    from coldline.explain.old_copy import OldLine
    from coldline.report.alike import Alike
    from coldline.report.causes import Cause
    from coldline.report.line_writer import LineWriter
    from coldline.report.model import Report

_SHOWN: Final = 8
"""How many of the causes that are alike have a line, where no more is known of them."""


def write_alike(lines: "LineWriter", report: "Report", causes: "Sequence[Cause]", same: "Alike") -> None:
    """Write the causes after the first one of some that are alike."""
    numbers = same.numbers[1:]
    lines.say(f"   {alike_words(report, causes, same)}")
    told = any(number in report.consequences or number in report.repairs for number in numbers)
    shown = numbers if told or report.triage is not None else numbers[:_SHOWN]
    for number in shown:
        lines.say(f"     {number + 1}. {_cause_words(report, number, causes[number])}")
    if len(shown) < len(numbers):
        lines.say(f"     and {len(numbers) - len(shown):,} more")


def alike_words(report: "Report", causes: "Sequence[Cause]", same: "Alike") -> str:
    """How many causes are like the first one of some, how many hazards they are, where, and what they share."""
    others = [causes[number] for number in same.numbers[1:]]
    noun = "cause" if len(others) == 1 else "causes"
    count = sum(cause.count for cause in others)
    hazards = f"{count:,} hazard{'' if count == 1 else 's'}"
    first, last = min(cause.address for cause in others), max(cause.end for cause in others) - 1
    shared = f": stores past {old_line_words(report, same.line)}" if same.line is not None else ""
    return f"{len(others):,} {noun} more like this one{shared}; {hazards} in {first:#x} to {last:#x}"


def old_line_words(report: "Report", line: "OldLine") -> str:
    """The old lines that causes share."""
    since = line.since
    where = f"line {since.where}" if since.where else f"#{since.number:,}"
    return f"lines that caches have had since {event_words(report, since.event, since.where)} ({where})"


def _cause_words(report: "Report", number: int, cause: "Cause") -> str:
    """A cause in a line: its first byte, who stored, who reads, and what is known of it."""
    entry, store = cause.first.entry, cause.event
    who = FINAL_READ if cause.final_read else f"{entry.event.agent} {entry.event.op.words}"
    by = f"{store.event.agent} {store.event.op.words}{_at(report, store.code, store.where)}"
    read = who if cause.final_read else f"{who}{_at(report, cause.first.code, entry.where)}"
    parts = [f"{cause.address:#x}: {by}, {read}"]
    if report.triage is not None:
        known = report.triage.causes[number]
        parts.append(f"{known.state.value}: {known.reason}" if known.reason else known.state.value)
    if number in report.consequences:
        parts.append(consequence_summary(report.consequences[number]))
    if number in report.repairs:
        found = report.repairs[number].found
        repair = " and ".join(str(event) for event in found[0].events) if found else "no repair was found"
        parts.append(f"repaired by {repair}" if found else repair)
    return "; ".join(parts)


def _at(report: "Report", code: "Code | None", where: int) -> str:
    if where:
        return f" in line {where}"
    if code is None:
        return ""
    source = source_place(report, code)
    return f" at {source}" if source is not None else f" at pc {code.virtual:#x}"
