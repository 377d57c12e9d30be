# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans a guest that starts in firmware, which runs from flash and finds the device tree at the start of RAM.

Source: qemu hw/arm/virt.c (7.2), machvirt_init and virt_firmware_init; docs/system/arm/virt.rst.
"""

from typing import TYPE_CHECKING

from coldline.errors import PlanError
from coldline.guest.layout import exact_size_text, round_up
from coldline.guest.placement import check_segments
from coldline.guest.plan import Bank, Plan, Segment
from coldline.guest.reasons import Reason
from coldline.guest.registers import first_registers
from coldline.support.frozen_record import replace
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.guest.options import GuestOptions
    from coldline.image import Kernel


def plan_firmware(firmware: "Kernel", options: "GuestOptions", ram: tuple[Bank, ...], tree: bytes) -> Plan:
    """Plan a guest that consists of firmware.

    Parameters
    ----------
    firmware : Kernel
        Raw bytes for the start of the flash.
    options : GuestOptions
        The other options, already checked.
    ram : tuple of Bank
        The guest's RAM.
    tree : bytes
        The device tree.

    Raises
    ------
    PlanError
        If the machine has no flash, or something does not fit.
    """
    flash = options.layout.firmware
    if flash is None:
        raise PlanError(f"machine {options.layout.name} has no flash for firmware")
    start, size = firmware.pieces[0].address, firmware.pieces[0].size
    if start != flash.base or size > flash.size:
        raise PlanError(
            f"{firmware.path}: {exact_size_text(size)} at {start:#x} do not fit into the flash "
            f"({flash.base:#x}-{flash.end:#x})"
        )
    segments = (
        Segment("firmware", start, firmware.pieces[0].data, round_up(size, PAGE_SIZE), Reason.FLASH),
        Segment("dtb", ram[0].base, memoryview(tree), round_up(len(tree), PAGE_SIZE), Reason.FIRST_RAM),
    )
    banks = (Bank(flash.base, flash.size, Reason.FLASH, flash=True), *ram)
    check_segments(banks, segments)
    first = first_registers(
        architecture=firmware.architecture,
        entry=firmware.entry,
        dtb=0,
        exception_level=options.exception_level,
    )
    return Plan(
        architecture=firmware.architecture,
        banks=banks,
        segments=segments,
        registers=replace(first, general=(0, 0, 0, 0)),
        exception_level=options.exception_level,
        layout=options.layout,
    )
