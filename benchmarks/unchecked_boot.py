# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the same guest and makes all of coldline's events, without checking them.

Usage: python benchmarks/unchecked_boot.py IMAGE MEMORY_IN_MIB [BOOTARGS]
"""

import sys
import time

from coldline.arm.cores import CORES
from coldline.cli.arguments.values import DEFAULT_CORES
from coldline.frontends.unicorn import End, Until
from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.image import load_kernel
from coldline.simulation import Trial


def main() -> None:
    """Run, and print the seconds from the start of the guest's build on."""
    path, memory = sys.argv[1], int(sys.argv[2]) << 20
    plan = make_plan(load_kernel(path), GuestOptions(memory=memory, bootargs=" ".join(sys.argv[3:])))
    trial = Trial(
        plan=plan,
        strategy="uncached",
        model=HOST_MODELS["rfc"],
        core=CORES[DEFAULT_CORES[plan.architecture]],
        until=Until(End.PSCI, limit=1 << 40),
    )
    start = time.perf_counter()
    trial.run(lambda batch: None)
    print(f"{time.perf_counter() - start:.3f}")


if __name__ == "__main__":
    main()
