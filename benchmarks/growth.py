# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures how the check's time and memory grow with events, lines, agents, and different lines.

In the last case a table of all kinds of lines would explode: lines that are written byte by byte, each in its own
order, differ after almost every event. In coldline such a line has its own record, whose size is limited; equal
records are joined when there are many. The last three series have order: each core has maintenance and stores pending
until its next barrier.

Prints a table; --plot FILE draws it (SVG or PNG, with matplotlib). Each figure is measured in a separate process.

Usage: python benchmarks/growth.py [--series NAMES] [--plot FILE] [--json]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.checker.dense_rows import COMPILE_FROM
from coldline.checker.state.partitions import BLOCKS, SHARED
from coldline.events import Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.order.ordering import CoreAgents, Ordering
from coldline.rules.profile import Profile

BASE = 1 << 32
LINE = 64
SPAN = 1 << 34
BATCH = 1 << 16

Batches = Iterator["np.ndarray"]


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def rows_of(addresses: "np.ndarray", size: int, op: Op, agents: int = 1) -> "np.ndarray":
    rows = np.zeros(len(addresses), EVENT_DTYPE)
    rows["address"], rows["size"], rows["op"] = addresses, size, op
    rows["agent"] = np.arange(len(rows)) % agents
    return rows


def events(count: int) -> tuple[int, Batches]:
    """Batches of `count` events on 4096 lines."""
    random = np.random.default_rng(1)

    def batches() -> Batches:
        for first in range(0, count, BATCH):
            places = random.integers(0, 4096 * LINE // 8, min(BATCH, count - first)) * 8
            yield rows_of(BASE + places, 8, Op.WRITE if first // BATCH % 2 else Op.READ)

    return 1, batches()


def lines(count: int) -> tuple[int, Batches]:
    """Four events on each of `count` lines: one on the whole line, one on some bytes, one on others, then a clean."""

    def batches() -> Batches:
        for first in range(0, count, BATCH):
            places = BASE + np.arange(first, min(first + BATCH, count), dtype=np.uint64) * LINE
            yield rows_of(places, LINE, Op.WRITE)
            yield rows_of(places + 8, 8, Op.READ)
            yield rows_of(places + 24, 16, Op.WRITE)
            yield rows_of(places, LINE, Op.DC_CIVAC)

    return 1, batches()


def agents(count: int) -> tuple[int, Batches]:
    """A million events on 4096 lines, by `count` agents in turn."""
    random = np.random.default_rng(1)

    def batches() -> Batches:
        for _ in range(16):
            yield rows_of(BASE + random.integers(0, 4096 * 8, BATCH) * 8, 8, Op.READ, count)

    return count, batches()


def shapes(count: int) -> tuple[int, Batches]:
    """`count` lines written byte by byte, each in its own order, with reads and fetches between."""
    random = np.random.default_rng(1)

    def batches() -> Batches:
        order = np.argsort(random.random((count, LINE)), axis=1).astype(np.uint64)
        bases = BASE + np.arange(count, dtype=np.uint64) * LINE
        for step in range(LINE):
            yield rows_of(bases + order[:, step], 1, Op.WRITE)
            yield rows_of(bases + order[:, step // 2], 1, Op.FETCH)

    return 1, batches()


_BARRIERS = (Op.DSB, Op.DMB, Op.ISB)
_IN_TURN = 8
"""Lines that a core changes between barriers."""

_PATCH = (
    *((Op.WRITE, False), (Op.DC_CVAU, False), (Op.DSB, False)),
    *((Op.IC_IVAU, False), (Op.DSB, False), (Op.ISB, False), (Op.FETCH, False)),
    *((Op.WRITE, True), (Op.DMB, False), (Op.WRITE, True), (Op.DSB, False), (Op.READ, True)),
)
"""What a core does in turn to each of some lines, and whether past its caches: instructions change, then a buffer."""


def _round(core: int, random: "np.random.Generator") -> "np.ndarray":
    """The events of one core that changes instructions and a buffer, on random lines, with its barriers."""
    parts = []
    for op, past in _PATCH:
        barrier = op in _BARRIERS
        if op is Op.WRITE:
            chosen = BASE + (random.integers(0, 4096, _IN_TURN) + 4096 * past) * LINE
        rows = rows_of(chosen[:1] * 0 if barrier else chosen, 0 if barrier else LINE, op)
        rows["agent"] = 2 * core + past
        parts.append(rows)
    return np.concatenate(parts)


def _pending(count: int, cores: int) -> tuple[int, Batches]:
    """About `count` events of cores that act in turn, one event each, with operations pending at once."""
    random = np.random.default_rng(1)

    def batches() -> Batches:
        taken = 0
        while taken < count:
            rounds: list[np.ndarray] = []
            while sum(len(each) for each in rounds) < min(BATCH, count - taken):
                rounds.append(np.stack([_round(core, random) for core in range(cores)], axis=1).reshape(-1))
            rows = np.concatenate(rounds)
            taken += len(rows)
            yield rows

    return 2 * cores, batches()


def pending(count: int) -> tuple[int, Batches]:
    """Events with pending operations of one core."""
    return _pending(count, 1)


def pending_of_two(count: int) -> tuple[int, Batches]:
    """Events with pending operations of two cores."""
    return _pending(count, 2)


_ANY = (Op.WRITE, Op.DC_CVAU, Op.IC_IVAU, Op.READ, Op.DC_CVAC, Op.DC_CIVAC, Op.FETCH, Op.READ)
BARRIER_EVERY = 32
"""Events between two barriers of a core in random order."""


def any_order(count: int) -> tuple[int, Batches]:
    """`count` events of one core in random order on 4096 lines, by a cacheable and a non-cacheable agent."""
    random = np.random.default_rng(1)

    def batches() -> Batches:
        for first in range(0, count, BATCH):
            size = min(BATCH, count - first)
            rows = rows_of(BASE + random.integers(0, 4096, size) * LINE, LINE, Op.READ)
            rows["op"] = np.array(_ANY)[random.integers(0, len(_ANY), size)]
            is_access = (rows["op"] == Op.WRITE) | (rows["op"] == Op.READ)
            rows["agent"] = is_access & (random.random(size) < 0.25)
            barrier = np.arange(size) % BARRIER_EVERY == BARRIER_EVERY - 1
            rows["op"][barrier] = np.array(_BARRIERS)[random.integers(0, len(_BARRIERS), int(barrier.sum()))]
            rows["address"][barrier] = rows["size"][barrier] = rows["agent"][barrier] = 0
            yield rows

    return 2, batches()


SERIES: dict[str, tuple[Callable[[int], tuple[int, Batches]], list[int]]] = {
    "events": (events, [1 << n for n in range(20, 27)]),
    "lines": (lines, [1 << n for n in range(16, 25)]),
    "agents": (agents, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    "shapes": (shapes, [1 << n for n in range(12, 20)]),
    "pending, 1 core": (pending, [1 << n for n in range(14, 21, 2)]),
    "pending, 2 cores": (pending_of_two, [1 << n for n in range(14, 21, 2)]),
    "any order": (any_order, [1 << n for n in range(14, 21, 2)]),
}
ORDERED = {"pending, 1 core": 1, "pending, 2 cores": 2, "any order": 1}
"""The series with order, and their numbers of cores. Each core has a cacheable and a non-cacheable agent."""


def checker_of(name: str, agent_names: list[str]) -> Checker:
    """The checker for a series, once its agents have mapped what they access."""
    cores = ORDERED.get(name, 0)
    ordering = None
    if cores:
        pairs = zip(agent_names[::2], agent_names[1::2], strict=True)
        ordering = Ordering(
            tuple(CoreAgents(f"core{at}", pair) for at, pair in enumerate(pairs)), barriers=True
        )
    check = Checker(Profile(ordering=ordering), distinct=True, most=0)
    check.expect(COMPILE_FROM)
    for number, agent in enumerate(agent_names):
        memory_type = MemoryType.NORMAL_NC if cores and number % 2 else MemoryType.NORMAL_WB
        check.event(Event(agent, Op.MAP, BASE, SPAN, memory_type, memory_type is MemoryType.NORMAL_WB))
    return check


def measure(name: str, count: int) -> dict[str, float]:
    """Measure one figure, in this process."""
    names, batches = SERIES[name][0](count)
    agent_names = [f"cpu{n}" for n in range(names)]
    check = checker_of(name, agent_names)
    before, seconds, taken = resident(), 0.0, 0
    for rows in batches:
        batch = Batch(agent_names, rows)
        start = time.process_time()
        check.feed(batch)
        seconds += time.process_time() - start
        taken += len(rows)
    partitions = check.state.lines.partitions
    return {
        "count": count,
        "events": taken,
        "ns an event": seconds / taken * 1e9,
        "MiB": (resident() - before) / 2**20,
        "shared records": int(partitions.pool[SHARED]) - check.state.lines.transitions.states,
        "blocks of own records": int(partitions.pool[BLOCKS]),
    }


def draw(results: dict[str, list[dict[str, float]]], path: str) -> None:
    """Draw time and memory against each count."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "coldline"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        2, len(results), figsize=(3.2 * len(results), 5), sharex="col", sharey="row"
    )
    for column, (name, rows) in enumerate(results.items()):
        counts = [row["count"] for row in rows]
        for at, what, colour in ((0, "ns an event", "#1f6f8b"), (1, "MiB", "#b5532a")):
            axis = axes[at][column]
            axis.plot(counts, [row[what] for row in rows], "o-", color=colour, markersize=4)
            axis.set_xscale("log", base=2)
            axis.set_ylim(0, 1.15 * max(row[what] for row in rows))
            axis.grid(alpha=0.3)
            if column == 0:
                axis.set_ylabel(what)
        axes[1][column].set_xlabel(name)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main() -> None:
    """Measure each series, with a process for each figure."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--plot", metavar="FILE", help="draw it, as SVG or PNG")
    arguments.add_argument(
        "--series", help="only those whose names begin with this, or with one of several, by commas"
    )
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--one", nargs=2, metavar=("SERIES", "COUNT"), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    results: dict[str, list[dict[str, float]]] = {}
    wanted = tuple((options.series or "").split(","))
    for name, (_, counts) in SERIES.items():
        if not name.startswith(wanted):
            continue
        if not options.json:
            print(f"{name:>16} {'events':>12} {'ns/event':>9} {'MiB':>8} {'shared':>7} {'own blocks':>10}")
        for count in counts:
            command = [sys.executable, __file__, "--one", name, str(count)]
            row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            results.setdefault(name, []).append(row)
            if not options.json:
                shown = (row["ns an event"], row["MiB"], row["shared records"], row["blocks of own records"])
                print("{:>16,} {:>12,} {:>9.1f} {:>8.1f} {:>7} {:>10}".format(count, row["events"], *shown))
    if options.json:
        print(json.dumps(results))
    if options.plot:
        draw(results, options.plot)


if __name__ == "__main__":
    main()
