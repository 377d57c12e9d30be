# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trace says of its cores and of the order of its events."""

from typing import NamedTuple


class CoreAgents(NamedTuple):
    """A core (a PE of the Arm ARM): its name, and the agents that run on it.

    The agents of one core share its instruction cache and its program order.
    """

    name: str
    agents: tuple[str, ...]


ZEROED_BYTES = 64
"""Bytes of the block that ``dc zva`` zeroes, where a trace does not say (DCZID_EL0.BS = 4 on every core profile)."""

COLD_START = "cold"

ANY = "any"

STARTS = (COLD_START, "clean", "dirty", ANY)
"""What lines may hold before the first event: nothing; clean copies of memory; also the last write, dirty; or
anything, as long as some copy has the last write.
"""


class Master(NamedTuple):
    """Who accesses memory and is no core, such as a device with DMA: its name, and whether it sees the caches."""

    name: str
    snoops: bool


class Ordering(NamedTuple):
    """The cores of a trace, and whether its events complete at once.

    Attributes
    ----------
    cores : tuple of CoreAgents
        The cores that the trace names. An agent that is on none of them may share a core with any other such agent,
        or not.
    barriers : bool
        Whether what a core has issued is complete only at its own barrier; if not, everything takes effect at once.
    masters : tuple of Master
        The masters. No agent of a core is one.
    nc_may_hit : tuple of str
        The agents whose non-cacheable and device reads may also return a cached copy.
    ivac_cleans : tuple of str
        The agents whose ``dc ivac`` and ``dc isw`` clean, too (HCR_EL2.VM or SWIO is set).
    nc_fetch_held : bool
        Instruction caches may hold what was fetched non-cacheably.
    start : str
        What lines may hold before the first event: a word of `STARTS`.
    dmin, imin : int or None
        The bytes of which data and instruction cache maintenance by address is sure: see `Profile.dmin`.
    zva : int
        The bytes of the block that ``dc zva`` zeroes.
    vipt : bool
        Instruction caches are indexed by virtual address: ``ic ivau`` reaches what was fetched through its own alias.
    """

    cores: tuple[CoreAgents, ...] = ()
    barriers: bool = False
    masters: tuple[Master, ...] = ()
    nc_may_hit: tuple[str, ...] = ()
    ivac_cleans: tuple[str, ...] = ()
    nc_fetch_held: bool = False
    start: str = COLD_START
    dmin: int | None = None
    imin: int | None = None
    zva: int = ZEROED_BYTES
    vipt: bool = False

    def labels_of(self, core: int) -> range:
        """The labels of a core's agents: agents are numbered as the cores name them."""
        first = sum(len(each.agents) for each in self.cores[:core])
        return range(first, first + len(self.cores[core].agents)) if core < len(self.cores) else range(0)
