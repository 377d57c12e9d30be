# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trace says of its cores and of the order of its events."""

from typing import NamedTuple


class CoreAgents(NamedTuple):
    """A core (a PE of the Arm ARM): its name, and the agents that run on it.

    The agents of one core share its instruction cache and its program order.
    """

    name: str
    agents: tuple[str, ...]


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
    """

    cores: tuple[CoreAgents, ...] = ()
    barriers: bool = False
    masters: tuple[Master, ...] = ()
