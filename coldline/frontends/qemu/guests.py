# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests of a machine: each has a stage 2, which all vCPUs that run it share, and a view for each of these."""

from collections.abc import Callable, Mapping, Sequence

from coldline.arm import MemoryType
from coldline.arm.stage2_tables import Hcr, Vttbr
from coldline.errors import QemuError
from coldline.frontends.qemu.agents import agents_of_guest, guest_name
from coldline.frontends.qemu.state import HOST, STAGE2_LEVEL, MachineState, Regime, ViewPlace
from coldline.mmu.stage2_space import put_below, set_forced


class WatchedGuest:
    """A guest.

    Parameters
    ----------
    number : int
        From 1 on.
    name : str
        Its name in a trace, after those of cores.
    stage2 : Regime
        The record of its stage 2.
    """

    def __init__(self, number: int, name: str, stage2: Regime) -> None:
        self.number, self.name, self.stage2 = number, name, stage2
        self.views: dict[int, Regime] = {}


class Guests:
    """All guests, by the VMID and the table of their stage 2.

    Parameters
    ----------
    machine : MachineState
        Has the views.
    addresses : dict of str to int
        The compiled functions.
    add_agents : callable
        Gives names of agents numbers, and returns the first.
    names : mapping of int to str
        The names of guests by VMID.

    Attributes
    ----------
    names_seen : list of str
        The names of all guests, in the order in which they began.
    began : bool
        Whether a guest has begun since somebody cleared this.
    """

    def __init__(
        self,
        machine: MachineState,
        addresses: dict[str, int],
        add_agents: Callable[[Sequence[str]], int],
        names: Mapping[int, str],
    ) -> None:
        self._machine, self._addresses = machine, addresses
        self._add_agents, self._names = add_agents, names
        self._guests: dict[tuple[int, int], WatchedGuest] = {}
        self.names_seen: list[str] = []
        self.began = False
        self._stages2: list[Regime] = []
        self._used: dict[int, int] = {}

    @property
    def lost(self) -> int:
        """How many leaves of stages 2 there was no room for."""
        return sum(stage2["lost"] for stage2 in self._stages2)

    def number_of(self, registers: Mapping[str, int]) -> int:
        """The number of the guest that registers select, if it is known; `HOST`, or 0."""
        if is_host(registers):
            return HOST
        return self.selected(registers) if has_stage2(registers) else 0

    def selected(self, registers: Mapping[str, int]) -> int:
        """The number of the guest that VTTBR_EL2 selects, if it is known, or 0.

        TLB invalidations of EL1&0 and of stage 2 are of its VMID, whether stage 2 is on or not (Arm ARM DDI 0487
        C5.5): Linux's KVM with VHE does them with HCR_EL2.VM and TGE clear (linux arch/arm64/kvm/hyp/vhe/tlb.c
        enter_vmid_context, 6.12).
        """
        known = None if _is_secure(registers) else self._guests.get(_key(registers))
        return known.number if known is not None else 0

    def enter(self, registers: Mapping[str, int]) -> WatchedGuest:
        """Return the guest that registers select, with its stage 2 up to date.

        One whose stage 2 has mapped memory and maps none any more is gone: the next one is another guest.
        """
        key = _key(registers)
        guest = self._guests.get(key)
        if guest is None or guest.stage2["emptied"]:
            number = len(self._stages2) + 1
            stage2 = self._machine.add_regime(ViewPlace(0, STAGE2_LEVEL, number), self._addresses)
            self._stages2.append(stage2)
            vmid = key[0]
            guest = WatchedGuest(number, guest_name(vmid, self._used.get(vmid, 0), self._names), stage2)
            self._used[vmid] = self._used.get(vmid, 0) + 1
            self.names_seen.append(guest.name)
            self.began = True
            self._guests[key] = guest
        _follow(guest.stage2, registers)
        return guest

    def view(self, guest: WatchedGuest, vcpu: int) -> tuple[Regime, bool]:
        """Return the view of a guest on a vCPU, and whether it is new."""
        if vcpu in guest.views:
            return guest.views[vcpu], False
        base = self._add_agents(agents_of_guest(vcpu, guest.name))
        regime = self._machine.add_regime(ViewPlace(vcpu, 1, guest.number, base), self._addresses)
        try:
            put_below(regime, guest.stage2)
        except ValueError as error:
            raise QemuError(f"{guest.name}: {error}") from error
        guest.views[vcpu] = regime
        return regime, True


def is_host(registers: Mapping[str, int]) -> bool:
    """Whether EL0 is that of EL2."""
    hcr = registers.get("HCR_EL2", 0)
    return bool(Hcr.E2H.get(hcr) and Hcr.TGE.get(hcr))


def has_stage2(registers: Mapping[str, int]) -> bool:
    """Whether EL1 and EL0 run below a stage 2; HCR_EL2.DC implies one. In Secure state there is none."""
    hcr = registers.get("HCR_EL2", 0)
    return not _is_secure(registers) and bool(Hcr.VM.get(hcr) or Hcr.DC.get(hcr))


def pinned_type(registers: Mapping[str, int]) -> MemoryType | None:
    """The type of stage 1 with the MMU off where SCTLR_EL1 decides of no access's type; None where it does.

    With HCR_EL2.DC it is write-back; below a stage 2 with FWB, what is Device may become write-back.
    """
    hcr = registers.get("HCR_EL2", 0)
    if Hcr.DC.get(hcr):
        return MemoryType.NORMAL_WB
    return MemoryType.DEVICE if Hcr.FWB.get(hcr) else None


def _is_secure(registers: Mapping[str, int]) -> bool:
    return not registers.get("SCR_EL3", 1) & 1


def _key(registers: Mapping[str, int]) -> tuple[int, int]:
    vttbr = registers.get("VTTBR_EL2", 0)
    return Vttbr.VMID.get(vttbr), Vttbr.BADDR.get(vttbr)


def _follow(stage2: Regime, registers: Mapping[str, int]) -> None:
    """Follow the registers of a stage 2."""
    forced = bool(Hcr.FWB.get(registers.get("HCR_EL2", 0)))
    values = {"tcr": registers.get("VTCR_EL2", 0), "ttbr0": registers.get("VTTBR_EL2", 0)}
    changed = not stage2["virtual"] or any(
        stage2.view.register(name, stage2.slot) != value for name, value in values.items()
    )
    set_forced(stage2, forced)
    for name, value in values.items():
        stage2.view.set_register(name, stage2.slot, value)
    if changed:
        stage2["virtual"] = 1
        stage2.code.rescan()
