# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent: its switches, its view of a page, and what those let caches do."""

from dataclasses import dataclass
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.events.op import Op


class Alias(NamedTuple):
    """How one agent sees a page.

    Attributes
    ----------
    memory_type : MemoryType or None
        Of its mapping; None where it has none.
    executable : bool
        Whether that mapping may be fetched from.
    fetched : bool
        It has, since it turned its MMU off, fetched from this page.
    prefetched : bool
        It has, since it turned its MMU off, fetched from this page or the one before it, so that an
        instruction prefetch may reach this page (Arm ARM DDI 0487, 'Instruction fetch behavior when all
        translation stages are disabled').
    """

    memory_type: MemoryType | None = None
    executable: bool = False
    fetched: bool = False
    prefetched: bool = False


@dataclass(slots=True)
class Agent:
    """An agent's switches: SCTLR.M, C and I.

    ``icache`` is None until the agent says: its fetches are then cacheable just while its MMU is on.
    """

    name: str
    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None

    def switch(self, op: Op) -> None:
        """Take an operation that sets one of the switches, such as ``mmu on``."""
        switch = op.traits.switch
        assert switch is not None
        setattr(self, switch.name, switch.on)

    def allows_fill(self, alias: Alias) -> bool:
        """Whether data caches may be filled through `alias`.

        A Cacheable attribute allows it, and SCTLR.C clear makes accesses to Normal memory Non-cacheable (Arm ARM
        DDI 0487 D7.5.1, 'General behavior of the caches'; D7.5.5, 'Enabling and disabling the caching of memory
        accesses').
        """
        return self.mmu and self.dcache and alias.memory_type is not None and alias.memory_type.cacheable

    def allows_fetch(self, alias: Alias) -> bool:
        """Whether an instruction cache may be filled through `alias`.

        With the MMU on as for data, with SCTLR.I in place of SCTLR.C. With it off SCTLR.I alone makes fetches
        cacheable (Arm ARM DDI 0487 D7.5.5), and a prefetch runs no further than 'Instruction fetch behavior when all
        translation stages are disabled' lets it.
        """
        if not self.mmu:
            return self.icache is True and alias.prefetched
        cacheable = alias.memory_type is not None and alias.memory_type.cacheable
        return self.icache is not False and cacheable and alias.executable
