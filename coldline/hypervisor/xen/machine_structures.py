# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures of hypercalls about the machine's memory and processors: xen xen/include/public (4.17)."""

import ctypes

_U8, _U16, _U32, _U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class PhysInfo(ctypes.Structure):
    """``struct xen_sysctl_physinfo``: sysctl.h, since 4.15."""

    _fields_ = (
        ("threads_per_core", _U32),
        ("cores_per_socket", _U32),
        ("nr_cpus", _U32),
        ("max_cpu_id", _U32),
        ("nr_nodes", _U32),
        ("max_node_id", _U32),
        ("cpu_khz", _U32),
        ("capabilities", _U32),
        ("arch_capabilities", _U32),
        ("pad", _U32),
        ("total_pages", _U64),
        ("free_pages", _U64),
        ("scrub_pages", _U64),
        ("outstanding_pages", _U64),
        ("max_mfn", _U64),
        ("hw_cap", _U32 * 8),
    )


class Bitmap(ctypes.Structure):
    """``struct xenctl_bitmap``: domctl.h."""

    _fields_ = (("bitmap", _U64), ("nr_bits", _U32))


class CpupoolOp(ctypes.Structure):
    """``struct xen_sysctl_cpupool_op``: sysctl.h."""

    _fields_ = (
        ("op", _U32),
        ("cpupool_id", _U32),
        ("sched_id", _U32),
        ("domid", _U32),
        ("cpu", _U32),
        ("n_dom", _U32),
        ("cpumap", Bitmap),
    )


class VcpuAffinity(ctypes.Structure):
    """``struct xen_domctl_vcpuaffinity``: domctl.h."""

    _fields_ = (("vcpu", _U32), ("flags", _U32), ("cpumap_hard", Bitmap), ("cpumap_soft", Bitmap))


class SchedulerOp(ctypes.Structure):
    """``struct xen_domctl_scheduler_op``: domctl.h, for the schedulers with weights and caps."""

    _fields_ = (("sched_id", _U32), ("cmd", _U32), ("weight", _U16), ("cap", _U16), ("rest", _U8 * 12))
