# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares coldline with a model checker and a litmus tool: the time of each against the number of lines.

There are two scenarios of n lines. In *clean*, each line is written, cleaned by DC CVAC and read by another agent
past the cache. In *fetch*, each line is written, maintained by DC CVAU and IC IVAU, and fetched by another agent.
Both are coherent; a tool that finds a hazard ends the run.

- coldline: the whole process `coldline check FILE`.
- Spin, interleaved: the verifier that Spin makes of tests/oracles/promela/page.pml, for n lines at once, with any
  interleaving of their caches' steps: a model checker that does not know that lines are independent. It can have at
  most the 64 lines of a page.
- Spin, line by line: the same verifier, for one line after another.
- herd7, if it is on PATH: `herd7 -variant ifetch` on a litmus test. It models no data caches past the point of
  unification, so for it *clean* only tests the order of accesses.

Spin's time is that of the search only, without spin, the C compiler and the reading of the trace.

Usage: python benchmarks/peers.py [--limit SECONDS] [--most LINES] [--json] [--plot FILE]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.oracles.promela_model import PAGE, SearchError, Spin, Story, read, stories_of, story_of  # noqa: E402

LINE = 64
RAM = 0x40000000
COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576]
REGISTERS = 26  # of a litmus test's thread, one for each line: X2 to X27
AT_ONCE = 4096  # stories in one search, which keeps all their states
QUICK = 1.0  # seconds: shorter work is timed three times
LITMUS_VERDICT = re.compile(r"^Observation \S+ (Never|Sometimes|Always) ", re.MULTILINE)


class Unable(Exception):  # noqa: N818
    """A tool that cannot do so many lines, and why."""


# -- the scenarios -------------------------------------------------------------------------------------------------


class Scenario(NamedTuple):
    """The events of each line: as a trace, and as a litmus test."""

    title: str
    reader_maps: str
    prepares: tuple[str, ...]
    looks: str
    litmus: Callable[[int], str]


def _litmus(name: str, start: list[str], threads: list[list[str]], condition: str) -> str:
    """Lay out a litmus test of AArch64: a column for each thread."""
    height = max(map(len, threads))
    width = max(len(cell) for thread in threads for cell in thread)
    rows = [[thread[at] if at < len(thread) else "" for thread in threads] for at in range(height)]
    heads = [f"P{number}" for number in range(len(threads))]
    table = "".join(f" {' | '.join(cell.ljust(width) for cell in row)} ;\n" for row in [heads, *rows])
    return f"AArch64 {name}\n{{\n{''.join(f' {line};{chr(10)}' for line in start)}}}\n{table}exists ({condition})\n"


def clean_litmus(count: int) -> str:
    """Write and clean each line, then set a flag; a thread that sees the flag reads each line: may one be old?"""
    lines = range(2, 2 + count)
    start = [f"{thread}:X{at}=line{at}" for at in lines for thread in (0, 1)]
    start += ["0:X0=1", "0:X1=told", "1:X1=told"]
    writer = [word for at in lines for word in (f"STR W0,[X{at}]", f"DC CVAC,X{at}")]
    writer += ["DSB SY", "STR W0,[X1]"]
    reader = ["LDR W0,[X1]", "DSB SY", *(f"LDR W{at},[X{at}]" for at in lines)]
    old = " \\/ ".join(f"1:X{at}=0" for at in lines)
    return _litmus(f"clean{count}", start, [writer, reader], f"1:X0=1 /\\ ({old})")


def fetch_litmus(count: int) -> str:
    """Replace branches with NOPs, maintain them, set a flag; a thread that sees it runs them: may one branch?"""
    lines = range(2, 2 + count)
    start = [f"0:X{at}=P1:m{at}" for at in lines] + [f"1:X{at}=0" for at in lines]
    start += ["0:X0=NOP", "0:X1=told", "1:X1=told", "0:X28=1", "1:X0=0"]
    writer = [f"STR W0,[X{at}]" for at in lines]
    writer += [f"DC CVAU,X{at}" for at in lines] + ["DSB ISH"]
    writer += [f"IC IVAU,X{at}" for at in lines] + ["DSB ISH", "STR W28,[X1]"]
    reader = ["LDR W0,[X1]", "CBNZ W0,go", "go: ISB"]
    for at in lines:
        reader += [f"m{at}: B n{at}", f"MOV W{at},#1", f"n{at}:"]
    old = " \\/ ".join(f"1:X{at}=0" for at in lines)
    return _litmus(f"fetch{count}", start, [writer, reader], f"1:X0=1 /\\ ({old})")


SCENARIOS = {
    "clean": Scenario(
        "written, DC CVAC, read by another agent past the cache",
        "normal-nc",
        ("write", "dc cvac"),
        "read",
        clean_litmus,
    ),
    "fetch": Scenario(
        "written, DC CVAU, IC IVAU, fetched by another agent",
        "normal-wb exec",
        ("write", "dc cvau", "ic ivau"),
        "fetch",
        fetch_litmus,
    ),
}


def trace(scenario: Scenario, count: int) -> str:
    """Give a scenario of so many lines as a trace's text, an event for each line."""
    size = -(-count * LINE // PAGE) * PAGE
    lines = [
        f"writer map {RAM:#x} {size:#x} normal-wb",
        f"reader map {RAM:#x} {size:#x} {scenario.reader_maps}",
    ]
    addresses = range(RAM, RAM + count * LINE, LINE)
    lines += [f"writer {op} {address:#x} {LINE}" for address in addresses for op in scenario.prepares]
    lines += [f"reader {scenario.looks} {address:#x} {LINE}" for address in addresses]
    return "\n".join(lines) + "\n"


# -- the tools -----------------------------------------------------------------------------------------------------


def _timed(work: Callable[[], bool], seconds: float) -> float:
    """Time some work whose result must be "coherent"; for short work, return the best of three times."""
    best = None
    for _ in range(3):
        start = time.perf_counter()
        try:
            coherent = work()
        except subprocess.TimeoutExpired:
            raise Unable(f"> {seconds:g} s") from None
        taken = time.perf_counter() - start
        if not coherent:
            raise SystemExit("peers: a hazard in what has none")
        best = taken if best is None else min(best, taken)
        if best > QUICK:
            break
    assert best is not None
    return best


class Tool:
    """A tool that judges a scenario; `time` returns its seconds, or raises Unable."""

    name = ""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds

    def time(self, scenario: Scenario, count: int) -> float:
        """Return the seconds that the scenario takes with `count` lines."""
        raise NotImplementedError


class Coldline(Tool):
    """The whole of `coldline check`."""

    name = "coldline check"

    def time(self, scenario: Scenario, count: int) -> float:
        """Time it on the scenario's trace."""
        file = self.folder / "peers.trace"
        file.write_text(trace(scenario, count))
        command = [str(Path(sys.executable).with_name("coldline")), "check", "--json", str(file)]

        def work() -> bool:
            done = subprocess.run(command, capture_output=True, timeout=self.seconds, check=False)
            return bool(json.loads(done.stdout)["verdict"] == "coherent")

        return _timed(work, self.seconds)


class Searched(Tool):
    """Spin's verifier."""

    def _search(self, spin: Spin, stories: list[Story]) -> float:
        def work() -> bool:
            end = time.perf_counter() + self.seconds
            found = []
            for first in range(0, len(stories), AT_ONCE):
                left = max(end - time.perf_counter(), 0)
                found += spin.run(stories[first : first + AT_ONCE], seconds=left)
            return not any(found)

        try:
            return _timed(work, self.seconds)
        except SearchError as error:
            if "MEMLIM" in str(error) or "out of memory" in str(error):
                raise Unable("out of memory") from None
            raise

    def _made(self, lines: int) -> Spin:
        folder = self.folder / f"spin-{lines}"
        folder.mkdir(exist_ok=True)
        return Spin(folder, lines=lines, agents=2)


class Interleaved(Searched):
    """A search over all lines at once."""

    name = "Spin, interleaved"

    def time(self, scenario: Scenario, count: int) -> float:
        """Time the search."""
        if count * LINE > PAGE:
            raise Unable("past a page")
        size, options, events = read(trace(scenario, count))
        lines = [RAM + number * LINE for number in range(count)]
        return self._search(self._made(count), [story_of(lines, size, options, events)])


class LineByLine(Searched):
    """A search of one line after another."""

    name = "Spin, line by line"

    def time(self, scenario: Scenario, count: int) -> float:
        """Time the search."""
        return self._search(self._made(1), stories_of(trace(scenario, count)))


class Herd(Tool):
    """herd7 on a litmus test."""

    name = "herd7"

    def time(self, scenario: Scenario, count: int) -> float:
        """Time it, including the start of the process."""
        if not shutil.which("herd7"):
            raise Unable("not here")
        if count > REGISTERS:
            raise Unable("out of registers")
        file = self.folder / "peers.litmus"
        file.write_text(scenario.litmus(count))

        def work() -> bool:
            done = subprocess.run(
                ["herd7", "-variant", "ifetch", str(file)],
                capture_output=True,
                text=True,
                timeout=self.seconds,
                check=False,
            )
            verdict = LITMUS_VERDICT.search(done.stdout)
            if done.returncode or not verdict:
                raise SystemExit(f"peers: herd7 failed: {done.stderr}")
            return verdict[1] == "Never"

        return _timed(work, self.seconds)


TOOLS = (Coldline, LineByLine, Interleaved, Herd)

# -- the run -------------------------------------------------------------------------------------------------------

Row = dict[str, float | str]


def measure(scenario: Scenario, counts: list[int], tools: list[Tool]) -> dict[int, Row]:
    """Return each tool's seconds for each number of lines, or once the reason why it cannot do more."""
    rows: dict[int, Row] = {}
    left = list(tools)
    for count in counts:
        rows[count] = {}
        for tool in list(left):
            print(f"peers: {tool.name}, {count} lines", file=sys.stderr)
            try:
                rows[count][tool.name] = tool.time(scenario, count)
            except Unable as reason:
                rows[count][tool.name] = str(reason)
                left.remove(tool)
    return rows


def _cell(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.2f} s"


def show(scenario: Scenario, rows: dict[int, Row]) -> None:
    """Print a table in the documentation's form."""
    names = [tool.name for tool in TOOLS]
    print(f"\nn lines {scenario.title}:\n")
    print(f"| lines | {' | '.join(names)} |")
    print(f"|{'---:|' * (len(names) + 1)}")
    for count, row in rows.items():
        print(f"| {count:,} | {' | '.join(_cell(row.get(name)) for name in names)} |")


def plot(results: dict[str, dict[int, Row]], file: str) -> None:
    """Draw seconds against lines, both logarithmic, a panel for each scenario, in the format of the file's suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for panel, (name, rows) in zip(panels, results.items(), strict=True):
        for tool in TOOLS:
            points = {n: row[tool.name] for n, row in rows.items() if isinstance(row.get(tool.name), float)}
            if points:
                panel.plot(list(points), list(points.values()), marker="o", markersize=3, label=tool.name)
        panel.set(title=f"n lines {SCENARIOS[name].title}", xlabel="lines", xscale="log", yscale="log")
        panel.title.set_size("small")
        panel.grid(alpha=0.3)
        panel.legend()
        panel.set_ylabel("seconds")
    figure.savefig(file)


def main() -> None:
    """Measure both scenarios and print the results."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--limit", type=float, default=60, metavar="SECONDS", help="for each tool (default: 60)"
    )
    arguments.add_argument(
        "--most", type=int, default=65536, metavar="LINES", help="the largest n (default: 65536)"
    )
    arguments.add_argument("--json", action="store_true", help="print an object in place of tables")
    arguments.add_argument(
        "--plot", metavar="FILE", help="draw it too, as SVG or PNG (needs the extra 'bench')"
    )
    options = arguments.parse_args()
    if not Spin.is_here():
        arguments.error("spin and gcc are not here (scripts/setup --test installs them)")
    counts = [count for count in COUNTS if count <= options.most]
    with tempfile.TemporaryDirectory() as folder:
        tools: list[Tool] = [tool(Path(folder), options.limit) for tool in TOOLS]
        Coldline(Path(folder), 600).time(SCENARIOS["fetch"], 1)  # so that compiled code is cached
        Coldline(Path(folder), 600).time(SCENARIOS["fetch"], 10_000)
        results = {name: measure(scenario, counts, tools) for name, scenario in SCENARIOS.items()}
    if options.json:
        print(json.dumps({"limit": options.limit, "scenarios": results}))
    else:
        for name, rows in results.items():
            show(SCENARIOS[name], rows)
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
