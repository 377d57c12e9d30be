# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a survey on two workers with the same survey on one.

The cells are boots of Debian's arm64 kernel that differ in their last instruction. Both surveys run in turn, each
with new results; Dask's own start is part of both. Each worker has a core: one at once is confined to the first core,
as a run uses a second one where it can. The machine's limit is the same cells in plain processes, one after another
and two at once. On a machine that has other work, the times by the clock say little; processor time still tells what
two at once cost more than one.

Usage: python benchmarks/survey.py [--cells N] [--runs N] [IMAGE]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FIRST = 8_000_000
"""Instructions of the first cell; each other one has a thousand more."""


class Took(NamedTuple):
    """Seconds by the clock, and of processor time of all processes."""

    clock: float
    processor: float


def plan_of(folder: Path, image: Path, cells: int) -> Path:
    """Write a plan."""
    plan = folder / "plan.toml"
    images = (
        f'\n[[image]]\nname = "{number}"\nfile = "{image}"\noptions = ["--until", "{FIRST + 1000 * number}"]\n'
        for number in range(cells)
    )
    plan.write_text("".join(images))
    return plan


def coldline(jobs: int, *words: str) -> None:
    """Run a command of coldline's that must succeed, on as many cores as it has jobs."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:jobs])
    command = ["taskset", "-c", cores, sys.executable, "-m", "coldline", *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def processor_seconds() -> float:
    """Return the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def took(what: Callable[[], object]) -> Took:
    """Return what a call took."""
    start, used = time.perf_counter(), processor_seconds()
    what()
    return Took(time.perf_counter() - start, processor_seconds() - used)


def surveyed(plan: Path, jobs: int) -> Took:
    """Return what a survey took."""
    results = plan.with_suffix(".results")
    results.unlink(missing_ok=True)
    words = ("survey", str(plan), "--results", str(results), "--jobs", str(jobs), "--quiet")
    return took(lambda: coldline(jobs, *words))


def plain(image: Path, cells: int, jobs: int) -> Took:
    """Return what the same cells took without a survey."""

    def boot(number: int) -> None:
        coldline(jobs, "boot", str(image), "--json", "--until", str(FIRST + 1000 * number))

    def boots() -> None:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(boot, range(cells)))

    return took(boots)


def main() -> None:
    """Measure in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, help="a kernel (default: Debian's current one)")
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if options.image is None:
        from testbed.packages.kernels import kernel

        options.image = kernel("arm64")
    image = options.image.resolve()
    measured: dict[tuple[str, int], list[Took]] = {}
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(Path(folder), image, options.cells)
        surveyed(plan_of(Path(folder), image, 1), 1)
        plan_of(Path(folder), image, options.cells)
        for _ in range(options.runs):
            for jobs in (1, 2):
                measured.setdefault(("survey", jobs), []).append(surveyed(plan, jobs))
                measured.setdefault(("plain", jobs), []).append(plain(image, options.cells, jobs))
    for name, what in (("survey", "coldline survey"), ("plain", "plain processes")):
        clock, processor = (
            [statistics.median(each[of] for each in measured[name, jobs]) for jobs in (1, 2)] for of in (0, 1)
        )
        print(
            f"{what:16} one at once {clock[0]:6.1f} s, two at once {clock[1]:6.1f} s: "
            f"{clock[0] / clock[1]:.2f} times as fast; processor time {processor[0]:.1f} s and {processor[1]:.1f} s"
        )


if __name__ == "__main__":
    main()
