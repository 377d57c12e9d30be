# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent: its switches, its view of a page, and whether caches may be filled through that."""

from dataclasses import dataclass, field
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.events.op import Op


class Alias(NamedTuple):
    """One agent's view of a page.

    Attributes
    ----------
    memory_type : MemoryType or None
        The type of its mapping; None if it has none.
    executable : bool
        Whether that mapping may be fetched from.
    fetched : bool
        Whether the agent has fetched from this page since it turned its MMU off.
    prefetched : bool
        Whether the agent has fetched from this page or the one before it since it turned its MMU off, so that an
        instruction prefetch may reach this page (Arm ARM DDI 0487, 'Instruction fetch behavior when all
        translation stages are disabled').
    owns : bool
        Whether this page was given to the agent.
    ending : Ending or None
        How far its mapping has ended, once its descriptor is invalid.
    """

    memory_type: MemoryType | None = None
    executable: bool = False
    fetched: bool = False
    prefetched: bool = False
    owns: bool = False
    ending: "Ending | None" = None

    @property
    def unmapped(self) -> "Alias":
        """The same without the mapping."""
        return self._replace(memory_type=None, executable=False, ending=None)


class Ending(NamedTuple):
    """How far a mapping has ended whose descriptor is invalid.

    A TLB may hold it until a DSB completes a TLBI that came after the new descriptor was visible (Arm ARM DDI 0487,
    'TLB maintenance requirements and the TLB maintenance instructions').

    Attributes
    ----------
    seen_by : frozenset of int
        The cores that have executed a DSB since.
    invalidated_by : frozenset of int
        The cores whose TLBI for it is not complete.
    """

    seen_by: frozenset[int] = frozenset()
    invalidated_by: frozenset[int] = frozenset()

    def after_tlbi(self, core: int) -> "Ending":
        """The same after a TLBI by `core`, which does nothing if the core may not have seen the new descriptor."""
        if core not in self.seen_by:
            return self
        return self._replace(invalidated_by=self.invalidated_by | {core})

    def after_dsb(self, core: int) -> "Ending | None":
        """The same after a DSB by `core`; None if the mapping has ended."""
        if core in self.invalidated_by:
            return None
        return self._replace(seen_by=self.seen_by | {core})


class Switches(NamedTuple):
    """The values of an agent's switches: SCTLR.M, C and I.

    ``icache`` is None until the trace sets it: until then, its fetches are cacheable only while its MMU is on.
    """

    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None

    def allows_fill(self, alias: Alias) -> bool:
        """Whether data caches may be filled through `alias`.

        A Cacheable attribute allows it, unless SCTLR.C is clear, which makes accesses to Normal memory Non-cacheable
        (Arm ARM DDI 0487 D7.5.1, 'General behavior of the caches'; D7.5.5, 'Enabling and disabling the caching of
        memory accesses').
        """
        return self.mmu and self.dcache and alias.memory_type is not None and alias.memory_type.cacheable

    def allows_fetch(self, alias: Alias) -> bool:
        """Whether an instruction cache may be filled through `alias`.

        With the MMU on, the rule is that for data, with SCTLR.I in place of SCTLR.C. With the MMU off, SCTLR.I alone
        makes fetches cacheable (Arm ARM DDI 0487 D7.5.5), and 'Instruction fetch behavior when all translation stages
        are disabled' limits how far a prefetch reaches.
        """
        if not self.mmu:
            return self.icache is True and alias.prefetched
        cacheable = alias.memory_type is not None and alias.memory_type.cacheable
        return self.icache is not False and cacheable and alias.executable

    def allows_fetch_past(self, alias: Alias) -> bool:
        """Whether an instruction may be fetched through `alias` past the caches, ahead of its execution."""
        if not self.mmu:
            return self.icache is not True and alias.prefetched
        return alias.memory_type is not None and alias.executable and not self.allows_fetch(alias)


@dataclass(slots=True)
class Agent:
    """An agent and its switches.

    Attributes
    ----------
    name : str
        Its name.
    now : Switches
        The values that its switches were given last.
    begun : bool
        Whether it has done anything but map and unmap, so that its switches no longer say how it starts.
    earlier : tuple of Switches
        Earlier values that may still be in force, as its core has not synchronised since (Arm ARM DDI 0487,
        'Synchronization requirements for AArch64 System registers').
    """

    name: str
    now: Switches = field(default_factory=Switches)
    begun: bool = False
    earlier: tuple[Switches, ...] = ()

    @property
    def settings(self) -> tuple[Switches, ...]:
        """The settings that may be in force, the last one first."""
        return (self.now, *self.earlier)

    @property
    def mmu(self) -> bool:
        """SCTLR.M, as it was given last."""
        return self.now.mmu

    @property
    def dcache(self) -> bool:
        """SCTLR.C, as it was given last."""
        return self.now.dcache

    @property
    def may_be_off(self) -> bool:
        """Whether its MMU may be off."""
        return not all(each.mmu for each in self.settings)

    def switch(self, op: Op, *, waits: bool) -> None:
        """Apply an operation that sets one of the switches, such as ``mmu on``.

        `waits` says whether the old value may be in force until the core synchronises.
        """
        switch = op.traits.switch
        assert switch is not None
        new = self.now._replace(**{switch.name: switch.on})
        if waits and self.begun and new != self.now and self.now not in self.earlier:
            self.earlier = (self.now, *self.earlier)
        self.now = new

    def allows_fill(self, alias: Alias) -> bool:
        """Whether data caches may be filled through `alias`: see `Switches.allows_fill`."""
        return any(each.allows_fill(alias) for each in self.settings)

    def allows_fetch(self, alias: Alias) -> bool:
        """Whether an instruction cache may be filled through `alias`: see `Switches.allows_fetch`."""
        return any(each.allows_fetch(alias) for each in self.settings)

    def allows_fetch_past(self, alias: Alias) -> bool:
        """Whether an instruction may be prefetched past the caches: see `Switches.allows_fetch_past`."""
        return any(each.allows_fetch_past(alias) for each in self.settings)
