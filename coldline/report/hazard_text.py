# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes hazards for people: each with its place, and its story as a table."""

from typing import TYPE_CHECKING, Final

from coldline.report.alike import told_together
from coldline.report.alike_text import write_alike
from coldline.report.cause_words import harm_words
from coldline.report.causes import group
from coldline.report.consequence_words import consequence_lines
from coldline.report.leaked_words import leaked_words
from coldline.report.line_writer import LineWriter
from coldline.report.model import Report
from coldline.report.phrases import place_words, segment_words
from coldline.report.repair_words import repair_words
from coldline.report.told_stories import Stories

if TYPE_CHECKING:
    from coldline.explain.explained import ExplainedHazard, Unread
    from coldline.report.causes import Cause
    from coldline.report.told_stories import Before
    from coldline.verdict import Judgement


def write_hazards(lines: LineWriter, report: Report, most: int | None = None) -> None:
    """Write the causes of the first `most` hazards of a report, and how many hazards more there are."""
    judgement = report.judgement
    if judgement is None:
        return
    grouped = group(judgement)
    told: set[int | None] = set()
    stories = Stories()
    places = {number: each for each in told_together(report, grouped.causes) for number in each.numbers}
    accounted, causeless = 0, len(grouped.causes)
    for hazard, cause in zip(judgement.hazards[:most], grouped.of_hazard, strict=False):
        if cause in told:
            continue
        if cause is None:
            causeless += 1
            accounted += hazard.entry.lines
            _write_hazard(lines, report, stories, hazard, causeless)
            continue
        same = places[cause].numbers
        told.update(same)
        accounted += sum(grouped.causes[number].count for number in same)
        _write_hazard(lines, report, stories, hazard, cause + 1, grouped.causes[cause])
        if len(same) > 1:
            write_alike(lines, report, grouped.causes, places[cause])
    left = judgement.found - accounted
    if left > 0:
        lines.say()
        lines.say(f"and {left:,} more")


def _write_hazard(
    lines: LineWriter,
    report: Report,
    stories: "Stories",
    hazard: "ExplainedHazard",
    number: int,
    cause: "Cause | None" = None,
) -> None:
    """Write a hazard with its number in the report, its story, and what is known of its cause."""
    entry = hazard.entry
    lines.say()
    size = _bytes(entry.size) if entry.lines == 1 else f"{_bytes(entry.size)} in {entry.lines:,} lines"
    what = f"{harm_words(entry, entry.event.agent)} at {entry.address:#x}, {size}"
    known = report.triage.causes[number - 1] if report.triage is not None and cause is not None else None
    state = f" ({known.state.value})" if known is not None else ""
    style = "bad" if known is None or known.fails else "dim"
    lines.say(f"{number}. {entry.kind}{state}: {what}", style)
    if known is not None and known.reason:
        lines.say(f"   {known.state.value}: {known.reason}")
    lines.say(f"   {place_words(report, hazard)}")
    if whose := leaked_words(hazard):
        lines.say(f"   {whose}")
    if hazard.story:
        _write_story(lines, hazard, report, stories.before(hazard, number))
    if cause is None:
        return
    _write_others(lines, cause)
    if number - 1 in report.consequences:
        for words in consequence_lines(report, report.consequences[number - 1]):
            lines.say(f"   {words}")
    for words in repair_words(report.repairs[number - 1]) if number - 1 in report.repairs else ():
        lines.say(f"   {words}")


def write_unread(lines: LineWriter, report: Report, judgement: "Judgement", most: int | None = None) -> None:
    """Write the first `most` ranges that the final read found, and how many more there are.

    They have their stories if no hazard above has one, which would mostly be the same. Many ranges of a segment that
    are hazards only where they are read are one line.
    """
    shown = judgement.unread[:most]
    alike: dict[tuple[str, ...], list[Unread]] = {}
    for each in shown:
        alike.setdefault((each.found.region.name, each.found.content.value, *each.found.kinds), []).append(
            each
        )
    together = {
        id(same[0]): same
        for (_, content, *_), same in alike.items()
        if judgement.hazards and content in _MANY and len(same) >= _MANY_RANGES
    }
    left_out = {id(each) for same in together.values() for each in same[1:]}
    for each in shown:
        if id(each) in left_out:
            continue
        if id(each) in together:
            _write_many(lines, together[id(each)])
            continue
        found, hazard = each
        what, style = _CONTENTS[found.content.value]
        where = f"{found.address:#x} to {found.address + found.size - 1:#x} ({segment_words(found)})"
        count = "1 line" if found.lines == 1 else f"{found.lines:,} lines"
        lines.say()
        lines.say(f"final read: {', '.join(found.kinds)} at {where}, {count}: {what}", style)
        if hazard is not None and hazard.story and not judgement.hazards:
            _write_story(lines, hazard, report)
    left = len(judgement.unread) - len(shown)
    if left > 0:
        lines.say()
        lines.say(f"and {left:,} more of the final read")
    if judgement.unread:
        lines.say()


def _write_many(lines: LineWriter, same: "list[Unread]") -> None:
    """Write many ranges of a segment as one line."""
    found = same[0].found
    first = min(each.found.address for each in same)
    last = max(each.found.address + each.found.size for each in same) - 1
    count = sum(each.found.lines for each in same)
    where = f"{len(same):,} ranges in {first:#x} to {last:#x} ({found.region.name})"
    lines.say()
    lines.say(
        f"final read: {', '.join(found.kinds)} at {where}, {count:,} lines: {_MANY[found.content.value]}"
    )


def _write_others(lines: LineWriter, cause: "Cause") -> None:
    """Write how many hazards more have a cause, and where."""
    more = cause.count - cause.first.entry.lines
    if more:
        noun = "hazard" if more == 1 else "hazards"
        lines.say(f"   {more:,} {noun} more of this cause, in {cause.address:#x} to {cause.end - 1:#x}")


def _write_story(
    lines: LineWriter, hazard: "ExplainedHazard", report: Report, before: "Before | None" = None
) -> None:
    """Write a story, and what was not complete at its end."""
    # Most reports have no story, and rich is slow to import.
    from coldline.report.incomplete import incomplete_words
    from coldline.report.story_table import story_table

    table = story_table(hazard, colours=lines.colours, width=lines.width, report=report, before=before)
    lines.out.write(table)
    for words in incomplete_words(hazard.story):
        lines.say(f"   {words}")


_CONTENTS = {
    "loaded": ("loaded: a hazard", "bad"),
    "written": ("the guest wrote it: a hazard only where it is read", ""),
    "rest": ("not loaded: a hazard only where it is read", ""),
}
"""What a range is, and its style, by its content."""


_MANY: Final = {
    "written": "the guest wrote them: hazards only where they are read",
    "rest": "not loaded: hazards only where they are read",
}
"""What many ranges are that are no hazards by themselves."""

_MANY_RANGES: Final = 4


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"
