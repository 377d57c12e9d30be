# SPDX-License-Identifier: GPL-2.0-or-later
"""Host models: which other agents map a guest's pages, and what the host does to caches. Data only."""

from types import MappingProxyType
from typing import Final

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events import Op
from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel, HostRule
from coldline.support.choices import choices

_WB: Final = MemoryType.NORMAL_WB
_NC: Final = MemoryType.NORMAL_NC

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

_UBOOT = "u-boot 0ae7653128c8 arch/arm/cpu/armv8/cpu.c and armv7/cpu.c cleanup_before_linux"
_BOOTING = "linux Documentation/arm64/booting.rst (6.1): the image is clean to the PoC, RAM as a whole is not"
_AT_RESET = 'Arm ARM DDI 0487 "Behavior of caches at reset"'
_EARLIER_STAGE = (
    "tf-a 0d3a27e7f6ee include/common/aarch64/el3_common_macros.S el3_entrypoint_common, which invalidates its RAM "
    "first, as an earlier stage may have left dirty lines"
)

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
        covers=tuple(f"xen-4.{minor}-arm64" for minor in range(18, 22)),
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
    # The worst case is assumed: all pages wait for their scrub, and a toolstack allocates them during the creation.
    HostModel(
        name="xen-4.22-arm64",
        summary="Xen 4.22 on arm64: as 4.17, but pages yet to be scrubbed are scrubbed after the cleaning",
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
    HostModel(
        name="bootloader",
        summary="no hypervisor: a boot loader's write-back map of all RAM left clean lines, and the image is clean",
        architectures=("arm64", "arm32"),
        builder_agent="loader",
        mapping_types=(_WB,),
        aliases=(HostAlias("loader", _WB, AliasLifetime.UNTIL_START, _UBOOT),),
        load=HostRule("loader", (Op.DC_CVAC,), _BOOTING),
    ),
    HostModel(
        name="bootloader-dirty",
        summary="no hypervisor: as bootloader, but lines outside of what was loaded may be dirty",
        architectures=("arm64", "arm32"),
        builder_agent="loader",
        mapping_types=(_WB,),
        aliases=(HostAlias("loader", _WB, AliasLifetime.UNTIL_START, _BOOTING),),
        load=HostRule("loader", (Op.DC_CVAC,), _BOOTING),
        leaves_junk=True,
    ),
    HostModel(
        name="warm-reset",
        summary="no hypervisor: a reset kept the caches, so any line of RAM may be clean or dirty junk",
        architectures=("arm64", "arm32"),
        builder_agent="reset",
        mapping_types=(_WB,),
        aliases=(
            HostAlias("reset", _WB, AliasLifetime.UNTIL_START, _EARLIER_STAGE),
            HostAlias("reset", _WB, AliasLifetime.AT_START, _AT_RESET, executable=True),
        ),
        load=HostRule("reset", (Op.DC_CVAC,), _BOOTING),
        leaves_junk=True,
    ),
    HostModel(
        name="clean-reset",
        summary="no hypervisor: a reset invalidated the caches, no line is valid",
        architectures=("arm64", "arm32"),
        builder_agent="reset",
        mapping_types=(_NC,),
        aliases=(HostAlias("reset", _NC, AliasLifetime.UNTIL_START, _AT_RESET),),
        load=HostRule("reset", (), _AT_RESET),
    ),
)

MODEL_FILE: Final = ".json"
"""A host's name that ends so is a file's: see `coldline.hypervisor.model_file`."""

HOST_MODELS: Final = MappingProxyType({model.name: model for model in _MODELS})
"""Every host model, by name."""


def host_model(name: str) -> HostModel:
    """Return the host model of that name, or in that file if the name ends in ``.json``.

    Raises
    ------
    UsageError
        If there is no such model, or the file has none; the message names the one for that release, or lists the
        names.
    """
    if name.endswith(MODEL_FILE):
        from coldline.hypervisor.model_file import read_model

        return read_model(name)
    if name not in HOST_MODELS:
        for model in _MODELS:
            if name in model.covers:
                releases = model.summary.partition(":")[0]
                raise UsageError(f"no host model '{name}'; {model.name} is the model of {releases}")
        raise UsageError(f"no host model '{name}'; {choices(name, HOST_MODELS)}")
    return HOST_MODELS[name]
