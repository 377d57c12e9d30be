# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the registers of each vCPU, and keeps the views of its translation regimes up to date."""

from collections.abc import Mapping
from typing import Final

from coldline.arm import MemoryType
from coldline.arm.fields import Sctlr, SctlrV7
from coldline.arm.stage2_tables import Hcr
from coldline.errors import QemuError
from coldline.frontends.qemu.cp15_registers import as_aarch64, is_aarch32, of_regime
from coldline.frontends.qemu.guests import Guests, has_stage2, is_host, pinned_type
from coldline.frontends.qemu.records import TOLD_REGISTERS
from coldline.frontends.qemu.state import MachineState, Regime, ViewPlace, agents_before
from coldline.mmu.registers import Changes
from coldline.mmu.view import SHORT, VMSA64

_OF_REGIME: Final = {
    "SCTLR": (1, "sctlr"),
    **{
        f"{name.upper()}_EL{level}": (level, name)
        for level, names in (
            (1, ("ttbr0", "ttbr1", "tcr", "mair")),
            (2, ("sctlr", "ttbr0", "ttbr1", "tcr", "mair")),
            (3, ("sctlr", "ttbr0", "tcr", "mair")),
        )
        for name in names
    },
}
"""The exception level and the name in `coldline.mmu.view` of each register that decides what an access is."""


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
    guests : Guests
        Those that run below a stage 2.
    clean : bool
        Whether no cache holds anything dirty before the first instruction.
    """

    def __init__(
        self, machine: MachineState, addresses: dict[str, int], guests: Guests, *, clean: bool = False
    ) -> None:
        self._clean = clean
        self._filled: set[int] = set()
        self._machine, self._addresses, self._guests = machine, addresses, guests
        self._values: dict[int, dict[str, int]] = {}
        self._regimes: dict[tuple[int, int], Regime] = {}

    def write(self, vcpu: int, changed: dict[int, int], *, resumed: bool = False) -> None:
        """Note new values of registers, by their numbers in `TOLD_REGISTERS`.

        With `resumed`, the vCPU has waited or was turned on just before.
        """
        values = self._values.setdefault(vcpu, {})
        had_caches = _uses_caches(values)
        for number, value in changed.items():
            name = TOLD_REGISTERS[number]
            if values.get(name) == value:
                continue
            values[name] = value
            for level in self._levels_of(values, name):
                self._machine.stop_at(vcpu, level)
                if level == 2:
                    self._machine.stop_at(vcpu, 1)  # EL0 may be that of EL2
        self._note_caches(vcpu, had_caches and resumed and not _uses_caches(values))
        if is_aarch32(values):
            values.update(as_aarch64(values))
        self._machine.run_guest(vcpu, self._guests.number_of(values), self._guests.selected(values))

    def _note_caches(self, vcpu: int, was_off: bool) -> None:
        """Note whether a core's own caches may hold anything dirty.

        Those of the core that executes first may. Another one's hold nothing before it turns its data cache on, and
        again after it was turned off and on: it is to be left with its caches clean (Arm DEN 0022, CPU_OFF).
        """
        if _uses_caches(self._values[vcpu]) or len(self._values) == 1 or not self._clean:
            self._filled.add(vcpu)
        elif was_off:
            self._filled.discard(vcpu)

    @staticmethod
    def _levels_of(values: Mapping[str, int], name: str) -> tuple[int, ...]:
        """The levels whose regime a register may be of."""
        if is_aarch32(values):
            return (1, 2, 3)
        return (_OF_REGIME[name][0],) if name in _OF_REGIME else (1, 2)

    def enter(self, vcpu: int, level: int) -> Regime:
        """Return the view of a regime, up to date, before its next record; the machine uses it from here on."""
        registers = self._values.get(vcpu, {})
        entered = level
        if level == 1 and is_host(registers):
            level = 2
        is_32 = is_aarch32(registers)
        form, values = of_regime(registers, level) if is_32 else (VMSA64, self._of_regime(vcpu, level))
        hcr = registers.get("HCR_EL2", 0)
        if level == 1 and has_stage2(registers):
            regime, is_new = self._of_guest(vcpu, registers, values)
        else:
            known = self._regimes.get((vcpu, level))
            regime, is_new = known or self._add(vcpu, level), known is None
            self._regimes[vcpu, level] = regime
        if level == 2:
            regime["el"] = (
                1 if Hcr.E2H.get(hcr) else 2
            )  # with E2H, the registers of EL2 are like those of EL1
        elif is_32:
            regime["el"] = 1  # in Secure state, too, there are two tables
        regime["format"] = form
        if is_new:
            _begin(regime, values)
        else:
            before = {name: regime.view.register(name, regime.slot) for name in values}
            changes = {name: (before[name], value) for name, value in values.items() if value != before[name]}
            if changes:
                _follow(regime, changes)
        regime["no_set_way"] = vcpu not in self._filled
        if level == 1:
            regime["upgrades"] = Hcr.VM.get(hcr) | Hcr.DC.get(hcr)
            regime["no_set_way"] |= Hcr.TSW.get(hcr)
            regime["broadcasts"] = Hcr.FB.get(hcr)
        self._machine.use_regime(vcpu, entered, regime)
        return regime

    def _of_guest(
        self, vcpu: int, registers: Mapping[str, int], values: dict[str, int]
    ) -> tuple[Regime, bool]:
        """Return the view of the guest that a vCPU runs, and whether it is new; `values` get what SCTLR means."""
        guest = self._guests.enter(registers)
        self._machine.run_guest(vcpu, guest.number, guest.number)
        regime, is_new = self._guests.view(guest, vcpu)
        pinned = pinned_type(registers)
        if pinned is MemoryType.NORMAL_WB:  # HCR_EL2.DC: as if SCTLR.M were clear
            values["sctlr"] &= ~Sctlr.M.mask
        if not is_new and (bool(regime["pinned"]), regime["off_type"]) != (pinned is not None, pinned or 0):
            raise QemuError(f"{guest.name} runs with HCR_EL2.DC or FWB changed, which is not followed")
        regime["pinned"], regime["off_type"] = pinned is not None, pinned or 0
        return regime, is_new

    def _add(self, vcpu: int, level: int) -> Regime:
        place = ViewPlace(vcpu, level, 0, agents_before(vcpu, level) + 1)
        return self._machine.add_regime(place, self._addresses)

    def _of_regime(self, vcpu: int, level: int) -> dict[str, int]:
        """The registers of a regime, by their names in `coldline.mmu.view`."""
        values = self._values.get(vcpu, {})
        return {own: values.get(name, 0) for name, (of_level, own) in _OF_REGIME.items() if of_level == level}


def _uses_caches(registers: Mapping[str, int]) -> bool:
    """Whether a core has a data cache on, at any exception level."""
    return any(value & Sctlr.C.mask for name, value in registers.items() if name.startswith("SCTLR"))


def _begin(regime: Regime, values: Mapping[str, int]) -> None:
    """Begin to follow a regime that has these registers."""
    for name, value in values.items():
        regime.view.set_register(name, regime.slot, value)
    sctlr = values["sctlr"]
    if not regime["pinned"]:
        # In a trace, MMU and data cache are on by default; there is no default for the instruction cache.
        regime["introduced"] = 1
        regime.code.switch(sctlr, Sctlr.M.mask | Sctlr.C.mask | (~sctlr & Sctlr.I.mask))
    if Sctlr.M.get(sctlr) or regime["pinned"]:
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
    remaps = regime["format"] == SHORT and bool(SctlrV7.TRE.get(sctlr ^ before))
    if (on or regime["pinned"]) and (on != was_on or remaps or "tcr" in changes or "mair" in changes):
        regime["old_roots"] = 0
        code.rescan()
    elif on and ("ttbr0" in changes or "ttbr1" in changes):
        for name in ("ttbr0", "ttbr1"):
            if name in changes:
                code.add_root(upper=name == "ttbr1")
        regime["old_roots"] = 1
    regime["virtual"] = on or regime["pinned"]
    if not regime["pinned"]:
        code.switch(sctlr, before)
    view.forget_translations()
