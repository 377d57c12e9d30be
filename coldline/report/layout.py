# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows where a guest's things are before it runs. Plain text, so that it costs no start-up time."""

import os
from typing import TYPE_CHECKING

from coldline.guest import Plan
from coldline.image import Kernel
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.simulation import Trial

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


def rounded_size(size: int) -> str:
    """A size as a person says it."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def print_layout(kernel: Kernel, trial: "Trial") -> None:
    """Print what is about to be built, where, and how it starts."""
    plan = trial.plan
    print_kernel(kernel)
    print(f"  {trial.core.name} on {trial.model.name}, built by '{trial.strategy}'")
    for bank in plan.banks:
        print(f"  RAM     {bank.base:#012x} - {bank.end:#012x}  {rounded_size(bank.size)}")
    for each in plan.segments:
        print(
            f"  {each.name:7} {each.address:#012x} - {each.end:#012x}  {rounded_size(each.size)}"
            f" ({rounded_size(len(each.data))} loaded)"
        )
    print(f"  entry   {plan.registers.pc:#012x} {start_text(plan)}", flush=True)


def print_kernel(kernel: Kernel) -> None:
    """Print what a kernel's file is."""
    packed = f", in {', '.join(kernel.layers)}" if kernel.layers else ""
    print(f"{printable(os.path.basename(kernel.path))}: {kernel.architecture} {kernel.format}{packed}")
    for note in kernel.notes:
        print(f"  {printable(note)}")


def start_text(plan: Plan) -> str:
    """How the first vCPU starts, in words."""
    registers = plan.registers
    if plan.architecture == "arm32":
        return f"in Supervisor mode, r2 = {registers.general[2]:#x}"
    return f"at EL{plan.exception_level}, x0 = {registers.general[0]:#x}"
