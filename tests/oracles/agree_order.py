# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the checker with the explorer on random version 2 traces. ``scripts/agree --order`` starts this.

Working out what the rules of order make of a state costs far more than to look it up. So traces are compared in
batches, of which each has one set of switches and so one automaton; it is forgotten after the batch. In a batch, one
third of the traces goes to the checker event by event, one third in batches of events, and one third by turns.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from coldline.rules.order import machine
from coldline.rules.order.maintenance_queue import MOST_PENDING
from tests.checker.test_order import WAYS, are_the_same, explored, most_pending
from tests.checker.test_order_changes import differs, in_runs
from tests.helpers.order_changes import draw_changing
from tests.helpers.order_crowds import draw_crowded
from tests.helpers.order_traces import ALL_SWITCHES, draw_ordered, draw_worded
from tests.oracles.agree import reduced

DRAWN: dict[str, Callable[[int], str]] = {
    "worded": draw_worded,
    "changing": draw_changing,
    "ordered": partial(draw_ordered, most=8),
    "crowded": draw_crowded,
}
"""The kinds of traces: see `tests.helpers`."""

KINDS = ("worded", "changing", "ordered", "worded", "changing", "worded", "ordered", "crowded")
"""The kind of each batch of eight."""

BATCH = 500

HEADS = ("version", "line", "option", "core", "master")
"""The words of lines that are no events."""


@dataclass
class Tally:
    """The counts of a comparison.

    Attributes
    ----------
    drawn : Counter
        The traces by their kind, those that were compared.
    hazards : Counter
        The hazards by their kind.
    hazardous : int
        The traces with a hazard.
    events : int
        The events in all traces.
    left_out : Counter
        Traces that were not compared, by the reason.
    at_least : int
        Traces with more pending than the checker follows one by one, where it may find more than there is.
    differing : list of str
        What is told of the traces on which the two differ.
    """

    drawn: Counter[str] = field(default_factory=Counter)
    hazards: Counter[str] = field(default_factory=Counter)
    hazardous: int = 0
    events: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    at_least: int = 0
    differing: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the counts of another comparison."""
        self.drawn += other.drawn
        self.hazards += other.hazards
        self.hazardous += other.hazardous
        self.events += other.events
        self.left_out += other.left_out
        self.at_least += other.at_least
        self.differing += other.differing

    def __str__(self) -> str:
        drawn = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.drawn.items()))
        hazards = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.hazards.items()))
        left_out = ", ".join(f"{count:,} {why}" for why, count in sorted(self.left_out.items()))
        return (
            f"traces    {self.drawn.total():,}: {drawn}\n"
            f"events    {self.events:,}\n"
            f"hazards   {hazards or 'none'}; {self.hazardous:,} traces have some\n"
            f"left out  {left_out or 'none'}\n"
            f"at least  {self.at_least:,} traces with more than {MOST_PENDING} operations pending\n"
            f"disagreements: {len(self.differing)}"
        )


def switches_of(batch: int) -> tuple[str, ...]:
    """The switches of all traces of a batch: none in every second one."""
    rng = random.Random(f"switches {batch}")
    return tuple(word for word in ALL_SWITCHES if rng.random() < 0.25) if batch // len(KINDS) % 2 else ()


def with_switches(text: str, switches: Sequence[str]) -> str:
    """A trace with these switches in place of those that it has."""
    first, *lines = text.splitlines()
    others = [line for line in lines if line not in {f"option {word}" for word in ALL_SWITCHES}]
    return "\n".join([first, *(f"option {word}" for word in switches), *others]) + "\n"


def compare(batch: int, count: int = BATCH) -> Tally:
    """Draw the traces of a batch and compare what the two find in them."""
    tally = Tally()
    kind = KINDS[batch % len(KINDS)]
    switches = [word for word in switches_of(batch) if kind != "crowded" or word != "vipt"]
    ways = list(WAYS.items())
    for seed in range(batch * BATCH, batch * BATCH + count):
        text = with_switches(DRAWN[kind](seed), switches)
        name, ours = ways[seed % len(ways)]
        if "vipt" in switches and "option start" in text:
            tally.left_out["that may be errors"] += 1  # where an agent is on no core
            continue
        theirs = explored(text)
        if theirs is None:
            tally.left_out["with too many microstates"] += 1
            continue
        tally.drawn[kind] += 1
        tally.events += sum(line.split()[0] not in HEADS for line in text.splitlines())
        tally.hazards.update(hazard.kind for hazard in theirs)
        tally.hazardous += bool(theirs)
        tally.at_least += most_pending(text) > MOST_PENDING
        if not are_the_same(in_runs(theirs), in_runs(ours(text)), text):
            small = reduced(text, partial(differs, ours=ours))
            tally.differing.append(
                f"{kind}, seed {seed}, by {name}:\n{small}explorer: {explored(small)}\nchecker: {ours(small)}\n"
            )
    machine.order_machine.cache_clear()
    return tally


def batches(first: int, count: int) -> Iterator[tuple[int, int]]:
    """The batches of some traces, and how many traces each has."""
    for done in range(0, count, BATCH):
        yield first + done // BATCH, min(BATCH, count - done)


def main(words: Sequence[str] | None = None) -> int:
    """Compare, print the counts, and return the exit status: 0 if they agree, 1 if not."""
    arguments = argparse.ArgumentParser(
        prog="scripts/agree --order",
        description="Hold the checker against the explorer on random traces with cores, barriers and owners.",
    )
    arguments.add_argument("count", nargs="?", type=int, default=10_000, help="of traces (default: 10000)")
    arguments.add_argument("--seed", type=int, default=0, help="other numbers draw other traces (default: 0)")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    options = arguments.parse_args(words)
    if options.count < 1 or options.jobs < 1:
        arguments.error("count and --jobs are at least 1")
    total, started = Tally(), time.monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        first, counts = zip(*batches(options.seed * 1_000_000, options.count), strict=True)
        for tally in pool.map(compare, first, counts):
            total.add(tally)
            seconds = time.monotonic() - started
            print(
                f"agree: {total.drawn.total():,} traces so far, {seconds:.0f} s", file=sys.stderr, flush=True
            )
            for each in tally.differing:
                print(each, flush=True)
    print(total)
    return bool(total.differing)


if __name__ == "__main__":
    sys.exit(main())
