# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent: its switches, and whether caches may be filled through its view of a page."""

from dataclasses import dataclass, field
from typing import NamedTuple

from coldline.checker.state.alias import Alias, Way
from coldline.events.op import Op


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
        return self.mmu and self.dcache and any(way.cacheable for way in alias.ways)

    def is_cacheable(self, alias: Alias) -> bool:
        """Whether every data access through `alias` is cacheable."""
        ways = alias.ways
        return self.mmu and self.dcache and bool(ways) and all(way.cacheable for way in ways)

    @property
    def allows_walk(self) -> bool:
        """Whether the table walker may fill caches, with walks that are cacheable (Arm ARM DDI 0487 D7.5.5)."""
        return self.mmu and self.dcache

    def allows_fetch(self, alias: Alias) -> bool:
        """Whether an instruction cache may be filled through `alias`.

        With the MMU on, the rule is that for data, with SCTLR.I in place of SCTLR.C. With the MMU off, SCTLR.I alone
        makes fetches cacheable (Arm ARM DDI 0487 D7.5.5), and 'Instruction fetch behavior when all translation stages
        are disabled' limits how far a prefetch reaches.
        """
        if not self.mmu:
            return self.icache is True and alias.prefetched
        return any(map(self.fetches_cacheably, alias.ways))

    def fetches_cacheably(self, way: Way) -> bool:
        """Whether fetches in one way, with the MMU on, are cacheable."""
        return self.icache is not False and way.cacheable and way.executable

    def allows_fetch_past(self, alias: Alias) -> bool:
        """Whether an instruction may be fetched through `alias` past the caches, ahead of its execution."""
        if not self.mmu:
            return self.icache is not True and alias.prefetched
        return any(way.executable and not self.fetches_cacheably(way) for way in alias.ways)


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

    @property
    def may_be_on(self) -> bool:
        """Whether its MMU may be on."""
        return any(each.mmu for each in self.settings)

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

    def is_cacheable(self, alias: Alias) -> bool:
        """Whether every data access through `alias` is cacheable: see `Switches.is_cacheable`."""
        return all(each.is_cacheable(alias) for each in self.settings)

    @property
    def allows_walk(self) -> bool:
        """Whether its table walker may fill caches: see `Switches.allows_walk`."""
        return any(each.allows_walk for each in self.settings)

    def allows_fetch(self, alias: Alias) -> bool:
        """Whether an instruction cache may be filled through `alias`: see `Switches.allows_fetch`."""
        return any(each.allows_fetch(alias) for each in self.settings)

    def allows_fetch_past(self, alias: Alias) -> bool:
        """Whether an instruction may be prefetched past the caches: see `Switches.allows_fetch_past`."""
        return any(each.allows_fetch_past(alias) for each in self.settings)
