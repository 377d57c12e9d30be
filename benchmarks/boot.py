# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a whole `coldline boot` of Debian's kernel with the same run on Unicorn alone.

All are whole processes, started in turn: Python's start, loading the kernel, planning, and the run to the first
PSCI call. The bare run (``bare_unicorn.py``) has no hooks, records nothing and checks nothing. It loads the kernel
with coldline's loader, and has the same RAM. The same run with empty callbacks is the least that events of accesses
cost.
A run that makes all events and drops them (``unchecked_boot.py``) differs from `coldline boot` by the check.

Times are by the clock; the ratios of processor time, which a busy machine changes less, count both threads.

Python keeps the bytecode of imported modules in a folder of this run, as it does for installed programs. `coldline
boot` is started as users start it: it keeps what it learns of order's states for the next run.

Usage: python benchmarks/boot.py [--architecture arm64|armhf] [--runs N] [--memory MIB] [--append ARGS] [IMAGE]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

BARE, EMPTY = "bare Unicorn", "with empty callbacks"
UNCHECKED, UNORDERED, CHECKED = "events made and dropped", "coldline boot --no-order", "coldline boot"
_COMMAND = [sys.executable, "-m", "coldline"]


class Times(NamedTuple):
    """Seconds by the clock, and of processor time."""

    wall: float
    processor: float


def seconds(command: list[str], environment: dict[str, str]) -> Times:
    """The times of a process that must succeed."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if ended.returncode and not (ended.returncode == 1 and command[:3] == _COMMAND):  # 1 is a hazard there
        raise SystemExit(f"{' '.join(command)}: status {ended.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Times(time.perf_counter() - start, processor)


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[Times]]:
    """The seconds of each command in each run; each runs once before, to fill caches."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as bytecode:
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        environment["PYTHONPATH"] = str(HERE.parent)
        for command in commands.values():
            seconds(command, environment)
        times: dict[str, list[Times]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                times[name].append(seconds(command, environment))
    return times


def main() -> None:
    """Run all in turn and print the medians, the fastest runs and the ratios."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", nargs="?", help="a kernel (default: Debian's current one)")
    arguments.add_argument("--architecture", default="arm64", help="of Debian's kernel: arm64 or armhf")
    arguments.add_argument("--runs", type=int, default=9)
    arguments.add_argument("--memory", type=int, default=256, help="MiB of guest RAM")
    arguments.add_argument("--append", default="quiet")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    if options.image is None:
        from testbed.packages.kernels import kernel

        options.image = str(kernel(options.architecture))
    memory = str(options.memory)
    given = [options.image, memory, options.append]
    boot = ["boot", options.image, "--memory", memory, "--append", options.append]
    times = measure(
        {
            BARE: [sys.executable, str(HERE / "bare_unicorn.py"), *given],
            EMPTY: [sys.executable, str(HERE / "bare_unicorn.py"), "--empty-callbacks", *given],
            UNCHECKED: [sys.executable, str(HERE / "unchecked_boot.py"), *given],
            UNORDERED: [*_COMMAND, *boot, "--hazards", "0", "--no-order"],
            CHECKED: [*_COMMAND, *boot, "--hazards", "0"],
        },
        options.runs,
    )
    found = {
        name: {
            "median": statistics.median(run.wall for run in each),
            "fastest": min(run.wall for run in each),
            "ratio": statistics.median(a.wall / b.wall for a, b in zip(each, times[BARE], strict=True)),
            "ratio_of_fastest": min(run.wall for run in each) / min(run.wall for run in times[BARE]),
            "processor": statistics.median(
                a.processor / b.processor for a, b in zip(each, times[BARE], strict=True)
            ),
        }
        for name, each in times.items()
    }
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'':24} {'median':>9} {'fastest':>9} {'ratio':>7} {'of fastest':>11} {'of processor time':>18}")
    for name, row in found.items():
        print(
            f"{name:24} {row['median']:7.3f} s {row['fastest']:7.3f} s {row['ratio']:7.2f}"
            f" {row['ratio_of_fastest']:11.2f} {row['processor']:18.2f}"
        )


if __name__ == "__main__":
    main()
