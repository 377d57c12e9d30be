# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations of events, and one table of their traits.

The numbers of `Op` are those of the binary form of a trace. Nothing else depends on them or on their order: ask an
operation's traits.
"""

import enum
from types import MappingProxyType
from typing import NamedTuple


class Kind(enum.Enum):
    """The kind of an operation."""

    ACCESS = "access"
    """Reads or writes bytes of memory."""
    MAINTENANCE = "maintenance"
    """Maintains caches, by address, by set/way or all at once."""
    ALIAS = "alias"
    """Changes the issuing agent's mapping of whole pages."""
    SWITCH = "switch"
    """Turns the issuing agent's MMU or one of its caches on or off."""
    BARRIER = "barrier"
    """Completes what the issuing agent's core has pending."""
    TLB = "tlb"
    """Ends mappings whose descriptors are invalid."""
    OWNERS = "owners"
    """Changes whose bytes pages hold."""
    POWER = "power"
    """Turns caches off and on, with what is in them."""


class Switch(NamedTuple):
    """Which of an agent's switches an operation sets: its name (``mmu``, ``icache``, ``dcache``), and its value."""

    name: str
    on: bool


class Traits(NamedTuple):
    """The traits of an operation.

    Attributes
    ----------
    kind : Kind
        Its kind.
    has_range : bool
        Whether the event names an address and a size.
    whole_pages : bool
        Whether that range must be whole pages.
    has_type : bool
        Whether the event names a memory type.
    may_execute : bool
        Whether the event may say ``exec``.
    may_be_invalid : bool
        Whether the event may say ``invalid`` in place of a memory type.
    reads : bool
        Whether it reads memory, so that what it reads is checked.
    by_alias : bool
        Whether the issuing agent's mapping of the page decides what kind of access it is.
    everywhere : bool
        Whether it may concern any line of memory.
    switch : Switch or None
        The switch that it sets, for `Kind.SWITCH`.
    impersonal : bool
        Whether no agent does it. The event's `agent` is then the names that follow its range, or empty.
    version : int
        The first version of the form of a trace that has it.
    ordered : bool
        Whether only a trace with ``option order`` has it.
    """

    kind: Kind
    has_range: bool = True
    whole_pages: bool = False
    has_type: bool = False
    may_execute: bool = False
    may_be_invalid: bool = False
    reads: bool = False
    by_alias: bool = False
    everywhere: bool = False
    switch: Switch | None = None
    impersonal: bool = False
    version: int = 1
    ordered: bool = False


class Op(enum.IntEnum):
    """The operation of an event; `TRAITS` has the traits of each."""

    READ = 0
    WRITE = 1
    FETCH = 2
    WALK = 3
    DC_ZVA = 4
    DC_IVAC = 5
    DC_CVAC = 6
    DC_CIVAC = 7
    DC_CVAU = 8
    DC_ISW = 9
    DC_CSW = 10
    DC_CISW = 11
    IC_IVAU = 12
    IC_IALLU = 13
    IC_IALLUIS = 14
    MAP = 15
    UNMAP = 16
    MMU_ON = 17
    MMU_OFF = 18
    ICACHE_ON = 19
    ICACHE_OFF = 20
    DCACHE_ON = 21
    DCACHE_OFF = 22
    DSB = 23
    DMB = 24
    ISB = 25
    DSB_NSH = 26
    POLL = 27
    GIVE = 28
    DESCRIPTOR = 29
    TLBI = 30
    TLBI_ALL = 31
    POWER_OFF = 32

    @property
    def traits(self) -> Traits:
        """The operation's traits."""
        return TRAITS[self]

    @property
    def words(self) -> str:
        """The operation as a trace spells it, such as ``dc civac``."""
        return "power-off" if self is Op.POWER_OFF else self.name.lower().replace("_", " ")

    @property
    def kind(self) -> Kind:
        """The operation's kind."""
        return TRAITS[self].kind

    @property
    def has_range(self) -> bool:
        """Whether the event names an address and a size."""
        return TRAITS[self].has_range

    @property
    def has_type(self) -> bool:
        """Whether the event names a memory type."""
        return TRAITS[self].has_type


def _switch(name: str, *, on: bool) -> Traits:
    return Traits(Kind.SWITCH, has_range=False, everywhere=True, switch=Switch(name, on))


_BY_ALIAS = Traits(Kind.ACCESS, by_alias=True)
_BY_RANGE = Traits(Kind.MAINTENANCE)
_BARRIER = Traits(Kind.BARRIER, has_range=False, everywhere=True, version=2, ordered=True)
_ALL_LINES = Traits(Kind.MAINTENANCE, has_range=False, everywhere=True)

TRAITS = MappingProxyType(
    {
        Op.READ: _BY_ALIAS._replace(reads=True),
        Op.WRITE: _BY_ALIAS,
        Op.FETCH: _BY_ALIAS._replace(reads=True),
        Op.WALK: Traits(Kind.ACCESS, has_type=True, reads=True),
        Op.DC_ZVA: _BY_ALIAS,
        Op.DC_IVAC: _BY_RANGE,
        Op.DC_CVAC: _BY_RANGE,
        Op.DC_CIVAC: _BY_RANGE,
        Op.DC_CVAU: _BY_RANGE,
        Op.DC_ISW: _BY_RANGE,
        Op.DC_CSW: _BY_RANGE,
        Op.DC_CISW: _BY_RANGE,
        Op.IC_IVAU: _BY_RANGE,
        Op.IC_IALLU: _ALL_LINES,
        Op.IC_IALLUIS: _ALL_LINES,
        Op.MAP: Traits(Kind.ALIAS, whole_pages=True, has_type=True, may_execute=True),
        Op.UNMAP: Traits(Kind.ALIAS, whole_pages=True),
        Op.MMU_ON: _switch("mmu", on=True),
        Op.MMU_OFF: _switch("mmu", on=False),
        Op.ICACHE_ON: _switch("icache", on=True),
        Op.ICACHE_OFF: _switch("icache", on=False),
        Op.DCACHE_ON: _switch("dcache", on=True),
        Op.DCACHE_OFF: _switch("dcache", on=False),
        Op.DSB: _BARRIER,
        Op.DMB: _BARRIER,
        Op.ISB: _BARRIER,
        Op.DSB_NSH: _BARRIER,
        Op.DESCRIPTOR: Traits(
            Kind.ALIAS,
            whole_pages=True,
            has_type=True,
            may_execute=True,
            may_be_invalid=True,
            version=2,
            ordered=True,
        ),
        Op.TLBI: Traits(Kind.TLB, whole_pages=True, version=2, ordered=True),
        Op.TLBI_ALL: Traits(Kind.TLB, has_range=False, version=2, ordered=True, everywhere=True),
        Op.POLL: _BY_ALIAS._replace(version=2),
        Op.POWER_OFF: Traits(Kind.POWER, impersonal=True, version=2),
        Op.GIVE: Traits(Kind.OWNERS, whole_pages=True, impersonal=True, version=2),
    }
)
"""The traits of each operation."""
