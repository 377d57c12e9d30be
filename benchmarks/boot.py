# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a whole `coldline boot` of Debian's kernel with the same run on Unicorn alone.

All are whole processes, started in turn: Python's start, loading the kernel, planning, and the run to the first
PSCI call. The bare run (``bare_unicorn.py``) has no hooks, records nothing and checks nothing. It loads the kernel
with coldline's loader, and has the same RAM. A third run makes all events and drops them (``unchecked_boot.py``): its
difference to `coldline boot` is the time of the check.

Python keeps the bytecode of imported modules in a folder of this run, as it does for installed programs.

Usage: python benchmarks/boot.py [--architecture arm64|armhf] [--runs N] [--memory MIB] [--append ARGS] [IMAGE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

BARE, UNCHECKED, CHECKED = "bare Unicorn", "events made and dropped", "coldline boot"
_COMMAND = "import sys; from coldline.cli import main; sys.exit(main())"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall-clock time of a process that must succeed."""
    start = time.perf_counter()
    ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if ended.returncode not in (0, 1):  # 1 is a hazard, not a failure
        raise SystemExit(f"{' '.join(command)}: status {ended.returncode}")
    return time.perf_counter() - start


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """The seconds of each command in each run; each runs once before, to fill caches."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as bytecode:
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        environment["PYTHONPATH"] = str(HERE.parent)
        for command in commands.values():
            seconds(command, environment)
        times: dict[str, list[float]] = {name: [] for name in commands}
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
            UNCHECKED: [sys.executable, str(HERE / "unchecked_boot.py"), *given],
            CHECKED: [sys.executable, "-c", _COMMAND, *boot, "--hazards", "0"],
        },
        options.runs,
    )
    found = {
        name: {
            "median": statistics.median(each),
            "fastest": min(each),
            "ratio": statistics.median(a / b for a, b in zip(each, times[BARE], strict=True)),
            "ratio_of_fastest": min(each) / min(times[BARE]),
        }
        for name, each in times.items()
    }
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'':24} {'median':>9} {'fastest':>9} {'ratio':>7} {'ratio of fastest':>17}")
    for name, row in found.items():
        print(
            f"{name:24} {row['median']:7.3f} s {row['fastest']:7.3f} s {row['ratio']:7.2f}"
            f" {row['ratio_of_fastest']:17.2f}"
        )


if __name__ == "__main__":
    main()
