# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines that guests can be built for: addresses of RAM, flash and devices.

Source: `coldline.guest.layout` for Xen's; qemu hw/arm/virt.c (7.2), base_memmap and a15irqmap, for QEMU's.
"""

from types import MappingProxyType
from typing import Final

from coldline.errors import UsageError
from coldline.guest import layout
from coldline.guest.layout import AddressRange
from coldline.support.choices import choices
from coldline.support.frozen_record import Record
from coldline.support.units import GIB, KIB, MIB

_REDISTRIBUTOR = 128 * KIB


class MachineLayout(Record, kw_only=True):
    """The part of a machine's physical address space that its device tree describes.

    Attributes
    ----------
    name : str
        Its name for users: ``xenvm``, ``virt``.
    compatible : str
        ``compatible`` of the device tree's root.
    ram : tuple of AddressRange
        Windows for RAM, filled in this order.
    gicv2, gicv3 : pair of AddressRange
        The distributor, and the CPU interfaces or the redistributors.
    gic_version : int
        The default version.
    serial : AddressRange
        The PL011.
    serial_interrupt : int
        Its interrupt ID.
    firmware : AddressRange or None
        The flash in which firmware starts; None if there is none.
    variables : AddressRange or None
        The second flash, for firmware's variables.
    rtc : AddressRange or None
        The PL031.
    rtc_interrupt : int
        Its interrupt ID.
    """

    name: str
    compatible: str
    ram: tuple[AddressRange, ...]
    gicv2: tuple[AddressRange, AddressRange]
    gicv3: tuple[AddressRange, AddressRange]
    gic_version: int
    serial: AddressRange
    serial_interrupt: int
    firmware: AddressRange | None = None
    variables: AddressRange | None = None
    rtc: AddressRange | None = None
    rtc_interrupt: int = 0

    def max_vcpus(self, gic_version: int) -> int:
        """Return the most vCPUs of a GIC version: 8 CPU interfaces, or as many redistributors as fit."""
        return 8 if gic_version == 2 else self.gicv3[1].size // _REDISTRIBUTOR


XENVM: Final = MachineLayout(
    name="xenvm",
    compatible="xen,xenvm",
    ram=layout.RAM_BANKS,
    gicv2=(layout.GICV2_DISTRIBUTOR, layout.GICV2_CPU_INTERFACE),
    gicv3=(layout.GICV3_DISTRIBUTOR, layout.GICV3_REDISTRIBUTORS),
    gic_version=3,
    serial=layout.PL011,
    serial_interrupt=layout.PL011_SPI,
)
"""The machine of Xen's guests."""

VIRT: Final = MachineLayout(
    name="virt",
    compatible="linux,dummy-virt",
    ram=(AddressRange(0x4000_0000, 255 * GIB),),
    gicv2=(AddressRange(0x0800_0000, 64 * KIB), AddressRange(0x0801_0000, 64 * KIB)),
    gicv3=(AddressRange(0x0800_0000, 64 * KIB), AddressRange(0x080A_0000, 0xF6_0000)),
    gic_version=2,
    serial=AddressRange(0x0900_0000, 4 * KIB),
    serial_interrupt=33,
    firmware=AddressRange(0, 64 * MIB),
    variables=AddressRange(0x0400_0000, 64 * MIB),
    rtc=AddressRange(0x0901_0000, 4 * KIB),
    rtc_interrupt=34,
)
"""QEMU's ``virt`` machine, without virtio, PCI and fw_cfg, which its tree leaves out."""

MACHINES: Final = MappingProxyType({machine.name: machine for machine in (XENVM, VIRT)})
"""Every machine, by name."""


def machine_hint(address: int) -> str:
    """Return what to add to a message about an address without a device, if it is some machine's serial port."""
    for machine in MACHINES.values():
        if machine.serial.base <= address < machine.serial.end:
            return f"; machine {machine.name} has its serial port there (--machine {machine.name})"
    return ""


def machine_layout(name: str) -> MachineLayout:
    """Return the machine of that name.

    Raises
    ------
    UsageError
        If there is no such machine; the message lists the names.
    """
    if name not in MACHINES:
        raise UsageError(f"no machine '{name}'; {choices(name, MACHINES)}")
    return MACHINES[name]
