# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a matrix, on one processor and on all, with a boot of the same guest, each as a whole command.

A row is what all strategies on one host take. It is given in boots, by processor time and by the clock.

Usage: python benchmarks/matrix.py [--runs N] [IMAGE]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


class Times(NamedTuple):
    """Seconds of processor time, and by the clock."""

    processor: float
    wall: float


def run(command: str, image: str, processors: set[int]) -> tuple[Times, str]:
    """Run a command of coldline on some processors; return how long it took, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "coldline", command, image, "--memory", "256", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Times(processor, wall), done.stdout


def main() -> None:
    """Run all in turn and print the medians."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", nargs="?", help="a kernel (default: Debian's current one for arm64)")
    arguments.add_argument("--runs", type=int, default=3)
    options = arguments.parse_args()
    if options.image is None:
        from testbed.packages.kernels import kernel

        options.image = str(kernel("arm64"))
    every = os.sched_getaffinity(0)
    cases = {
        "boot": ("boot", every),
        "matrix on one processor": ("matrix", {min(every)}),
        f"matrix on {len(every)}": ("matrix", every),
    }
    run("boot", options.image, every)  # compiles what is not compiled yet, and fills the caches of files
    times: dict[str, list[Times]] = {name: [] for name in cases}
    tables = {}
    for _ in range(options.runs):
        for name, (command, processors) in cases.items():
            took, printed = run(command, options.image, processors)
            times[name].append(took)
            if command == "matrix":
                tables[name] = json.loads(printed)["verdicts"]
    assert len({json.dumps(table) for table in tables.values()}) == 1
    (table, *_) = tables.values()
    print(f"{sum(map(len, table.values()))} pairs on {len(table)} hosts")
    medians = {
        name: Times(*(statistics.median(each[index] for each in taken) for index in (0, 1)))
        for name, taken in times.items()
    }
    boot = medians["boot"]
    print(f"{'':24} {'processor':>12} {'wall':>9} {'a row, in boots':>18}")
    for name, took in medians.items():
        rows = len(table) if name != "boot" else 1
        ratios = f"{took.processor / rows / boot.processor:.2f}, {took.wall / rows / boot.wall:.2f}"
        print(f"{name:24} {took.processor:10.2f} s {took.wall:7.2f} s {ratios:>18}")


if __name__ == "__main__":
    main()
