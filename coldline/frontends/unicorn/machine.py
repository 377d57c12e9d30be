# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated machine: RAM, devices, and vCPUs that share them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from coldline.arm.cores import Core
from coldline.frontends.unicorn.additions import Additions
from coldline.frontends.unicorn.devices import Bus
from coldline.frontends.unicorn.vcpu import Vcpu

if TYPE_CHECKING:
    from coldline.guest.plan import Registers


class Machine:
    """RAM and devices, and the vCPUs that have been started. One vCPU runs at a time.

    The vCPUs see one another's stores, and code that another one has changed. A vCPU follows another one's stores to
    its own live tables, and the TLB invalidations that it broadcasts, at the start of its next turn.

    Parameters
    ----------
    ram, core, exception_level, bus, flash, stage2, instructions, orders, alone, bare, additions
        See `Vcpu`.

    Attributes
    ----------
    vcpus : list of Vcpu
        The vCPUs, by their numbers.
    bus : Bus
        The devices.
    """

    def __init__(
        self,
        ram: Sequence[tuple[int, memoryview]],
        core: Core,
        *,
        exception_level: int,
        bus: Bus,
        flash: int,
        stage2: int,
        instructions: bool,
        orders: bool,
        alone: bool,
        bare: bool,
        additions: Additions | None = None,
    ) -> None:
        self._ram, self._core = ram, core
        self._exception_level = exception_level
        self._flash = flash
        self._stage2, self._instructions = stage2, instructions
        self._orders, self._alone, self._bare = orders, alone, bare
        self._additions = additions
        self._last: Vcpu | None = None
        self.bus = bus
        self.vcpus: list[Vcpu] = []

    def start(self, registers: "Registers", number: int) -> Vcpu:
        """Add a vCPU that starts with these registers."""
        vcpu = Vcpu(
            number,
            self._ram,
            self._core,
            registers,
            exception_level=self._exception_level,
            bus=self.bus,
            flash=self._flash,
            stage2=self._stage2,
            instructions=self._instructions,
            orders=self._orders,
            alone=self._alone,
            bare=self._bare,
            additions=self._additions,
        )
        self.vcpus.append(vcpu)
        for each in self.vcpus:
            each.know(self._others(each))
        return vcpu

    def _others(self, vcpu: Vcpu) -> list[Vcpu]:
        return [each for each in self.vcpus if each is not vcpu]

    def switch_to(self, vcpu: Vcpu) -> bool:
        """Prepare a vCPU to run, possibly after others; return whether that may have made events."""
        if self._last is not None and self._last is not vcpu:
            vcpu.forget_code()
        self._last = vcpu
        return len(self.vcpus) > 1 and vcpu.follow_others(self._others(vcpu))

    def used_ranges(self) -> list[tuple[int, int]]:
        """Return the addresses and sizes, in bytes, of the RAM that any vCPU has used, in whole pages."""
        return _joined(each for vcpu in self.vcpus for each in vcpu.state.view.used_ranges())


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that overlap or touch; each is an address and a size."""
    joined: list[tuple[int, int]] = []
    for address, size in sorted(ranges):
        if joined and address <= sum(joined[-1]):
            start, before = joined[-1]
            joined[-1] = (start, max(before, address + size - start))
        else:
            joined.append((address, size))
    return joined
