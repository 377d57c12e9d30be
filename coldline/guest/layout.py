# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest physical address space of Xen's guests.

Source: xen xen/include/public/arch-arm.h (4.17), "Physical Address Space". All addresses and sizes in bytes.
"""

from typing import NamedTuple

from coldline.support.units import GIB, KIB, MIB


class AddressRange(NamedTuple):
    """A range of guest physical addresses, in bytes."""

    base: int
    size: int

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


VIRTIO_MMIO = AddressRange(0x02000000, 1 * MIB)
GICV2_DISTRIBUTOR = AddressRange(0x03001000, 4 * KIB)
GICV2_CPU_INTERFACE = AddressRange(0x03002000, 8 * KIB)
GICV3_DISTRIBUTOR = AddressRange(0x03001000, 64 * KIB)
GICV3_REDISTRIBUTORS = AddressRange(0x03020000, 16 * MIB)
ACPI = AddressRange(0x20000000, 32 * MIB)
PL011 = AddressRange(0x22000000, 4 * KIB)
GRANT_TABLE = AddressRange(0x38000000, 16 * MIB)
MAGIC_PAGES = AddressRange(0x39000000, 16 * MIB)
RAM0 = AddressRange(0x40000000, 3 * GIB)
RAM1 = AddressRange(0x200000000, 1016 * GIB)

RAM_BANKS = (RAM0, RAM1)
"""Windows for RAM, filled in this order."""

GIC_MAINTENANCE_PPI = 25
TIMER_HYP_PPI = 26
"""Arm Base System Architecture (DEN0094), PPI assignments; Xen gives its guests no EL2."""

TIMER_VIRT_PPI = 27
TIMER_PHYS_SECURE_PPI = 29
TIMER_PHYS_NONSECURE_PPI = 30
EVENT_CHANNEL_PPI = 31
PL011_SPI = 32
"""Interrupt IDs of the GIC: private ones (PPI) are 16-31, shared ones (SPI) start at 32."""


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple


def exact_size_text(size: int) -> str:
    """Return `size` bytes as text, never rounded, in the largest unit that divides it: ``512 MiB``, ``1 byte``."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} byte" if size == 1 else f"{size} bytes"
