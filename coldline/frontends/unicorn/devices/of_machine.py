# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the bus of a machine, with the devices in their state at power-on."""

from collections.abc import Callable, Iterable

from coldline.frontends.unicorn.devices import gic
from coldline.frontends.unicorn.devices.bus import Bus
from coldline.frontends.unicorn.devices.constant import Constant
from coldline.frontends.unicorn.devices.device import Device
from coldline.frontends.unicorn.devices.flash import Flash
from coldline.frontends.unicorn.devices.fw_cfg import FwCfg
from coldline.frontends.unicorn.devices.pl031 import Pl031
from coldline.frontends.unicorn.devices.uarts import make_uart
from coldline.guest.machines import MachineLayout
from coldline.mmu.view import TAG_SHIFT


def bus_of(
    layout: MachineLayout, ram: Iterable[tuple[int, int]], vcpus: int, console: Callable[[int], None]
) -> Bus:
    """Return a machine's bus; what the user has described comes first.

    Parameters
    ----------
    layout : MachineLayout
        The machine.
    ram : iterable of (base, size)
        RAM.
    vcpus : int
        The number of vCPUs.
    console : callable
        Called with each byte that the guest prints.
    """
    devices: list[Device] = [Constant(each.base, each.size, each.value) for each in layout.registers]
    devices += [make_uart(each.kind, each.base, each.size, console) for each in layout.serials]
    if layout.rtc is not None:
        devices.append(Pl031(layout.rtc.base))
    if layout.variables is not None:
        devices.append(Flash(*layout.variables))
    if layout.fw_cfg is not None:
        devices.append(FwCfg(*layout.fw_cfg, vcpus))
    devices += _interrupt_controllers(layout, vcpus)
    return Bus(devices, ram, unknown_reads_zero=layout.unknown_reads_zero, end=1 << TAG_SHIFT)


def _interrupt_controllers(layout: MachineLayout, vcpus: int) -> list[Device]:
    devices: list[Device] = []
    if layout.gicv2 is not None and layout.gic_version == 2:
        distributor, interface = layout.gicv2
        devices.append(gic.Distributor(*distributor, version=2))
        devices.append(gic.CpuInterface("GICv2 CPU interface", *interface))
    if layout.gicv2_virtual is not None and layout.gic_version == 2:
        control, virtual = layout.gicv2_virtual
        devices.append(gic.VirtualInterfaceControl(*control))
        devices.append(gic.CpuInterface("GICv2 virtual CPU interface", *virtual))
    if layout.gicv3 is not None and layout.gic_version == 3:
        distributor, redistributors = layout.gicv3
        devices.append(gic.Distributor(*distributor, version=3))
        devices.append(gic.Redistributors(*redistributors, cores=vcpus))
    return devices
