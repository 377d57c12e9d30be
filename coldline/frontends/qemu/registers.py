# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the registers of each vCPU, and keeps the views of its translation regimes up to date."""

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


class Vcpus:
    """The registers of all vCPUs.

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

    def write(self, vcpu: int, changed: dict[int, int]) -> list[Regime]:
        """Follow new values of registers, by their numbers in `TOLD_REGISTERS`; return the views with new events."""
        values = self._values.setdefault(vcpu, {})
        changes: dict[int, Changes] = {}
        for number, value in changed.items():
            name = TOLD_REGISTERS[number]
            before = values.get(name, 0)
            values[name] = value
            if name in _OF_REGIME and value != before:
                level, own = _OF_REGIME[name]
                changes.setdefault(level, {})[own] = (before, value)
        self._follow_hypervisor(vcpu)
        touched = []
        for level, each in changes.items():
            regime = self._machine.regimes.get((vcpu, level))
            if regime is not None:
                _follow(regime, each)
                touched.append(regime)
        return touched

    def begin(self, vcpu: int, level: int) -> Regime:
        """Make the view of a regime that executes its first instruction."""
        regime = self._machine.add_regime(vcpu, level, agents_before(vcpu, level) + 1, self._addresses)
        values = self._values.get(vcpu, {})
        for name, (of_level, own) in _OF_REGIME.items():
            if of_level == level:
                regime.view.set_register(own, regime.slot, values.get(name, 0))
        self._follow_hypervisor(vcpu)
        sctlr = regime.view.register("sctlr", regime.slot)
        # In a trace, MMU and data cache are on by default; there is no default for the instruction cache.
        regime["introduced"] = 1
        regime.code.switch(sctlr, Sctlr.M.mask | Sctlr.C.mask | (~sctlr & Sctlr.I.mask))
        if Sctlr.M.get(sctlr):
            regime.code.rescan()
            regime["virtual"] = 1
        return regime

    def _follow_hypervisor(self, vcpu: int) -> None:
        hcr = self._values.get(vcpu, {}).get("HCR_EL2", 0)
        guest = self._machine.regimes.get((vcpu, 1))
        if guest is None:
            return
        if Hcr.VM.get(hcr) or Hcr.DC.get(hcr):
            raise QemuError(
                f"cpu{vcpu} runs a guest with a stage 2 (HCR_EL2 = {hcr:#x}), which is not followed"
            )
        guest["upgrades"], guest["traps_set_way"] = Hcr.VM.get(hcr), Hcr.TSW.get(hcr)


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
