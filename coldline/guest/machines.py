# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines that guests can be built for: addresses of RAM, flash and devices.

Source: `coldline.guest.layout` for Xen's; qemu hw/arm/virt.c (7.2), base_memmap and a15irqmap, for QEMU's; Linux
arch/arm/boot/dts/bcm283x.dtsi and bcm2711.dtsi (6.1) for the Raspberry Pi's.
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


class SerialPort(Record):
    """A serial port.

    Attributes
    ----------
    kind : str
        A name in `coldline.guest.serial_kinds.SERIAL_KINDS`.
    base, size : int
        Its registers, in bytes.
    """

    kind: str
    base: int
    size: int = 4 * KIB

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


class ConstantRegisters(Record):
    """Registers that ignore stores.

    Attributes
    ----------
    base, size : int
        Their range, in bytes.
    value : int
        What every 32-bit register in it reads as.
    """

    base: int
    size: int
    value: int = 0

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size


class MachineLayout(Record, kw_only=True):
    """The part of a machine's physical address space that guests use.

    Attributes
    ----------
    name : str
        Its name for users: ``xenvm``, ``virt``.
    compatible : str
        ``compatible`` of the root of the device tree that is written for it. If empty, none is written: a guest gets
        the tree that the user gives, or none.
    ram : tuple of AddressRange
        Windows for RAM, filled in this order.
    gicv2, gicv3 : pair of AddressRange, or None
        The distributor, and the CPU interfaces or the redistributors.
    gicv2_virtual : pair of AddressRange, or None
        GICv2's virtual interface control registers, and the virtual CPU interface, which a guest with EL2 gets.
    gic_version : int
        The default version; 0 without a GIC.
    serials : tuple of SerialPort
        The serial ports; the first one is the console of the tree that is written.
    serial_interrupt : int
        The first one's interrupt ID.
    firmware : AddressRange or None
        The flash in which firmware starts; None if there is none.
    variables : AddressRange or None
        The second flash, for firmware's variables.
    rtc : AddressRange or None
        The PL031.
    rtc_interrupt : int
        Its interrupt ID.
    fw_cfg : AddressRange or None
        QEMU's firmware configuration device.
    registers : tuple of ConstantRegisters
        What the user has described.
    unknown_reads_zero : bool
        Whether all other addresses are registers that read as zero.
    of_hypervisor : bool
        Whether a hypervisor builds its guests; else a boot loader loads them.
    """

    name: str
    compatible: str = ""
    ram: tuple[AddressRange, ...]
    gicv2: tuple[AddressRange, AddressRange] | None = None
    gicv3: tuple[AddressRange, AddressRange] | None = None
    gicv2_virtual: tuple[AddressRange, AddressRange] | None = None
    gic_version: int = 0
    serials: tuple[SerialPort, ...] = ()
    serial_interrupt: int = 0
    firmware: AddressRange | None = None
    variables: AddressRange | None = None
    rtc: AddressRange | None = None
    rtc_interrupt: int = 0
    fw_cfg: AddressRange | None = None
    registers: tuple[ConstantRegisters, ...] = ()
    unknown_reads_zero: bool = False
    of_hypervisor: bool = False

    @property
    def serial(self) -> SerialPort:
        """The console of the device tree that is written."""
        return self.serials[0]

    def max_vcpus(self, gic_version: int) -> int:
        """Return the most vCPUs of a GIC version: 8 CPU interfaces, or as many redistributors as fit."""
        if gic_version == 3 and self.gicv3 is not None:
            return self.gicv3[1].size // _REDISTRIBUTOR
        return 8


XENVM: Final = MachineLayout(
    name="xenvm",
    compatible="xen,xenvm",
    ram=layout.RAM_BANKS,
    gicv2=(layout.GICV2_DISTRIBUTOR, layout.GICV2_CPU_INTERFACE),
    gicv3=(layout.GICV3_DISTRIBUTOR, layout.GICV3_REDISTRIBUTORS),
    gic_version=3,
    serials=(SerialPort("pl011", *layout.PL011),),
    serial_interrupt=layout.PL011_SPI,
    of_hypervisor=True,
)
"""The machine of Xen's guests."""

VIRT: Final = MachineLayout(
    name="virt",
    compatible="linux,dummy-virt",
    ram=(AddressRange(0x4000_0000, 255 * GIB),),
    gicv2=(AddressRange(0x0800_0000, 64 * KIB), AddressRange(0x0801_0000, 64 * KIB)),
    gicv3=(AddressRange(0x0800_0000, 64 * KIB), AddressRange(0x080A_0000, 0xF6_0000)),
    gicv2_virtual=(AddressRange(0x0803_0000, 64 * KIB), AddressRange(0x0804_0000, 64 * KIB)),
    gic_version=2,
    serials=(SerialPort("pl011", 0x0900_0000),),
    serial_interrupt=33,
    firmware=AddressRange(0, 64 * MIB),
    variables=AddressRange(0x0400_0000, 64 * MIB),
    rtc=AddressRange(0x0901_0000, 4 * KIB),
    rtc_interrupt=34,
    fw_cfg=AddressRange(0x0902_0000, 4 * KIB),
)
"""QEMU's ``virt`` machine, without virtio and PCI, which its tree leaves out."""

_RASPI3B: Final = MachineLayout(
    name="raspi3b",
    ram=(AddressRange(0, 1008 * MIB),),
    serials=(SerialPort("pl011", 0x3F20_1000), SerialPort("ns16550-32", 0x3F21_5040, 64)),
    unknown_reads_zero=True,
)
_RASPI4B: Final = MachineLayout(
    name="raspi4b",
    ram=(AddressRange(0, 0x3B40_0000), AddressRange(0x4000_0000, 0xBC00_0000)),
    serials=(SerialPort("pl011", 0xFE20_1000), SerialPort("ns16550-32", 0xFE21_5040, 64)),
    unknown_reads_zero=True,
)

MACHINES: Final = MappingProxyType({machine.name: machine for machine in (XENVM, VIRT, _RASPI3B, _RASPI4B)})
"""Every machine, by name."""


def machine_hint(address: int) -> str:
    """Return what to add to a message about an address without a device, if it is some machine's serial port."""
    for machine in MACHINES.values():
        if any(serial.base <= address < serial.end for serial in machine.serials):
            return f"; machine {machine.name} has a serial port there (--machine {machine.name})"
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
