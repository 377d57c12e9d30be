# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent: its switches, its view of a page, and whether caches may be filled through that."""

from dataclasses import dataclass
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
    """

    memory_type: MemoryType | None = None
    executable: bool = False
    fetched: bool = False
    prefetched: bool = False
    owns: bool = False


@dataclass(slots=True)
class Agent:
    """An agent's switches: SCTLR.M, C and I.

    ``icache`` is None until the trace sets it: until then, its fetches are cacheable only while its MMU is on.
    """

    name: str
    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None

    def switch(self, op: Op) -> None:
        """Apply an operation that sets one of the switches, such as ``mmu on``."""
        switch = op.traits.switch
        assert switch is not None
        setattr(self, switch.name, switch.on)

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
