# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists a guest's RAM and segments before it runs. Plain text needs no imports that would slow the start."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coldline.guest import Plan
from coldline.image import Kernel
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.report.model import Guest

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


def rounded_size(size: int) -> str:
    """A size in the largest unit that fits, to one decimal: ``1.5 MiB``."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def guest_lines(guest: "Guest") -> Iterator[str]:
    """The guest's image, host, strategy, RAM, segments and entry point, as lines of text."""
    plan = guest.plan
    yield from kernel_lines(guest.kernel)
    if guest.strategy is not None:
        yield f"  {guest.core} on {guest.host}, built by '{guest.strategy}'"
    else:
        yield f"  {guest.core} on {guest.host}" + (f" ({guest.host_default})" if guest.host_default else "")
    for bank in plan.banks:
        yield f"  RAM     {bank.base:#012x} - {bank.end:#012x}  {rounded_size(bank.size)}"
    for each in plan.segments:
        yield (
            f"  {each.name:7} {each.address:#012x} - {each.end:#012x}  {rounded_size(each.size)}"
            f" ({rounded_size(len(each.data))} loaded)"
        )
    yield f"  entry   {plan.registers.pc:#012x} {start_text(plan)}"


def kernel_lines(kernel: Kernel) -> Iterator[str]:
    """A kernel's name, architecture, format and notes, as lines that are safe for a terminal."""
    packed = f", in {', '.join(kernel.layers)}" if kernel.layers else ""
    yield f"{printable(os.path.basename(kernel.path))}: {kernel.architecture} {kernel.format}{packed}"
    for note in kernel.notes:
        yield f"  {printable(note)}"


def start_text(plan: Plan) -> str:
    """The first vCPU's exception level or mode, and its register for the device tree, in words."""
    registers = plan.registers
    if plan.architecture == "arm32":
        return f"in Supervisor mode, r2 = {registers.general[2]:#x}"
    return f"at EL{plan.exception_level}, x0 = {registers.general[0]:#x}"
