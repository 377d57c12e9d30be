# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the reading and writing of traces, in both forms, with a copy and a read of as many bytes, and the check.

The events are those of a file if one is given. Else they are generated: a loop that fills memory, and accesses spread
over 1 GiB at random, which is the worst case. Figures are the least of some runs: nanoseconds per event, bytes per
event in the file, and ratios to these:

    copy      NumPy's copy of the events, 24 bytes each
    file      a read of the same file, and nothing else
    check     the check of the same events, by a new checker, whose loops are loaded

Usage: python benchmarks/trace.py [--events N] [--runs N] [FILE]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.timing import best
from coldline.arm import MemoryType
from coldline.checker import Checker
from coldline.events import Event, Op
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.writing import TraceWriter

BATCH = 1 << 16


def made_up(events: int, spread: bool) -> list[Batch]:
    generator = np.random.default_rng(1)
    rows = np.zeros(events, EVENT_DTYPE)
    if spread:
        rows["address"] = 0x40000000 + generator.integers(0, 1 << 27, events) * 8
        rows["op"] = generator.choice([Op.READ, Op.WRITE], events)
        rows["size"] = generator.choice([1, 2, 4, 8, 64], events)
    else:
        at = np.arange(events)
        # A loop of four instructions that fills memory, a word at a time.
        rows["address"] = np.where(at % 2, 0x40001000 + at % 4 * 8, 0x41000000 + at // 2 % (1 << 20) * 8)
        rows["op"] = np.where(at % 2, Op.FETCH, Op.WRITE)
        rows["size"] = 8
    return [Batch(("guest",), rows[start : start + BATCH]) for start in range(0, events, BATCH)]


def read(path: Path) -> list[Batch]:
    batches: list[Batch] = []
    with TraceFile(str(path)) as trace:
        trace.run(lambda batch: batches.append(batch.keep()))
    return batches


def check(batches: list[Batch], *, has_maps: bool) -> None:
    checker = Checker()
    checker.expect(len(batches) * BATCH)
    if not has_maps:
        mapped = Event("guest", Op.MAP, 0x40000000, 1 << 30, MemoryType.NORMAL_WB, True)
        checker.feed(Batch.of([mapped]))
    for batch in batches:
        checker.feed(batch)


def measure(name: str, batches: list[Batch], runs: int, folder: Path, *, has_maps: bool = False) -> None:
    events = sum(map(len, batches))
    memory = np.zeros(events * 24, np.uint8)
    target = np.empty_like(memory)
    copy = best(runs, lambda: np.copyto(target, memory))
    checked = best(runs, lambda: check(batches, has_maps=has_maps))
    print(
        f"{name}: {events:,} events; an event takes {copy / events * 1e9:.2f} ns to copy, "
        f"{checked / events * 1e9:.1f} ns to check"
    )
    columns = ("ns/event", "M events/s", "bytes/event", "x copy", "x file", "x check")
    print(f"  {'':14} {' '.join(f'{column:>11}' for column in columns)}")
    for form in ("binary", "text"):
        path = folder / f"trace.{form}"

        def write(form: str = form, path: Path = path) -> None:
            with TraceWriter(str(path), Profile(), form) as writer:
                for batch in batches:
                    writer.write(batch)

        def take(path: Path = path) -> None:
            with TraceFile(str(path)) as trace:
                trace.run(lambda batch: None)

        for verb, action in (("write", write), ("read", take)):
            taken = best(runs, action)
            plain = best(runs, path.read_bytes)
            print(
                f"  {verb + ' ' + form:14} {taken / events * 1e9:11.1f} {events / taken / 1e6:11.1f} "
                f"{path.stat().st_size / events:11.2f} {taken / copy:11.1f} {taken / plain:11.1f} "
                f"{taken / checked:11.2f}"
            )


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("trace", nargs="?", help="a trace, such as a boot's, in place of what is made up")
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.trace is not None:
            measure(options.trace, read(Path(options.trace)), options.runs, Path(folder), has_maps=True)
            return
        measure("a loop", made_up(options.events, spread=False), options.runs, Path(folder))
        measure("spread over 1 GiB", made_up(options.events, spread=True), options.runs, Path(folder))


if __name__ == "__main__":
    main()
