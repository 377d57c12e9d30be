# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole `coldline boot` of Debian's arm64 kernel against the same run on bare Unicorn.

Both are whole processes, started in turn: Python's start, loading the kernel, planning, and the run to the first
PSCI call. The bare run (``bare_unicorn.py``) has no hooks, records nothing and checks nothing.

Usage: python benchmarks/boot.py [--runs N] [--memory MIB] [--append ARGS] [IMAGE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def seconds(command: list[str]) -> float:
    """Wall-clock time of a process that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run both in turn and print the medians and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", nargs="?", help="an arm64 kernel (default: Debian's current one)")
    arguments.add_argument("--runs", type=int, default=7)
    arguments.add_argument("--memory", type=int, default=256, help="MiB of guest RAM")
    arguments.add_argument("--append", default="quiet")
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    if options.image is None:
        from testbed import debian

        options.image = str(debian.kernel("arm64"))
    checked = [
        str(Path(sys.executable).with_name("coldline")),
        *("boot", options.image, "--memory", str(options.memory), "--append", options.append),
    ]
    bare = [sys.executable, str(HERE / "bare_unicorn.py"), options.image, str(options.memory), options.append]
    seconds(checked)  # compiles what is not compiled yet
    seconds(bare)
    pairs = [(seconds(checked), seconds(bare)) for _ in range(options.runs)]
    times = {
        "coldline": statistics.median(a for a, _ in pairs),
        "bare_unicorn": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }
    if options.json:
        print(json.dumps(times))
    else:
        print(f"coldline boot {times['coldline']:.2f} s, bare Unicorn {times['bare_unicorn']:.2f} s")
        print(f"ratio {times['ratio']:.2f} (median of {options.runs} pairs)")


if __name__ == "__main__":
    main()
