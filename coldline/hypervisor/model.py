# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a host model: aliases of a guest's pages, what the host does to caches, and when."""

import enum
from dataclasses import dataclass

from coldline.arm import MemoryType
from coldline.events import Op


class AliasLifetime(enum.Enum):
    """The time during which an alias of a guest's page exists."""

    BEFORE = "before"
    """Until the page is allocated: the mapping of a previous owner, which may have left lines in any cache."""

    ALWAYS = "always"
    """From before the page is allocated until after it is freed."""

    WHILE_ALLOCATED = "while allocated"
    """From the end of the page's scrub until it is freed: a builder whose mapping outlives the build."""

    WHILE_MAPPED = "while mapped"
    """While the builder's foreign mapping of the page exists."""

    DURING_SCRUB = "during scrub"
    """Around the scrub alone: gone before any maintenance."""

    UNTIL_START = "until the start"
    """From the allocation until the guest starts: the mapping of a boot loader, which hands over with its MMU off."""

    AT_START = "at the start"
    """Just before the guest's first event, where nothing but fills happens any more."""

    ONCE_USED = "once used"
    """From the first scrub or maintenance until the page is freed: a mapping slot whose entry can stay valid until
    the slot is used again. As that time is unknown, the model assumes the end of the guest's life."""


@dataclass(frozen=True, slots=True)
class HostAlias:
    """A mapping of guest pages by someone other than the guest.

    Attributes
    ----------
    agent : str
        The agent that has it, as in a trace.
    memory_type : MemoryType
        Its type, both stages combined.
    lifetime : AliasLifetime
        When it exists.
    source : str
        Where this is documented.
    executable : bool
        Whether instructions may be fetched through it.
    """

    agent: str
    memory_type: MemoryType
    lifetime: AliasLifetime
    source: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class HostRule:
    """A host's operations on a range of guest memory on one occasion: scrubs and maintenance, in order.

    Attributes
    ----------
    agent : str
        The agent that does it.
    steps : tuple of Op
        Operations in order, each over the whole range: ``WRITE`` is a scrub, the others are maintenance.
    source : str
        Where this is documented.
    """

    agent: str
    steps: tuple[Op, ...]
    source: str


@dataclass(frozen=True, slots=True)
class HostModel:
    """A host, as far as it affects the cache lines of its guests.

    Attributes
    ----------
    name, summary : str
        Its name for users, and a description in one line.
    architectures : tuple of str
        The architectures of its guests. The builder's machine is assumed to have its guest's architecture.
    builder_agent : str
        The agent, in a trace, of the builder's own mapping of guest memory.
    mapping_types : tuple of MemoryType
        The memory types that the builder's mapping can have; every other type is refused.
    aliases : tuple of HostAlias
        In the order in which they begin; they end in reverse order.
    allocation : HostRule or None
        The host's operations on pages before a guest gets them.
    load : HostRule or None
        The maintenance of each range that a boot loader has written, on a machine without a hypervisor. None on a
        host with a builder, whose strategy says what it does.
    leaves_junk : bool
        Whether any line of RAM may be dirty before anything is loaded, with a value that nobody needs: the last user
        of the machine, or the loader, wrote there.
    flush : HostRule or None
        The hypervisor's maintenance of a range, by a hypercall after the range is loaded.
    first_run : HostRule or None
        The hypervisor's maintenance of all RAM before the guest's first access to it, in place of such a call.
        KVM does this page by page as pages enter stage 2. Before that the guest can neither read nor write them,
        and lines are independent of one another, so doing it to all pages when the guest is unpaused leaves
        the same states. A real KVM always does it; here it is done where the strategy has the hypervisor
        maintain, as on every other host, so that its effect can be seen.
    set_way : HostRule or None
        The host's maintenance of used RAM when the guest maintains by set/way, which is trapped: at the first
        such operation, and then, until MMU and caches are on, each time that the guest turns both on or either off.
    watches_caches : bool
        Whether the host traps those switches from the start, as if the guest had begun with a set/way operation.
    forced_write_back : bool
        Whether stage 2 makes every guest access write-back (FEAT_S2FWB, Arm ARM DDI 0487 D8.6.6).
    covers : tuple of str
        The names of releases whose model this is, too.
    options : tuple of str
        Profile switches that hold on every core with such a host, in the trace's words.
    """

    name: str
    summary: str
    architectures: tuple[str, ...]
    builder_agent: str
    mapping_types: tuple[MemoryType, ...]
    aliases: tuple[HostAlias, ...]
    allocation: HostRule | None = None
    load: HostRule | None = None
    leaves_junk: bool = False
    flush: HostRule | None = None
    first_run: HostRule | None = None
    set_way: HostRule | None = None
    watches_caches: bool = False
    forced_write_back: bool = False
    covers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def has_strategies(self) -> bool:
        """Whether a builder writes the guest's memory, by a strategy. If not, a boot loader does, as `load` says."""
        return self.load is None

    @property
    def builder_mapping_outlives_build(self) -> bool:
        """Whether the builder has all guest RAM mapped already, and longer than the build takes."""
        return any(alias.agent == self.builder_agent for alias in self.aliases)
