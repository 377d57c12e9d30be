# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports for people: the verdict in a line, and each hazard as a numbered story."""

from collections import Counter
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coldline.coherence import Hazard, Report, WitnessStep
from coldline.coherence.sweep import Swept

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


def print_hazards(console: Console, report: Report, describe: Describe) -> None:
    """Print each listed hazard with its story."""
    for number, hazard in enumerate(report.hazards, start=1):
        entry = hazard.entry
        head = Text(f"\n{number}. ")
        head.append(entry.kind, "bold red")
        head.append(f": {entry.event.agent} may get old bytes at {entry.address:#x}, {_bytes(entry.size)}")
        console.print(head, soft_wrap=True)
        if more := describe(hazard):
            console.print(Text(f"   {more}"), soft_wrap=True)
        if hazard.story:
            console.print(_story(hazard))
    left = report.found - len(report.hazards)
    if left > 0:
        console.print(Text(f"\nand {left:,} more"), soft_wrap=True)


def print_verdict(console: Console, report: Report, where: str) -> None:
    """Print the verdict on `where` in one line."""
    if report.coherent:
        console.print(
            Text.assemble((f"{where}: " if where else ""), (COHERENT, "bold green")), soft_wrap=True
        )
        console.print(Text(NOT_COVERED, "dim"), soft_wrap=True)
        return
    kinds = Counter(hazard.entry.kind for hazard in report.hazards)
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    console.print(
        Text.assemble(
            (f"{where}: " if where else ""),
            (f"hazard: {report.found:,} found", "bold red"),
            f" ({listed}{' among those listed' if report.found > len(report.hazards) else ''})",
        ),
        soft_wrap=True,
    )


def print_sweep(console: Console, swept: list[Swept]) -> None:
    """Print, a line a segment, what a read of it all would find."""
    for each in swept:
        if each.stale and each.first is not None:
            offset = each.first - each.address
            console.print(
                Text.assemble(
                    (f"  {each.name:7} ", ""),
                    (f"{each.stale:,} of {each.lines:,} lines could be wrong", "red"),
                    f" ({', '.join(each.kinds)}), the first at {each.first:#x} ({each.name}+{offset:#x})",
                ),
                soft_wrap=True,
            )
        else:
            console.print(Text(f"  {each.name:7} all {each.lines:,} lines read as they were written"))


def _story(hazard: Hazard) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim", pad_edge=True)
    table.add_column("", justify="right")
    table.add_column("where", style="dim")
    table.add_column("what happened")
    table.add_column("copies of the byte afterwards", style="dim")
    last = len(hazard.story)
    for number, step in enumerate(hazard.story, start=1):
        what = _what(step)
        if number == last:
            what = Text.assemble(
                what, ("  <- old" if hazard.entry.kind != "lost-write" else "  <- lost", "bold red")
            )
        table.add_row(str(number), _where(step), what, str(step.state))
    return table


def _where(step: WitnessStep) -> str:
    if step.happening is None:
        return "(cache)"
    if step.happening.wheres[0]:
        return f"line {step.happening.wheres[0]}"
    return f"#{step.happening.numbers[0]:,}"


def _what(step: WitnessStep) -> Text:
    if step.happening is None:
        assert step.step is not None
        return Text(f"* {STEPS[step.step]}", "bold yellow")
    times = len(step.happening.numbers)
    return Text(f"{step.happening.event}{f'  ({times:,} times)' if times > 1 else ''}")


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"
