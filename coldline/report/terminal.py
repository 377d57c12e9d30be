# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports for people: the verdict in a line, and each hazard as a numbered story.

Most runs end well and have a line or two to say; what draws tables is imported where there is one to draw.
"""

import io
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from coldline.checker.final_read import Swept
from coldline.rules import Microstate
from coldline.rules.microstate import Level
from coldline.support.printable import printable
from coldline.verdict import Hazard, Judgement, Verdict

if TYPE_CHECKING:
    from coldline.explain.witness import WitnessStep

NOT_COVERED = (
    "not covered: missing barriers, the memory model's reordering, TLB entries that outlive their tables"
)
COHERENT = "coherent: no fill and no eviction that the architecture allows can show stale data"

STEPS = {
    "write back 1": "level 1 writes its dirty line back to level 2",
    "drop 1": "level 1 drops its clean line",
    "write back 2": "level 2 writes its dirty line back to memory",
    "drop 2": "level 2 drops its clean line",
    "drop I": "the instruction cache drops its line",
    "fill 2": "level 2 fills from memory by speculation",
    "fill 1": "level 1 fills by speculation",
    "fill I": "the instruction cache fills by speculation",
}
"""What a cache does on its own, in words."""

Describe = Callable[[Hazard], str]
"""More about a hazard than its address: its segment, its instruction."""

_CODES = {"good": "1;32", "bad": "1;31", "dim": "2", "": ""}


def say(text: str, style: str = "") -> None:
    """Print a line, ``good``, ``bad`` or ``dim`` where standard output is a terminal."""
    code = _CODES[style]
    text = printable(text)
    print(f"\033[{code}m{text}\033[0m" if code and sys.stdout.isatty() else text)


def print_hazards(found: Judgement, describe: Describe) -> None:
    """Print each listed hazard with its story."""
    for number, hazard in enumerate(found.hazards, start=1):
        entry = hazard.entry
        say("")
        what = f"{entry.event.agent} may get old bytes at {entry.address:#x}, {_bytes(entry.size)}"
        say(f"{number}. {entry.kind}: {what}", "bad")
        if more := describe(hazard):
            say(f"   {more}")
        if hazard.story:
            _print_story(hazard)
    left = found.found - len(found.hazards)
    if left > 0:
        say("")
        say(f"and {left:,} more")


def print_verdict(found: Judgement, where: str, mark: str = "") -> None:
    """Print the verdict on `where` in one line, behind `mark` where it is printed between something else."""
    prefix = f"{mark}{where}: " if where else mark
    if found.verdict is Verdict.COHERENT:
        say(f"{prefix}{COHERENT}", "good")
        say(f"{mark}{NOT_COVERED}", "dim")
        return
    if not found.kinds:
        say(f"{prefix}hazard: no access of this run, but what was loaded could be read wrong", "bad")
        return
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.kinds.items())
    say(f"{prefix}hazard: {found.found:,} found ({kinds})", "bad")


def print_sweep(swept: list[Swept]) -> None:
    """Print, a line a segment, what a read of it all would find."""
    for each in swept:
        if each.first is None:
            say(f"  {each.name:7} all {each.lines:,} lines read as they were written")
            continue
        first = f"the first at {each.first:#x} ({each.name}+{each.first - each.address:#x})"
        kinds = ", ".join(each.kinds)
        say(
            f"  {each.name:7} {each.stale:,} of {each.lines:,} lines could be wrong ({kinds}), {first}", "bad"
        )


def _print_story(hazard: Hazard) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    drawn = io.StringIO()  # rich itself would end the process where nobody reads standard output
    width = shutil.get_terminal_size().columns if terminal else 120
    console = Console(file=drawn, highlight=False, force_terminal=terminal, width=width)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("", justify="right")
    table.add_column("", style="dim")
    table.add_column("what happened")
    for name in ("L1", "L2", "I", "memory"):
        table.add_column(name, style="dim")
    last = len(hazard.story)
    for number, step in enumerate(hazard.story, start=1):
        what = Text(f"* {STEPS[step.step]}", "bold yellow") if step.step else Text(_event(step))
        if number == last:
            what.append("  <- lost" if hazard.entry.kind == "lost-write" else "  <- old", "bold red")
        table.add_row(str(number), _where(step), what, *_copies(step.state))
    console.print(table)
    print(drawn.getvalue(), end="")


def _copies(state: Microstate) -> tuple[str, str, str, str]:
    """What each copy of the byte holds: ``new``, ``OLD``, or nothing; ``*`` where it is dirty."""

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


def _where(step: "WitnessStep") -> str:
    if step.line_event is None:
        return "cache"
    if step.line_event.where:
        return f"line {step.line_event.where}"
    return f"#{step.line_event.number:,}"


def _event(step: "WitnessStep") -> str:
    assert step.line_event is not None
    times = f"  ({step.times:,} times)" if step.times > 1 else ""
    return printable(f"{step.line_event.event}{times}")


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"
