# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a hazard's story as a table: each event or step of a cache, and each copy of the bad byte after it."""

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coldline.report.causes import decided_words, outcome_words
from coldline.report.code_places import source_place
from coldline.report.event_words import event_words, story_rows
from coldline.report.step_words import COPIES, copies_words, step_words
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep
    from coldline.report.model import Report
    from coldline.report.told_stories import Before

_ENDS = {"lost-write": "lost", "leak": "from before the gift", "bbm": "both mappings are alive"}

_WIDTH = 120
"""Columns of a table, if nothing says how many there are."""


def story_table(
    hazard: "ExplainedHazard",
    *,
    colours: bool,
    width: int | None,
    report: "Report | None" = None,
    before: "Before | None" = None,
) -> str:
    """The story of `hazard` as lines of at most `width` columns, with the symbols of `report`, if it has any.

    Steps that it has in common with another one are a row.
    """
    drawn = io.StringIO()  # rich would end the process if standard output were a closed pipe
    console = Console(file=drawn, highlight=False, force_terminal=colours, width=width or _WIDTH)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    table.add_column("what happened")
    for name in COPIES:
        table.add_column(name, style="dim")
    orders = any(step.pending for step in hazard.story)
    if orders:
        table.add_column("pending", style="dim")
    last = len(hazard.story)
    if before is not None:
        state = hazard.story[before.steps - 1].state
        told = Text(f"as in the story of {before.number}", "dim")
        table.add_row(f"1-{before.steps}", "", told, *copies_words(state).values(), *([""] if orders else []))
    for row in story_rows(hazard, before.steps if before is not None else 0):
        step, number = hazard.story[row.last], row.last + 1
        what = (
            Text(f"* {step_words(step)}", "bold yellow")
            if step.step
            else Text(_event(step, report, _answers(hazard, row.last)))
        )
        if hazard.decided is not None and number == hazard.decided.step + 1:
            what.append(f"  <- {decided_words(hazard.decided)}", "bold red")
        if number == last:
            what.append(f"  <- {_ENDS.get(hazard.entry.kind, 'old')}", "bold red")
        pending = ["; ".join(printable(f"{core}: {words}") for core, words in step.pending)] if orders else []
        if row.more:
            step = hazard.story[row.first]
            what = Text(f"{_event(step, report)}, {row.more}")
        numbers = str(number) if row.first == row.last else f"{row.first + 1}-{number}"
        table.add_row(numbers, _where(step), what, *copies_words(step.state).values(), *pending)
    console.print(table)
    return drawn.getvalue()


def _answers(hazard: "ExplainedHazard", index: int) -> bool:
    """Whether a step is the event that answers for the hazard."""
    return hazard.decided is not None and index == hazard.decided.event


def _where(step: "WitnessStep") -> str:
    if step.line_event is None:
        return "cache"
    if step.line_event.where:
        return f"line {step.line_event.where}"
    return f"#{step.line_event.number:,}"


def _event(step: "WitnessStep", report: "Report | None", answers: bool = False) -> str:
    """An event with its place in the source; without symbols, one that `answers` has its program counter."""
    assert step.line_event is not None
    times = f"  ({step.times:,} times)" if step.times > 1 else ""
    outcome = outcome_words(step)
    code = step.line_event.code
    source = source_place(report, code) if report is not None and code is not None else None
    at = f"  at {source}" if source is not None else ""
    if not at and answers and code is not None:
        at = f"  at pc {code.virtual:#x}"
    said = event_words(report, step.line_event.event, step.line_event.where)
    return printable(f"{said}{times}{at}{f': {outcome}' if outcome else ''}")
