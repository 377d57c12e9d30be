# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes hazards for people: each with its place, and its story as a table."""

from coldline.report.line_writer import LineWriter
from coldline.report.model import Report
from coldline.report.phrases import place_words


def write_hazards(lines: LineWriter, report: Report, most: int | None = None) -> None:
    """Write the first `most` hazards of a report, and how many more there are."""
    judgement = report.judgement
    if judgement is None:
        return
    shown = judgement.hazards[:most]
    for number, hazard in enumerate(shown, start=1):
        entry = hazard.entry
        lines.say()
        what = f"{entry.event.agent} may get old bytes at {entry.address:#x}, {_bytes(entry.size)}"
        lines.say(f"{number}. {entry.kind}: {what}", "bad")
        lines.say(f"   {place_words(report, hazard)}")
        if hazard.story:
            # Most reports have no story, and rich is slow to import.
            from coldline.report.story_table import story_table

            lines.out.write(story_table(hazard, colours=lines.colours, width=lines.width))
    left = judgement.found - len(shown)
    if left > 0:
        lines.say()
        lines.say(f"and {left:,} more")


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"
