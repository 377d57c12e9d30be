# SPDX-License-Identifier: GPL-2.0-or-later
"""Host models: which other agents map a guest's pages, and what the host does to caches. Data only."""

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events import Op

_WB: Final = MemoryType.NORMAL_WB
_NC: Final = MemoryType.NORMAL_NC


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
    """A host's operations on a range of guest pages on one occasion: scrubs and maintenance, in order.

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
    allocation : HostRule
        The host's operations on pages before a guest gets them.
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
    options : tuple of str
        Profile switches that hold on every core with such a host, in the trace's words.
    """

    name: str
    summary: str
    architectures: tuple[str, ...]
    builder_agent: str
    mapping_types: tuple[MemoryType, ...]
    aliases: tuple[HostAlias, ...]
    allocation: HostRule
    flush: HostRule | None = None
    first_run: HostRule | None = None
    set_way: HostRule | None = None
    watches_caches: bool = False
    forced_write_back: bool = False
    options: tuple[str, ...] = ()

    @property
    def builder_mapping_outlives_build(self) -> bool:
        """Whether the builder has all guest RAM mapped for the guest's whole life."""
        return any(alias.agent == self.builder_agent for alias in self.aliases)


_CACHEFLUSH = "xen xen/arch/arm/p2m.c p2m_cache_flush_range (4.17)"
_DOM0_LINEAR = HostAlias(
    "dom0-linear", _WB, AliasLifetime.WHILE_MAPPED, "linux drivers/xen/xlate_mmu.c (6.1.192)"
)
_XEN_DIRECTMAP = HostAlias("xen", _WB, AliasLifetime.ALWAYS, "xen xen/arch/arm/mm.c (4.17)")
_XEN_ALLOCATION = HostRule(
    "xen",
    (Op.WRITE, Op.DC_CIVAC, Op.IC_IALLUIS),
    "xen xen/common/page_alloc.c alloc_heap_pages, xen/common/memory.c populate_physmap (4.17)",
)
_XEN_FLUSH = HostRule("xen", (Op.DC_CIVAC, Op.IC_IALLUIS), _CACHEFLUSH)
_XEN_SET_WAY = HostRule(
    "xen",
    (Op.DC_CIVAC, Op.IC_IALLUIS),
    "xen f253e88bec, 2148a125b7; xen/arch/arm/p2m.c p2m_set_way_flush, p2m_toggle_cache (4.17)",
)

_KERNEL_LINEAR = HostAlias(
    "kernel-linear", _WB, AliasLifetime.ALWAYS, "linux arch/arm64/mm/mmu.c map_mem (6.1.192)"
)
_VMM = HostAlias(
    "vmm", _WB, AliasLifetime.WHILE_ALLOCATED, "linux Documentation/virt/kvm/api.rst 4.35 (6.1.192)"
)
_KVM_ALLOCATION = HostRule("kernel-linear", (Op.WRITE,), "linux mm/memory.c do_anonymous_page (6.1.192)")
_PREVIOUS_OWNER = HostAlias(
    "previous-owner",
    _WB,
    AliasLifetime.BEFORE,
    "linux arch/arm64/mm/flush.c __sync_icache_dcache (6.1.192): instruction caches are maintained as a page is"
    " mapped executable, not as it is freed",
    executable=True,
)
_KVM_STAGE2 = "linux arch/arm64/kvm/hyp/pgtable.c stage2_map_walker_try_leaf (6.1.192)"

_MODELS: Final = (
    HostModel(
        name="rfc",
        summary="the premises of the RFC of January 2014: pages come clean, no alias but the builder's",
        architectures=("arm64", "arm32"),
        builder_agent="dom0",
        mapping_types=(_WB, _NC),
        aliases=(
            HostAlias("xen", _WB, AliasLifetime.DURING_SCRUB, "xen-devel, January 2014: the RFC's premise"),
        ),
        allocation=HostRule("xen", (Op.WRITE, Op.DC_CIVAC), "xen ed250c269831"),
        flush=HostRule("xen", (Op.DC_CIVAC,), "xen ed250c269831, without Xen's own mapping"),
    ),
    HostModel(
        name="xen-4.17-arm64",
        summary="Xen 4.17 to 4.21 on arm64: a write-back map of all RAM, pages cleaned after their scrub",
        architectures=("arm64",),
        builder_agent="dom0",
        mapping_types=(_WB, _NC),
        aliases=(_XEN_DIRECTMAP, _DOM0_LINEAR),
        allocation=_XEN_ALLOCATION,
        flush=_XEN_FLUSH,
        set_way=_XEN_SET_WAY,
    ),
    HostModel(
        name="xen-4.17-arm32",
        summary="Xen 4.17 on arm32: pages mapped through per-CPU slots, which stay valid until used again",
        architectures=("arm32",),
        builder_agent="dom0",
        mapping_types=(_WB, _NC),
        aliases=(
            HostAlias(
                "xen", _WB, AliasLifetime.ONCE_USED, "xen xen/arch/arm/domain_page.c map_domain_page (4.17)"
            ),
            # A page of dom0's high memory has no linear map; the worse case is assumed, low memory only.
            _DOM0_LINEAR,
        ),
        allocation=_XEN_ALLOCATION,
        flush=_XEN_FLUSH,
        set_way=_XEN_SET_WAY,
    ),
    HostModel(
        name="xen-4.22-arm64",
        summary="Xen 4.22 on arm64: as 4.17, but the scrub comes after the cleaning and leaves dirty lines",
        architectures=("arm64",),
        builder_agent="dom0",
        mapping_types=(_WB, _NC),
        aliases=(_XEN_DIRECTMAP, _DOM0_LINEAR),
        allocation=HostRule("xen", (Op.DC_CIVAC, Op.WRITE, Op.IC_IALLUIS), "xen 83a784a15b47, 009401506e"),
        flush=_XEN_FLUSH,
        set_way=_XEN_SET_WAY,
    ),
    HostModel(
        name="kvm-arm64",
        summary="KVM without FEAT_S2FWB: cleans pages as they enter stage 2, and as the guest's caches go on",
        architectures=("arm64",),
        builder_agent="vmm",
        mapping_types=(_WB,),
        aliases=(_PREVIOUS_OWNER, _KERNEL_LINEAR, _VMM),
        allocation=_KVM_ALLOCATION,
        first_run=HostRule("kvm", (Op.DC_CIVAC, Op.IC_IVAU), _KVM_STAGE2),
        set_way=HostRule(
            "kvm",
            (Op.DC_CIVAC,),
            "linux 9d218a1fcf4c; arch/arm64/kvm/mmu.c kvm_set_way_flush, kvm_toggle_cache (6.1.192)",
        ),
        watches_caches=True,
    ),
    HostModel(
        name="kvm-s2fwb",
        summary="KVM with FEAT_S2FWB: all guest accesses are write-back, only I-caches are maintained",
        architectures=("arm64",),
        builder_agent="vmm",
        mapping_types=(_WB,),
        aliases=(_PREVIOUS_OWNER, _KERNEL_LINEAR, _VMM),
        allocation=_KVM_ALLOCATION,
        first_run=HostRule("kvm", (Op.IC_IVAU,), _KVM_STAGE2),
        forced_write_back=True,
        # "FWB implies IDC": linux arch/arm64/include/asm/kvm_mmu.h __clean_dcache_guest_page (6.1.192).
        options=("idc",),
    ),
)

HOST_MODELS: Final = MappingProxyType({model.name: model for model in _MODELS})
"""Every host model, by name."""


def host_model(name: str) -> HostModel:
    """Return the host model of that name.

    Raises
    ------
    UsageError
        If there is no such model; the message lists the names.
    """
    if name not in HOST_MODELS:
        raise UsageError(f"no host model {name!r}; choose from: {', '.join(HOST_MODELS)}")
    return HOST_MODELS[name]
