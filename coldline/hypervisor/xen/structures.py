# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures of hypercalls on ARM: xen xen/include/public (4.17). `interface` selects those of other versions.

A structure's name and its members' are those of Xen's headers, where the name may have ``xen_`` in front. Every
member is of a fixed width on its natural alignment, so that one declaration holds for 32-bit and 64-bit user space.
"""

import ctypes
from typing import Final

_U8, _U16, _U32, _U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
_I32 = ctypes.c_int32

DOMAIN_HANDLE_BYTES: Final = 16


class ArchDomainConfig(ctypes.Structure):
    """``struct xen_arch_domainconfig``: arch-arm.h."""

    _fields_ = (
        ("gic_version", _U8),
        ("tee_type", _U16),
        ("nr_spis", _U32),
        ("clock_frequency", _U32),
    )


class CreateDomain(ctypes.Structure):
    """``struct xen_domctl_createdomain``: domctl.h."""

    _fields_ = (
        ("ssidref", _U32),
        ("handle", _U8 * DOMAIN_HANDLE_BYTES),
        ("flags", _U32),
        ("iommu_opts", _U32),
        ("max_vcpus", _U32),
        ("max_evtchn_port", _U32),
        ("max_grant_frames", _I32),
        ("max_maptrack_frames", _I32),
        ("grant_opts", _U32),
        ("vmtrace_size", _U32),
        ("cpupool_id", _U32),
        ("arch", ArchDomainConfig),
    )


class CreateDomain414(ctypes.Structure):
    """The structure of Xen 4.14."""

    _fields_ = (*CreateDomain._fields_[:8], ("arch", ArchDomainConfig))


class CreateDomain415(ctypes.Structure):
    """The structure of Xen 4.15."""

    _fields_ = (*CreateDomain._fields_[:8], ("vmtrace_size", _U32), ("arch", ArchDomainConfig))


class CreateDomain416(ctypes.Structure):
    """The structure of Xen 4.16."""

    _fields_ = (*CreateDomain._fields_[:10], ("arch", ArchDomainConfig))


class CreateDomain419(ctypes.Structure):
    """The structure of Xen from 4.19 on. Later versions add members, behind ``arch`` or in its padding, that default
    to 0.
    """

    _fields_ = (*CreateDomain._fields_[:9], ("altp2m_opts", _U32), *CreateDomain._fields_[9:])


AnyCreateDomain = CreateDomain | CreateDomain414 | CreateDomain415 | CreateDomain416 | CreateDomain419


class GetDomainInfo(ctypes.Structure):
    """``struct xen_domctl_getdomaininfo``: domctl.h."""

    _fields_ = (
        ("domain", _U16),
        ("pad1", _U16),
        ("flags", _U32),
        ("tot_pages", _U64),
        ("max_pages", _U64),
        ("outstanding_pages", _U64),
        ("shr_pages", _U64),
        ("paged_pages", _U64),
        ("shared_info_frame", _U64),
        ("cpu_time", _U64),
        ("nr_online_vcpus", _U32),
        ("max_vcpu_id", _U32),
        ("ssidref", _U32),
        ("handle", _U8 * DOMAIN_HANDLE_BYTES),
        ("cpupool", _U32),
        ("gpaddr_bits", _U8),
        ("pad2", _U8 * 7),
        ("arch_config", ArchDomainConfig),
    )


class GetDomainInfo414(ctypes.Structure):
    """The structure of Xen 4.14 and 4.15."""

    _fields_ = (*GetDomainInfo._fields_[:15], ("arch_config", ArchDomainConfig))


AnyDomainInfo = GetDomainInfo | GetDomainInfo414


class DomainHandle(ctypes.Structure):
    """``struct xen_domctl_setdomainhandle``: domctl.h."""

    _fields_ = (("handle", _U8 * DOMAIN_HANDLE_BYTES),)


class MaxMem(ctypes.Structure):
    """``struct xen_domctl_max_mem``: domctl.h."""

    _fields_ = (("max_memkb", _U64),)


class MaxVcpus(ctypes.Structure):
    """``struct xen_domctl_max_vcpus``: domctl.h."""

    _fields_ = (("max", _U32),)


class AddressSize(ctypes.Structure):
    """``struct xen_domctl_address_size``: domctl.h."""

    _fields_ = (("size", _U32),)


class PagingMempool(ctypes.Structure):
    """``struct xen_domctl_paging_mempool``: domctl.h."""

    _fields_ = (("size", _U64),)


class CacheFlush(ctypes.Structure):
    """``struct xen_domctl_cacheflush``: domctl.h."""

    _fields_ = (("start_pfn", _U64), ("nr_pfns", _U64))


class VcpuContext(ctypes.Structure):
    """``struct xen_domctl_vcpucontext``: domctl.h."""

    _fields_ = (("vcpu", _U32), ("ctxt", _U64))


class VuartOp(ctypes.Structure):
    """``struct xen_domctl_vuart_op``: domctl.h."""

    _fields_ = (
        ("cmd", _U32),
        ("type", _U32),
        ("gfn", _U64),
        ("console_domid", _U16),
        ("pad", _U8 * 2),
        ("evtchn", _U32),
    )


_GENERAL = tuple((f"x{number}", _U64) for number in range(31))


class CoreRegisters(ctypes.Structure):
    """``struct vcpu_guest_core_regs``: arch-arm.h, by the AArch64 names. r0 to r12 are the low words of x0 to x12."""

    _fields_ = (
        *_GENERAL,
        ("pc64", _U64),
        ("cpsr", _U64),
        ("spsr_el1", _U64),
        ("spsr_fiq", _U32),
        ("spsr_irq", _U32),
        ("spsr_und", _U32),
        ("spsr_abt", _U32),
        ("sp_el0", _U64),
        ("sp_el1", _U64),
        ("elr_el1", _U64),
    )


class CoreRegisters414(ctypes.Structure):
    """The structure of Xen 4.14 and 4.15: ``cpsr`` and ``spsr_el1`` are of 32 bits."""

    _fields_ = (
        *CoreRegisters._fields_[:32],
        ("cpsr", _U32),
        ("spsr_el1", _U32),
        *CoreRegisters._fields_[34:],
    )


class GuestContext(ctypes.Structure):
    """``struct vcpu_guest_context``: arch-arm.h."""

    _fields_ = (
        ("flags", _U32),
        ("user_regs", CoreRegisters),
        ("sctlr", _U64),
        ("ttbcr", _U64),
        ("ttbr0", _U64),
        ("ttbr1", _U64),
    )


class GuestContext414(ctypes.Structure):
    """The structure of Xen 4.14 and 4.15."""

    _fields_ = (
        GuestContext._fields_[0],
        ("user_regs", CoreRegisters414),
        *GuestContext._fields_[2:],
    )


AnyContext = GuestContext | GuestContext414


class GetDomainInfoList(ctypes.Structure):
    """``struct xen_sysctl_getdomaininfolist``: sysctl.h."""

    _fields_ = (("first_domain", _U16), ("max_domains", _U32), ("buffer", _U64), ("num_domains", _U32))


class MemoryReservation(ctypes.Structure):
    """``struct xen_memory_reservation``: memory.h."""

    _fields_ = (
        ("extent_start", _U64),
        ("nr_extents", _U64),
        ("extent_order", _U32),
        ("mem_flags", _U32),
        ("domid", _U16),
    )


class AllocUnbound(ctypes.Structure):
    """``struct evtchn_alloc_unbound``: event_channel.h."""

    _fields_ = (("dom", _U16), ("remote_dom", _U16), ("port", _U32))


class HvmParam(ctypes.Structure):
    """``struct xen_hvm_param``: hvm/hvm_op.h."""

    _fields_ = (("domid", _U16), ("pad", _U16), ("index", _U32), ("value", _U64))


class GrantEntry(ctypes.Structure):
    """``struct grant_entry_v1``: grant_table.h."""

    _fields_ = (("flags", _U16), ("domid", _U16), ("frame", _U32))


class DomctlHeader(ctypes.Structure):
    """``struct xen_domctl`` up to its union ``u``: domctl.h."""

    _fields_ = (("cmd", _U32), ("interface_version", _U32), ("domain", _U16), ("_pad", _U16 * 3))


class SysctlHeader(ctypes.Structure):
    """``struct xen_sysctl`` up to its union ``u``: sysctl.h."""

    _fields_ = (("cmd", _U32), ("interface_version", _U32))


UNION_BYTES: Final = 128
"""Size of the union in ``struct xen_domctl`` and ``struct xen_sysctl``."""


class NoArgument(ctypes.Structure):
    """The argument of calls without one."""

    _fields_ = ()
