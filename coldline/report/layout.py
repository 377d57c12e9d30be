# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows where a guest's things are before it runs. Plain text, so that it costs no start-up time."""

import os

from coldline.image import Kernel
from coldline.trial import Trial

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


def size_text(size: int) -> str:
    """A size as a person says it."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def print_layout(kernel: Kernel, trial: Trial) -> None:
    """Print what is about to be built, where, and how it starts."""
    plan = trial.plan
    packed = f", in {', '.join(kernel.layers)}" if kernel.layers else ""
    print(f"{os.path.basename(kernel.path)}: {kernel.architecture} {kernel.format}{packed}")
    for note in kernel.notes:
        print(f"  {note}")
    print(f"  {trial.core.name} on {trial.model.name}, built by '{trial.strategy}'")
    for bank in plan.banks:
        print(f"  RAM     {bank.base:#012x} - {bank.end:#012x}  {size_text(bank.size)}")
    for each in plan.segments:
        print(
            f"  {each.name:7} {each.address:#012x} - {each.end:#012x}  {size_text(each.size)}"
            f" ({size_text(len(each.data))} loaded)"
        )
    registers = plan.registers
    start = f"at EL{plan.exception_level}, x0 = {registers.general[0]:#x}"
    if plan.architecture == "arm32":
        start = f"in Supervisor mode, r2 = {registers.general[2]:#x}"
    print(f"  entry   {registers.pc:#012x} {start}", flush=True)
