# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the registers of each vCPU, and keeps the views of its translation regimes up to date."""

from collections.abc import Mapping
from typing import Final

from coldline.arm.fields import Field, Sctlr
from coldline.errors import QemuError
from coldline.frontends.qemu.records import TOLD_REGISTERS
from coldline.frontends.qemu.state import MachineState, Regime, agents_before
from coldline.mmu.registers import Changes

_OF_REGIME: Final = {
    "SCTLR": (1, "sctlr"),
    **{
        f"{name.upper()}_EL{level}": (level, name)
        for level, names in (
            (1, ("ttbr0", "ttbr1", "tcr", "mair")),
            (2, ("sctlr", "ttbr0", "tcr", "mair")),
            (3, ("sctlr", "ttbr0", "tcr", "mair")),
        )
        for name in names
    },
}
"""The exception level and the name in `coldline.mmu.view` of each register that decides what an access is."""


class Hcr:
    """HCR_EL2 (Arm ARM DDI 0487, Hypervisor Configuration Register)."""

    VM: Final = Field(0, 0)
    DC: Final = Field(12, 12)
    TSW: Final = Field(22, 22)
    E2H: Final = Field(34, 34)


class Vttbr:
    """VTTBR_EL2 (Arm ARM DDI 0487, Virtualization Translation Table Base Register)."""

    VMID: Final = Field(63, 48)


class Vcpus:
    """The registers of all vCPUs.

    A write of a register takes effect on its regime before the next instruction there: a hypervisor writes several
    registers of a guest before it goes on, and those of another guest.

    Parameters
    ----------
    machine : MachineState
        Has the views.
    addresses : dict of str to int
        The compiled functions.
    """

    def __init__(self, machine: MachineState, addresses: dict[str, int]) -> None:
        self._machine, self._addresses = machine, addresses
        self._values: dict[int, dict[str, int]] = {}
        self._regimes: dict[tuple[int, int], Regime] = {}
        self._foreign: dict[int, Regime] = {}
        self._guest: int | None = None

    def write(self, vcpu: int, changed: dict[int, int]) -> None:
        """Note new values of registers, by their numbers in `TOLD_REGISTERS`."""
        values = self._values.setdefault(vcpu, {})
        for number, value in changed.items():
            name = TOLD_REGISTERS[number]
            if values.get(name) == value:
                continue
            values[name] = value
            self._machine.stop_at(vcpu, _OF_REGIME[name][0] if name in _OF_REGIME else 1)

    def enter(self, vcpu: int, level: int) -> Regime:
        """Return the view of a regime, up to date, before its next record; the machine uses it from here on."""
        if level == 1 and not self._is_followed(vcpu):
            regime = self._foreign.get(vcpu) or self._add(vcpu, 1)
            self._foreign[vcpu] = regime
            regime["foreign"] = 1
        else:
            known = self._regimes.get((vcpu, level))
            regime = known or self._add(vcpu, level)
            self._regimes[vcpu, level] = regime
            values = self._of_regime(vcpu, level)
            if known is None:
                _begin(regime, values)
            else:
                before = {name: regime.view.register(name, regime.slot) for name in values}
                changes = {
                    name: (before[name], value) for name, value in values.items() if value != before[name]
                }
                if changes:
                    _follow(regime, changes)
        if level == 1:
            hcr = self._values.get(vcpu, {}).get("HCR_EL2", 0)
            regime["upgrades"], regime["traps_set_way"] = Hcr.VM.get(hcr), Hcr.TSW.get(hcr)
        self._machine.use_regime(vcpu, level, regime)
        return regime

    def _add(self, vcpu: int, level: int) -> Regime:
        return self._machine.add_regime(level, agents_before(vcpu, level) + 1, self._addresses)

    def _of_regime(self, vcpu: int, level: int) -> dict[str, int]:
        """The registers of a regime, by their names in `coldline.mmu.view`."""
        values = self._values.get(vcpu, {})
        return {own: values.get(name, 0) for name, (of_level, own) in _OF_REGIME.items() if of_level == level}

    def _is_followed(self, vcpu: int) -> bool:
        """Whether EL1 and EL0 of a vCPU are followed now: without a stage 2, or as the first guest that has one.

        Addresses of the first guest are taken for physical ones, as Xen's dom0 has them.
        """
        values = self._values.get(vcpu, {})
        hcr = values.get("HCR_EL2", 0)
        if Hcr.E2H.get(hcr) or Hcr.DC.get(hcr):
            raise QemuError(f"cpu{vcpu} runs with HCR_EL2 = {hcr:#x}, whose E2H and DC are not followed")
        if not Hcr.VM.get(hcr):
            return True
        vmid = Vttbr.VMID.get(values.get("VTTBR_EL2", 0))
        if self._guest is None:
            self._guest = vmid
        return vmid == self._guest


def _begin(regime: Regime, values: Mapping[str, int]) -> None:
    """Begin to follow a regime that has these registers."""
    for name, value in values.items():
        regime.view.set_register(name, regime.slot, value)
    sctlr = values["sctlr"]
    # In a trace, MMU and data cache are on by default; there is no default for the instruction cache.
    regime["introduced"] = 1
    regime.code.switch(sctlr, Sctlr.M.mask | Sctlr.C.mask | (~sctlr & Sctlr.I.mask))
    if Sctlr.M.get(sctlr):
        regime.code.rescan()
        regime["virtual"] = 1


def _follow(regime: Regime, changes: Changes) -> None:
    """Follow registers of a regime.

    With another TTBR, translations by the earlier one may remain in a TLB only for another ASID. So the earlier
    tables' aliases end at the next TLB invalidation that is not of one address: Linux gives tables back after one.
    """
    view, code = regime.view, regime.code
    for name, (_, value) in changes.items():
        view.set_register(name, regime.slot, value)
    sctlr = view.register("sctlr", regime.slot)
    before = changes.get("sctlr", (sctlr, sctlr))[0]
    on, was_on = bool(Sctlr.M.get(sctlr)), bool(Sctlr.M.get(before))
    if on and (not was_on or "tcr" in changes or "mair" in changes):
        regime["old_roots"] = 0
        code.rescan()
    elif on and ("ttbr0" in changes or "ttbr1" in changes):
        for name in ("ttbr0", "ttbr1"):
            if name in changes:
                code.add_root(upper=name == "ttbr1")
        regime["old_roots"] = 1
    regime["virtual"] = on
    code.switch(sctlr, before)
    view.forget_translations()
