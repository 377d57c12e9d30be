# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a hazard's story as a table: each event or step of a cache, and each copy of the bad byte after it."""

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coldline.report.causes import decided_words, outcome_words
from coldline.rules.microstate import Level, Microstate
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.witness import WitnessStep

STEP_WORDS = {
    "write back 1": "level 1 writes its dirty line back to level 2",
    "drop 1": "level 1 drops its clean line",
    "write back 2": "level 2 writes its dirty line back to memory",
    "drop 2": "level 2 drops its clean line",
    "drop I": "the instruction cache drops its line",
    "fill 2": "level 2 fills from memory by speculation",
    "fill 1": "level 1 fills by speculation",
    "fill I": "the instruction cache fills by speculation",
    "complete": "{core}'s {operation} takes effect{outcome}",
    "complete ic": "{core}'s instruction cache invalidation takes effect",
    "store arrives": "{core}'s store reaches memory",
    "drop prefetch": "{core} drops an instruction that it prefetched",
    "prefetch": "{core} prefetches an instruction",
}
"""Words for the steps that nobody asked for."""

_OUTCOMES = {"discard": ": it discards", "clean": ": it cleans first"}

_WIDTH = 120
"""Columns of a table, if nothing says how many there are."""


def story_table(hazard: "ExplainedHazard", *, colours: bool, width: int | None) -> str:
    """The story of `hazard` as lines of at most `width` columns."""
    drawn = io.StringIO()  # rich would end the process if standard output were a closed pipe
    console = Console(file=drawn, highlight=False, force_terminal=colours, width=width or _WIDTH)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    table.add_column("what happened")
    for name in ("L1", "L2", "I", "memory"):
        table.add_column(name, style="dim")
    orders = any(step.pending for step in hazard.story)
    if orders:
        table.add_column("pending", style="dim")
    last = len(hazard.story)
    for number, step in enumerate(hazard.story, start=1):
        what = Text(f"* {_step(step)}", "bold yellow") if step.step else Text(_event(step))
        if hazard.decided is not None and number == hazard.decided.step + 1:
            what.append(f"  <- {decided_words(hazard.decided)}", "bold red")
        if number == last:
            what.append("  <- lost" if hazard.entry.kind == "lost-write" else "  <- old", "bold red")
        pending = ["; ".join(printable(f"{core}: {words}") for core, words in step.pending)] if orders else []
        table.add_row(str(number), _where(step), what, *_copies(step.state), *pending)
    console.print(table)
    return drawn.getvalue()


def _copies(state: Microstate) -> tuple[str, str, str, str]:
    """The content of each copy of the byte: ``new``, ``OLD``, or ``-`` for none; with ``*`` if the copy is dirty."""

    def word(fresh: bool) -> str:
        return "new" if fresh else "OLD"

    def level(level: Level, fresh: bool) -> str:
        return "-" if level is Level.INVALID else word(fresh) + ("*" if level is Level.DIRTY else "")

    return (
        level(state.level1, state.fresh1),
        level(state.level2, state.fresh2),
        word(state.fresh_i) if state.icache else "-",
        word(state.fresh_memory),
    )


def _step(step: "WitnessStep") -> str:
    assert step.step is not None
    outcome = _OUTCOMES.get(step.outcome, "")
    return printable(STEP_WORDS[step.step].format(core=step.core, operation=step.operation, outcome=outcome))


def _where(step: "WitnessStep") -> str:
    if step.line_event is None:
        return "cache"
    if step.line_event.where:
        return f"line {step.line_event.where}"
    return f"#{step.line_event.number:,}"


def _event(step: "WitnessStep") -> str:
    assert step.line_event is not None
    times = f"  ({step.times:,} times)" if step.times > 1 else ""
    outcome = outcome_words(step)
    return printable(f"{step.line_event.event}{times}{f': {outcome}' if outcome else ''}")
