# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the stories and the repairs of a whole boot with the boot itself.

All are of one process, after one another: the boot with its check; the second pass, which tells the stories; and the
search for repairs with the run that has them in its code. Each is given in processor time, which a busy machine
changes less, and in wall-clock time.

Usage: python benchmarks/stories.py [--architecture arm64|armhf] [--runs N] [--hazards N] [--until N] [IMAGE]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from coldline.arm.cores import CORES
from coldline.checker.final_read import Region
from coldline.cli.arguments.values import DEFAULT_CORES
from coldline.cli.inputs.trials import TrialRun, programs_of
from coldline.cli.progress import Progress
from coldline.cli.repairing import repair_run
from coldline.explain.selection import KeptEvents
from coldline.first_pass import check
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.jit.code_cache import compile_missing
from coldline.simulation import Trial
from coldline.verdict import judge

BOOT, STORIES, REPAIR = "boot", "stories", "repair"
_T = TypeVar("_T")


class Times(NamedTuple):
    """Seconds of processor time, and of wall-clock time."""

    processor: float
    wall: float


def timed(do: Callable[[], _T]) -> tuple[_T, Times]:
    """What a function returns, and how long it took."""
    processor, wall = time.process_time(), time.perf_counter()
    done = do()
    return done, Times(time.process_time() - processor, time.perf_counter() - wall)


def measure(trial: Trial, hazards: int) -> dict[str, Times]:
    """One boot, its stories, and its repairs."""
    regions = [Region(each.name, each.address, each.size, each.data.nbytes) for each in trial.plan.segments]
    checker, boot = timed(lambda: check(TrialRun(trial), trial.profile, distinct=True, at_length=True))
    kept = KeptEvents(4_000_000)
    judgement, stories = timed(
        lambda: judge(checker, TrialRun(trial), most=hazards, stories=hazards, regions=regions, kept=kept)
    )
    (repairs, repaired), repair = timed(lambda: repair_run(trial, judgement, Progress(False), checker, kept))
    right = sum(any(each.put_in and each.put_in.right for each in found.found) for found in repairs.values())
    print(
        f"{judgement.events:,} events, {judgement.found} hazards; {len(repairs)} causes, {right} repaired;"
        f" with all repairs: {repaired.verdict.value if repaired is not None else 'not run'}",
        flush=True,
    )
    return {BOOT: boot, STORIES: stories, REPAIR: repair}


def main() -> None:
    """Run all in turn and print the medians, and their ratios to the boot."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", nargs="?", help="a kernel (default: Debian's current one)")
    arguments.add_argument("--architecture", default="armhf", help="of Debian's kernel: arm64 or armhf")
    arguments.add_argument("--runs", type=int, default=1)
    arguments.add_argument("--hazards", type=int, default=100)
    arguments.add_argument("--host", default="rfc")
    arguments.add_argument("--strategy", default="uncached")
    arguments.add_argument("--until", type=int, help="instructions (default: the first PSCI call)")
    options = arguments.parse_args()
    if options.image is None:
        from testbed.packages.kernels import kernel

        options.image = str(kernel(options.architecture))
    plan = make_plan(load_kernel(options.image), GuestOptions(memory=256 << 20))
    until = Until(End.LIMIT, limit=options.until) if options.until else Until(End.PSCI, limit=1 << 40)
    trial = Trial(
        plan=plan,
        strategy=options.strategy,
        model=HOST_MODELS[options.host],
        core=CORES[DEFAULT_CORES[plan.architecture]],
        until=until,
    )
    compile_missing(programs_of(plan), lambda done, of: None)
    runs = [measure(trial, options.hazards) for _ in range(options.runs)]
    print(f"{'':10} {'processor':>12} {'wall':>12} {'to the boot':>22}")
    for name in (BOOT, STORIES, REPAIR):
        processor, wall = (statistics.median(each[name][index] for each in runs) for index in (0, 1))
        ratios = [
            statistics.median(each[name][index] / each[BOOT][index] for each in runs) for index in (0, 1)
        ]
        print(f"{name:10} {processor:10.1f} s {wall:10.1f} s {ratios[0]:13.2f}, {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
