# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of the rules of order: what happened, and which core did it."""

import enum
from typing import NamedTuple

from coldline.rules.alphabet import Letter


class Act(enum.IntEnum):
    """What an event does to one byte of a line; ``..._OTHER`` is the same event touching another byte of it."""

    READ = 0
    READ_OTHER = 1
    READ_NC = 2
    WALK = 3
    WALK_OTHER = 4
    WALK_NC = 5
    WRITE = 6
    WRITE_OTHER = 7
    WRITE_WT = 8
    WRITE_WT_OTHER = 9
    WRITE_NC = 10
    FETCH = 11
    FETCH_OTHER = 12
    FETCH_NC = 13
    DC_CVAC = 14
    DC_CIVAC = 15
    DC_IVAC = 16
    DC_CVAU = 17
    CACHEABLE_CVAC = 18
    CACHEABLE_CIVAC = 19
    CACHEABLE_IVAC = 20
    CACHEABLE_CVAU = 21
    """A data cache operation that was issued through a cacheable alias."""
    DC_CSW = 22
    DC_CISW = 23
    DC_ISW = 24
    IC = 25
    """An instruction cache operation that concerns every core."""
    DSB = 26
    DMB = 27
    ISB = 28
    IC_LOCAL = 29
    """An instruction cache operation that concerns its own core alone."""
    READ_NC_OTHER = 30
    WRITE_NC_OTHER = 31
    POLL = 32
    POLL_NC = 33
    """A read that is not checked."""
    SNOOPING_READ = 34
    SNOOPING_READ_OTHER = 35
    SNOOPING_POLL = 36
    SNOOPING_WRITE = 37
    SNOOPING_WRITE_OTHER = 38
    """An access by a master that sees the data caches."""
    MASTER_READ = 39
    MASTER_POLL = 40
    MASTER_WRITE = 41
    """An access by a master that sees memory alone."""
    DSB_NSH = 43
    """A DSB of the non-shareable domain: it completes what concerns its own core's instruction cache alone."""
    GIVE = 42
    """The page is given to other owners: no copy has been written since."""
    READ_NC_MAY_HIT = 50
    """A non-cacheable read that may also return a cached copy, whatever the profile says."""
    WALK_NC_MAY_HIT = 51
    FETCH_NC_HELD = 52
    """A non-cacheable fetch of which the instruction cache may hold a copy."""
    DC_IVAC_OTHER = 53
    """A ``dc ivac`` that is not sure of the byte: it is issued, or it does not concern it."""
    READ_FAR = 55
    """``..._FAR`` touches another byte, and none in the same granule of maintenance."""
    WRITE_FAR = 56
    WALK_POU = 57
    """A cacheable walk that does not look into level 1."""
    WALK_POU_OTHER = 58
    POWER_OFF = 59
    """Caches lose their power: what is dirty in them is lost."""
    FETCH_BY = 60
    """``..._BY`` concerns what one agent fetched, where instruction caches are indexed by virtual address."""
    FETCH_BY_OTHER = 61
    FETCH_NC_HELD_BY = 62
    IC_BY = 63
    POLL_NC_MAY_HIT = 64


class Possible(NamedTuple):
    """What speculation may do to a byte under its page's live aliases, as it concerns one core.

    Attributes
    ----------
    data : bool
        A cacheable alias is live: data caches may be filled.
    fetch : bool
        The core may fetch it cacheably: its instruction cache may be filled.
    fetch_elsewhere : bool
        Any core may fetch it cacheably, or a walker read it past level 1: level 2 may be filled.
    prefetch : bool
        The core may prefetch it cacheably, and execute it later.
    prefetch_past : bool
        The core may prefetch it past the caches.
    held : bool
        The core may fetch it past the caches, and its instruction cache may then hold it.
    fetch_by, held_by : tuple of int
        In place of `fetch` and `held`, the labels of the core's agents that may, where instruction caches are indexed
        by virtual address.
    """

    data: bool = False
    fetch: bool = False
    fetch_elsewhere: bool = False
    prefetch: bool = False
    prefetch_past: bool = False
    held: bool = False
    fetch_by: tuple[int, ...] = ()
    held_by: tuple[int, ...] = ()


class OrderedLetter(NamedTuple):
    """An event as it affects one byte.

    Attributes
    ----------
    act : Act
        What happened.
    core : int
        The number of the core that did it; 0 is the core at hand.
    or_acts : tuple of Act
        What else may have happened in place of that.
    label : int
        That of the agent, for the acts that concern what one agent fetched.
    """

    act: Act
    core: int
    or_acts: tuple[Act, ...] = ()
    label: int = 0

    @property
    def each(self) -> "tuple[OrderedLetter, ...]":
        """The events that it may be, each with one act."""
        return tuple(OrderedLetter(act, self.core, label=self.label) for act in (self.act, *self.or_acts))


AS_OTHER = {
    Act.READ: Act.READ_OTHER,
    Act.READ_NC: Act.READ_NC_OTHER,
    Act.READ_NC_MAY_HIT: Act.READ_NC_OTHER,
    Act.WALK: Act.WALK_OTHER,
    Act.WALK_POU: Act.WALK_POU_OTHER,
    Act.WRITE: Act.WRITE_OTHER,
    Act.WRITE_WT: Act.WRITE_WT_OTHER,
    Act.WRITE_NC: Act.WRITE_NC_OTHER,
    Act.FETCH: Act.FETCH_OTHER,
    Act.FETCH_BY: Act.FETCH_BY_OTHER,
    Act.DC_IVAC: Act.DC_IVAC_OTHER,
    Act.CACHEABLE_IVAC: Act.DC_IVAC_OTHER,
    Act.POLL: Act.READ_OTHER,
    Act.POLL_NC: Act.READ_NC_OTHER,
    Act.POLL_NC_MAY_HIT: Act.READ_NC_OTHER,
    Act.SNOOPING_READ: Act.SNOOPING_READ_OTHER,
    Act.SNOOPING_POLL: Act.SNOOPING_READ_OTHER,
    Act.SNOOPING_WRITE: Act.SNOOPING_WRITE_OTHER,
}
"""The act of an access for the bytes of its line that it does not touch, and of maintenance by address for those that
it is not sure of; others have none.
"""

AS_FAR = {
    Act.READ_OTHER: Act.READ_FAR,
    Act.WRITE_OTHER: Act.WRITE_FAR,
    Act.WRITE_WT_OTHER: Act.WRITE_NC_OTHER,
}
"""The act in place of one of `AS_OTHER` for bytes in other granules of maintenance, where that is another one:
program order is no reason there to wait for the maintenance that its core issued.
"""

FETCH_ACTS = (Act.FETCH, Act.FETCH_BY, Act.FETCH_NC, Act.FETCH_NC_HELD, Act.FETCH_NC_HELD_BY)
"""The acts that concern an instruction cache and what was prefetched: only their own core sees those."""

CHECKED = (
    *(Act.READ, Act.READ_NC, Act.READ_NC_MAY_HIT, Act.WALK, Act.WALK_NC, Act.WALK_NC_MAY_HIT, Act.WALK_POU),
    *(*FETCH_ACTS, Act.SNOOPING_READ, Act.MASTER_READ),
)
"""The acts that are checked."""

POLLS = {
    Act.READ: Act.POLL,
    Act.READ_NC: Act.POLL_NC,
    Act.READ_NC_MAY_HIT: Act.POLL_NC_MAY_HIT,
    Act.SNOOPING_READ: Act.SNOOPING_POLL,
    Act.MASTER_READ: Act.MASTER_POLL,
}
"""The act of a read that is tried again: it is no hazard if it returns old data."""

AS_CHECKED = {**{act: act for act in CHECKED}, **{poll: act for act, poll in POLLS.items()}}
"""The acts that return data, each with that of a checked read that returns the same."""

NON_CACHEABLE = (
    *(Act.READ_NC, Act.READ_NC_OTHER, Act.POLL_NC, Act.WALK_NC),
    *(Act.READ_NC_MAY_HIT, Act.POLL_NC_MAY_HIT, Act.WALK_NC_MAY_HIT),
    *(Act.WRITE_NC, Act.WRITE_NC_OTHER, Act.FETCH_NC, Act.FETCH_NC_HELD, Act.FETCH_NC_HELD_BY),
)
"""The acts of cores past the caches."""

BARRIER_ACTS = (Act.DSB, Act.DMB, Act.ISB, Act.DSB_NSH)
"""The acts that say what is complete, or in order."""

WRITES = (Act.WRITE, Act.WRITE_WT, Act.WRITE_NC, Act.SNOOPING_WRITE, Act.MASTER_WRITE)
"""The acts that write the byte."""

UNORDERED = {
    Act.READ: Letter.READ_WB,
    Act.READ_NC: Letter.READ_NC,
    Act.READ_NC_MAY_HIT: Letter.READ_NC,
    Act.WALK: Letter.READ_WB,
    Act.WALK_POU: Letter.READ_WB,
    Act.WALK_NC: Letter.READ_NC,
    Act.WALK_NC_MAY_HIT: Letter.READ_NC,
    Act.FETCH: Letter.FETCH_WB,
    Act.FETCH_BY: Letter.FETCH_WB,
    Act.FETCH_NC: Letter.FETCH_NC,
    Act.FETCH_NC_HELD: Letter.FETCH_NC,
    Act.FETCH_NC_HELD_BY: Letter.FETCH_NC,
    Act.SNOOPING_READ: Letter.READ_WB,
    Act.MASTER_READ: Letter.READ_NC,
}
"""The letter of each act of `CHECKED` where everything takes effect at once."""

DATA_OPERATIONS = {
    Letter.DC_CVAC: (Act.DC_CVAC, Act.CACHEABLE_CVAC),
    Letter.DC_CIVAC: (Act.DC_CIVAC, Act.CACHEABLE_CIVAC),
    Letter.DC_IVAC: (Act.DC_IVAC, Act.CACHEABLE_IVAC),
    Letter.DC_CVAU: (Act.DC_CVAU, Act.CACHEABLE_CVAU),
}
"""The acts of data cache operations by address: issued through another alias, and through a cacheable one."""
