# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the device tree of a guest.

Source: xen tools/libs/light/libxl_arm.c (4.17), whose nodes these are; Linux Documentation/devicetree/bindings (6.1);
Devicetree Specification 0.4. The hypervisor node and the random seed are optional: a guest that finds the node makes
hypercalls, and without a seed the tree is reproducible. Where Xen's nodes deviate from the bindings, these nodes
follow the bindings: a GICv2 has one ``compatible``, PSCI has two and no function numbers, interrupts of a GICv3 have
no mask of cores, and the UART's node has an address.

Longer than 300 lines because it has one small function for each node.
"""

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from coldline.guest import layout
from coldline.guest.layout import RAM_BANKS, AddressRange, round_up
from coldline.guest.machines import XENVM, MachineLayout, SerialPort
from coldline.guest.plan import Bank
from coldline.support.frozen_record import Record
from coldline.support.units import MIB

if TYPE_CHECKING:
    from libfdt import FdtSw

GIC_PHANDLE = 65000
"""xen tools/libs/light/libxl_arm.c (4.17), GUEST_PHANDLE_GIC: partial device trees refer to this value."""

_CLOCK_PHANDLE = 65001
_BAUD_RATE = 115200
_CLOCK_HZ = 24_000_000

_LEVEL_HIGH = 4
_LEVEL_LOW = 8
"""Linux include/dt-bindings/interrupt-controller/irq.h (6.1)."""


_FW_CFG_REGISTERS = 0x18
"""Bytes: qemu hw/arm/virt.c (7.2), create_fw_cfg."""

_REGION_ALIGNMENT = 2 * MIB
_MIN_REGION = 64 * MIB
"""Bytes: xen tools/libs/light/libxl_arm.c (4.17), EXT_REGION_MIN_SIZE."""


class XenPlatform(Record):
    """The Xen that a guest will run on, for its device tree.

    Attributes
    ----------
    major, minor : int
        Xen's version.
    address_bits : int
        Width of guest physical addresses, up to 64.
    """

    major: int
    minor: int
    address_bits: int = 40


class MachineDescription(Record, kw_only=True):
    """Everything that a guest's device tree describes.

    Attributes
    ----------
    banks : tuple of Bank
        The banks of RAM.
    vcpus : int
        Number of virtual CPUs.
    core_compatible : str
        The ``compatible`` of each core, such as ``arm,cortex-a72``.
    gic_version : int
        2 or 3.
    exception_level : int
        The exception level at which the guest starts, 1 to 3.
    bootargs : bytes
        The kernel's command line, without a NUL.
    initrd : AddressRange or None
        The initrd's exact range.
    serial : bool
        Whether the guest has a PL011.
    rng_seed : bytes
        Random bytes for the kernel's generator; by default none.
    xen : XenPlatform or None
        The Xen whose hypercalls the guest may make.
    timer : str
        The timer's ``compatible``.
    layout : MachineLayout
        The addresses of its devices.
    """

    banks: tuple[Bank, ...]
    vcpus: int
    core_compatible: str
    gic_version: int
    exception_level: int
    bootargs: bytes
    initrd: AddressRange | None
    serial: bool = True
    rng_seed: bytes = b""
    xen: XenPlatform | None = None
    timer: str = "arm,armv8-timer"
    layout: MachineLayout = XENVM


_END_SLACK = 64
"""Bytes to add for the end of the tree, for which pylibfdt reserves no room."""


def build_device_tree(machine: MachineDescription) -> bytes:
    """Return the device tree of `machine`; its size does not depend on the addresses in it."""
    from libfdt import FdtSw

    tree = FdtSw()
    tree.finish_reservemap()
    with tree.add_node(""):
        tree.property_string("model", _model(machine.xen))
        tree.property("compatible", _strings(*_root_compatibles(machine)))
        tree.property_u32("#address-cells", 2)
        tree.property_u32("#size-cells", 2)
        tree.property_u32("interrupt-parent", GIC_PHANDLE)
        _add_chosen(tree, machine)
        _add_memory(tree, machine.banks)
        _add_cpus(tree, machine)
        if machine.exception_level < 3:  # else PSCI is the guest's own
            _add_psci(tree, machine)
        _add_timer(tree, machine)
        if machine.gic_version == 2:
            _add_gicv2(tree, machine)
        else:
            _add_gicv3(tree, machine.layout)
        if machine.xen is not None:
            _add_hypervisor(tree, machine, machine.xen)
        if machine.layout.rtc is not None:
            _add_board_devices(tree, machine.layout, machine.layout.rtc)
        elif machine.serial:
            _add_serial(tree, machine.layout)
    tree.resize(tree.totalsize() + _END_SLACK)
    finished = tree.as_fdt()
    finished.pack()
    return bytes(finished.as_bytearray())


def chosen_properties(bootargs: bytes, initrd: AddressRange | None) -> list[tuple[str, bytes]]:
    """Return the properties of /chosen: Devicetree Specification 0.4, 3.6; Linux drivers/of/fdt.c."""
    properties = [("bootargs", bootargs + b"\0")]
    if initrd is not None:
        properties += [
            ("linux,initrd-start", struct.pack(">Q", initrd.base)),
            ("linux,initrd-end", struct.pack(">Q", initrd.end)),
        ]
    return properties


def _model(xen: XenPlatform | None) -> str:
    return "coldline" if xen is None else f"XENVM-{xen.major}.{xen.minor}"


def _root_compatibles(machine: MachineDescription) -> tuple[str, ...]:
    name, xen = machine.layout.compatible, machine.xen
    return (name,) if xen is None else (f"{name}-{xen.major}.{xen.minor}", name)


def _add_chosen(tree: "FdtSw", machine: MachineDescription) -> None:
    with tree.add_node("chosen"):
        for name, value in chosen_properties(machine.bootargs, machine.initrd):
            tree.property(name, value)
        if machine.rng_seed:
            tree.property("rng-seed", machine.rng_seed)
        if machine.serial:
            tree.property_string("stdout-path", f"/{_serial_node(machine.layout)}")


def _add_memory(tree: "FdtSw", banks: Iterable[Bank]) -> None:
    for bank in banks:
        with tree.add_node(f"memory@{bank.base:x}"):
            tree.property_string("device_type", "memory")
            tree.property("reg", _reg(bank))


def _add_cpus(tree: "FdtSw", machine: MachineDescription) -> None:
    with tree.add_node("cpus"):
        tree.property_u32("#address-cells", 1)
        tree.property_u32("#size-cells", 0)
        for vcpu in range(machine.vcpus):
            affinity = _affinity(vcpu)
            with tree.add_node(f"cpu@{affinity:x}"):
                tree.property_string("device_type", "cpu")
                tree.property_string("compatible", machine.core_compatible)
                if machine.exception_level < 3:
                    tree.property_string("enable-method", "psci")
                tree.property_u32("reg", affinity)


def _affinity(vcpu: int) -> int:
    """Return MPIDR_EL1.{Aff1, Aff0}: a GICv3 addresses 16 cores of a cluster (libxl__compute_mpdir)."""
    return (vcpu >> 4) << 8 | vcpu & 0xF


def _add_psci(tree: "FdtSw", machine: MachineDescription) -> None:
    with tree.add_node("psci"):
        tree.property("compatible", _strings("arm,psci-1.0", "arm,psci-0.2"))
        tree.property_string("method", "hvc" if machine.exception_level == 1 else "smc")


def _add_timer(tree: "FdtSw", machine: MachineDescription) -> None:
    ppis = [layout.TIMER_PHYS_SECURE_PPI, layout.TIMER_PHYS_NONSECURE_PPI, layout.TIMER_VIRT_PPI]
    if machine.exception_level >= 2:
        ppis.append(layout.TIMER_HYP_PPI)
    with tree.add_node("timer"):
        tree.property_string("compatible", machine.timer)
        tree.property("interrupts", b"".join(_private_interrupt(machine, ppi) for ppi in ppis))


def _add_gicv2(tree: "FdtSw", machine: MachineDescription) -> None:
    """Add a GICv2; with EL2, with its virtual interface and the interrupt of that (bindings, arm,gic.yaml)."""
    registers = machine.layout.gicv2
    assert registers is not None
    virtual = machine.layout.gicv2_virtual if machine.exception_level >= 2 else None
    with tree.add_node(f"interrupt-controller@{registers[0].base:x}"):
        tree.property_string("compatible", "arm,cortex-a15-gic")
        _add_gic_properties(tree, *registers, *(virtual or ()))
        if virtual is not None:
            tree.property("interrupts", _interrupt(layout.GIC_MAINTENANCE_PPI, _LEVEL_HIGH))


def _add_gicv3(tree: "FdtSw", machine: MachineLayout) -> None:
    registers = machine.gicv3
    assert registers is not None
    with tree.add_node(f"interrupt-controller@{registers[0].base:x}"):
        tree.property_string("compatible", "arm,gic-v3")
        _add_gic_properties(tree, *registers)


def _add_gic_properties(tree: "FdtSw", *registers: AddressRange) -> None:
    tree.property_u32("#interrupt-cells", 3)
    tree.property_u32("#address-cells", 0)
    tree.property("interrupt-controller", b"")
    tree.property("reg", _reg(*registers))
    tree.property_u32("phandle", GIC_PHANDLE)


def _add_hypervisor(tree: "FdtSw", machine: MachineDescription, xen: XenPlatform) -> None:
    """Linux Documentation/devicetree/bindings/arm/xen.txt (6.1): guests find the node by its name, which has no unit
    address.
    """
    with tree.add_node("hypervisor"):
        tree.property("compatible", _strings(f"xen,xen-{xen.major}.{xen.minor}", "xen,xen"))
        tree.property("reg", _reg(layout.GRANT_TABLE, *extended_regions(machine.banks, xen.address_bits)))
        tree.property("interrupts", _private_interrupt(machine, layout.EVENT_CHANNEL_PPI))


def extended_regions(banks: Iterable[Bank], address_bits: int) -> list[AddressRange]:
    """Return unused guest physical ranges, where the guest may map foreign memory: the RAM windows minus RAM.

    Source: xen tools/libs/light/libxl_arm.c (4.17), finalize_hypervisor_node.
    """
    ends = {bank.base: bank.end for bank in banks}
    regions = []
    for room in RAM_BANKS:
        start = round_up(ends.get(room.base, room.base), _REGION_ALIGNMENT)
        size = min(room.end, 1 << address_bits) - start
        if size >= _MIN_REGION:
            regions.append(AddressRange(start, size))
    return regions


def _serial_node(machine: MachineLayout) -> str:
    return f"serial@{machine.serial.base:x}"


def _add_serial(tree: "FdtSw", machine: MachineLayout) -> None:
    """Add a PL011 that firmware has set up: it needs no clocks, and Linux' earlycon supports it."""
    with tree.add_node(_serial_node(machine)):
        tree.property_string("compatible", "arm,sbsa-uart")
        tree.property("reg", _reg(machine.serial))
        tree.property("interrupts", _interrupt(machine.serial_interrupt, _LEVEL_HIGH))
        tree.property_u32("current-speed", _BAUD_RATE)


def _private_interrupt(machine: MachineDescription, ppi: int) -> bytes:
    """Return the cells of a PPI of all cores. Only a GICv2 has a mask of cores in its flags: bindings,
    arm,gic.yaml.
    """
    mask = (1 << machine.vcpus) - 1 if machine.gic_version == 2 else 0
    return _interrupt(ppi, mask << 8 | _LEVEL_LOW)


def _add_board_devices(tree: "FdtSw", machine: MachineLayout, rtc: AddressRange) -> None:
    """Add the devices of a board that firmware sets up: qemu hw/arm/virt.c (7.2), create_uart, create_rtc,
    create_fw_cfg, virt_flash_fdt.

    The first flash, from which firmware runs, is left out so that it is not written, as in QEMU's secure mode.
    """
    with tree.add_node("apb-pclk"):
        tree.property_string("compatible", "fixed-clock")
        tree.property_u32("#clock-cells", 0)
        tree.property_u32("clock-frequency", _CLOCK_HZ)
        tree.property_string("clock-output-names", "clk24mhz")
        tree.property_u32("phandle", _CLOCK_PHANDLE)
    with tree.add_node(_serial_node(machine)):
        tree.property("compatible", _strings("arm,pl011", "arm,primecell"))
        tree.property("reg", _reg(machine.serial))
        tree.property("interrupts", _interrupt(machine.serial_interrupt, _LEVEL_HIGH))
        tree.property("clocks", struct.pack(">II", _CLOCK_PHANDLE, _CLOCK_PHANDLE))
        tree.property("clock-names", _strings("uartclk", "apb_pclk"))
    with tree.add_node(f"rtc@{rtc.base:x}"):
        tree.property("compatible", _strings("arm,pl031", "arm,primecell"))
        tree.property("reg", _reg(rtc))
        tree.property("interrupts", _interrupt(machine.rtc_interrupt, _LEVEL_HIGH))
        tree.property_u32("clocks", _CLOCK_PHANDLE)
        tree.property_string("clock-names", "apb_pclk")
    if machine.fw_cfg is not None:
        with tree.add_node(f"fw-cfg@{machine.fw_cfg.base:x}"):
            tree.property_string("compatible", "qemu,fw-cfg-mmio")
            tree.property("reg", _reg(AddressRange(machine.fw_cfg.base, _FW_CFG_REGISTERS)))
    if machine.variables is not None:
        with tree.add_node(f"flash@{machine.variables.base:x}"):
            tree.property_string("compatible", "cfi-flash")
            tree.property("reg", _reg(machine.variables))
            tree.property_u32("bank-width", 4)


def _interrupt(number: int, flags: int) -> bytes:
    """Return the cells of an interrupt, by its interrupt ID: bindings/interrupt-controller/arm,gic.yaml."""
    private = number < 32
    return struct.pack(">III", private, number - (16 if private else 32), flags)


def _reg(*ranges: AddressRange | Bank | SerialPort) -> bytes:
    return b"".join(struct.pack(">QQ", part.base, part.size) for part in ranges)


def _strings(*strings: str) -> bytes:
    return b"".join(string.encode() + b"\0" for string in strings)
