# SPDX-License-Identifier: GPL-2.0-or-later
"""The hypercalls that coldline makes, as methods. An error is an OSError that names the call."""

import ctypes
import errno
from collections.abc import Iterator
from typing import Final, TypeVar

from coldline.hypervisor.xen import machine_structures, structures
from coldline.hypervisor.xen.bindings.protocols import HypercallPort
from coldline.hypervisor.xen.interface import Interface, interface_of
from coldline.support.units import PAGE_SIZE

HYPERCALL_NUMBERS: Final = {
    "__HYPERVISOR_memory_op": 12,
    "__HYPERVISOR_xen_version": 17,
    "__HYPERVISOR_event_channel_op": 32,
    "__HYPERVISOR_hvm_op": 34,
    "__HYPERVISOR_sysctl": 35,
    "__HYPERVISOR_domctl": 36,
    "XENVER_version": 0,
    "XENMEM_populate_physmap": 6,
    "EVTCHNOP_alloc_unbound": 6,
    "HVMOP_set_param": 0,
    "XEN_SYSCTL_physinfo": 3,
    "XEN_SYSCTL_getdomaininfolist": 6,
    "XEN_SYSCTL_cpupool_op": 18,
    "XEN_DOMCTL_createdomain": 1,
    "XEN_DOMCTL_destroydomain": 2,
    "XEN_DOMCTL_pausedomain": 3,
    "XEN_DOMCTL_unpausedomain": 4,
    "XEN_DOMCTL_getdomaininfo": 5,
    "XEN_DOMCTL_setvcpuaffinity": 9,
    "XEN_DOMCTL_max_mem": 11,
    "XEN_DOMCTL_setvcpucontext": 12,
    "XEN_DOMCTL_max_vcpus": 15,
    "XEN_DOMCTL_scheduler_op": 16,
    "XEN_DOMCTL_setdomainhandle": 17,
    "XEN_DOMCTL_set_address_size": 35,
    "XEN_DOMCTL_cacheflush": 71,
    "XEN_DOMCTL_vuart_op": 81,
    "XEN_DOMCTL_set_paging_mempool_size": 86,
}
"""Numbers of hypercalls and their commands, by Xen's names: xen xen/include/public (4.17)."""

DOM0: Final = 0
"""dom0's number: the other end of a guest's rings."""

MAX_EXTENTS: Final = PAGE_SIZE // 8
"""The most extents of one `populate`: as many as fit into a page of the buffer."""

MAX_FLUSH: Final = 1 << 18
"""The most frames of one XEN_DOMCTL_cacheflush: xen xen/arch/arm/domctl.c (4.17)."""

_Structure = TypeVar("_Structure", bound=ctypes.Structure)


class Hypercalls:
    """Makes hypercalls, in the interface of the Xen version that runs.

    Parameters
    ----------
    calls : HypercallPort
        The port that makes them.

    Attributes
    ----------
    interface : Interface
        The interface of that Xen.

    Raises
    ------
    HypervisorError
        If its version is not supported.
    """

    def __init__(self, calls: HypercallPort) -> None:
        self._calls = calls
        self._pointed = calls.buffer + PAGE_SIZE
        version = self._command("XENVER_version", "xen_version", 0)
        self.interface: Interface = interface_of((version >> 16, version & 0xFFFF))
        self._sysctl, *self._sysctls = self.interface.sysctls

    def _call(self, name: str, hypercall: str, *arguments: int) -> int:
        return self._calls.call(name, HYPERCALL_NUMBERS[f"__HYPERVISOR_{hypercall}"], *arguments)

    def _command(self, name: str, hypercall: str, argument: int) -> int:
        return self._call(name, hypercall, HYPERCALL_NUMBERS[name], argument)

    def _put(self, address: int, structure: ctypes.Structure) -> None:
        ctypes.memmove(address, ctypes.addressof(structure), ctypes.sizeof(structure))

    def _domctl(self, name: str, domid: int, argument: _Structure) -> _Structure:
        """Make a domctl; return its argument as Xen changed it."""
        return self._domctl_of(name, domid, argument)[1]

    def _domctl_of(self, name: str, domid: int, argument: _Structure) -> tuple[int, _Structure]:
        """Make a domctl; return the domain's number and the argument, as Xen changed them."""
        call = f"XEN_DOMCTL_{name}"
        header = structures.DomctlHeader(HYPERCALL_NUMBERS[call], self.interface.domctl, domid)
        address = self._calls.buffer
        ctypes.memset(address, 0, ctypes.sizeof(header) + structures.UNION_BYTES)
        self._put(address, header)
        self._put(address + ctypes.sizeof(header), argument)
        self._call(call, "domctl", address)
        returned = structures.DomctlHeader.from_buffer_copy(ctypes.string_at(address, ctypes.sizeof(header)))
        result = ctypes.string_at(address + ctypes.sizeof(header), ctypes.sizeof(argument))
        return returned.domain, type(argument).from_buffer_copy(result)

    def create(self, request: structures.AnyCreateDomain) -> tuple[int, structures.AnyCreateDomain]:
        """Create a domain; return its number, and the request as Xen completed it."""
        return self._domctl_of("createdomain", 0, request)

    def destroy(self, domid: int) -> None:
        """Destroy a domain. The call is repeated as often as Xen asks for it."""
        while True:
            try:
                self._domctl("destroydomain", domid, structures.NoArgument())
            except OSError as error:
                if error.errno in (errno.EAGAIN, _ERESTART):
                    continue
                raise
            return

    def pause(self, domid: int) -> None:
        """Stop a domain's vCPUs."""
        self._domctl("pausedomain", domid, structures.NoArgument())

    def unpause(self, domid: int) -> None:
        """Start a domain's vCPUs, or let them run on."""
        self._domctl("unpausedomain", domid, structures.NoArgument())

    def set_max_vcpus(self, domid: int, vcpus: int) -> None:
        """Allocate a domain's vCPUs, as many as it was created with."""
        self._domctl("max_vcpus", domid, structures.MaxVcpus(vcpus))

    def set_max_memory(self, domid: int, kib: int) -> None:
        """Limit a domain's memory."""
        self._domctl("max_mem", domid, structures.MaxMem(kib))

    def set_paging_pool(self, domid: int, size: int) -> None:
        """Give a domain memory for its stage 2 tables, in bytes."""
        self._domctl("set_paging_mempool_size", domid, structures.PagingMempool(size))

    def set_address_size(self, domid: int, bits: int) -> None:
        """Set whether a domain's kernel has 32 or 64 bits; must come before `set_context`."""
        self._domctl("set_address_size", domid, structures.AddressSize(bits))

    def set_context(self, domid: int, vcpu: int, context: structures.AnyContext) -> None:
        """Set a vCPU's registers."""
        self._put(self._pointed, context)
        self._domctl("setvcpucontext", domid, structures.VcpuContext(vcpu, self._pointed))

    def flush(self, domid: int, first_frame: int, count: int) -> None:
        """Clean and invalidate at most `MAX_FLUSH` frames of a domain to the point of coherency."""
        self._domctl("cacheflush", domid, structures.CacheFlush(first_frame, count))

    def start_vuart(self, domid: int, frame: int) -> int:
        """Give a domain an emulated PL011 whose ring is in `frame`; return its event channel."""
        request = structures.VuartOp(gfn=frame, console_domid=DOM0)
        return int(self._domctl("vuart_op", domid, request).evtchn)

    def populate(self, domid: int, frames: range, order: int) -> int:
        """Give a domain memory; return the number of extents that it got.

        Parameters
        ----------
        domid : int
            Its number.
        frames : range
            The first frame of each extent, at most `MAX_EXTENTS`.
        order : int
            Each extent has 2^order frames.
        """
        numbers = (ctypes.c_uint64 * len(frames))(*frames)
        ctypes.memmove(self._pointed, ctypes.addressof(numbers), ctypes.sizeof(numbers))
        request = structures.MemoryReservation(self._pointed, len(frames), order, 0, domid)
        self._put(self._calls.buffer, request)
        return self._command("XENMEM_populate_physmap", "memory_op", self._calls.buffer)

    def allocate_port(self, domid: int) -> int:
        """Create an event channel of a domain that dom0 can bind to; return the domain's port."""
        self._put(self._calls.buffer, structures.AllocUnbound(domid, DOM0))
        self._command("EVTCHNOP_alloc_unbound", "event_channel_op", self._calls.buffer)
        size = ctypes.sizeof(structures.AllocUnbound)
        result = structures.AllocUnbound.from_buffer_copy(ctypes.string_at(self._calls.buffer, size))
        return int(result.port)

    def set_parameter(self, domid: int, index: int, value: int) -> None:
        """Set one of a domain's HVM parameters."""
        self._put(self._calls.buffer, structures.HvmParam(domid, 0, index, value))
        self._command("HVMOP_set_param", "hvm_op", self._calls.buffer)

    def domain(self, domid: int) -> structures.AnyDomainInfo | None:
        """Return Xen's description of a domain, or None if there is no domain with that number."""
        try:
            info = self._domctl("getdomaininfo", domid, self.interface.info())
        except OSError as error:
            if error.errno == errno.ESRCH:
                return None
            raise
        return info if info.domain == domid else None  # Xen up to 4.17 describes the next domain instead

    def domains(self) -> Iterator[structures.AnyDomainInfo]:
        """Yield Xen's description of every domain, by number."""
        kind = self.interface.info
        size = ctypes.sizeof(kind)
        room = PAGE_SIZE // size
        first = 0
        while True:
            request = structures.GetDomainInfoList(first, room, self._pointed, 0)
            count = self._sysctl_of("getdomaininfolist", request).num_domains
            found = [
                kind.from_buffer_copy(ctypes.string_at(self._pointed + index * size, size))
                for index in range(min(count, room))
            ]
            yield from found
            if len(found) < room:
                return
            first = found[-1].domain + 1

    def _sysctl_of(self, name: str, argument: _Structure) -> _Structure:
        """Make a sysctl; return its argument as Xen changed it. The first one finds the interface's version."""
        call = f"XEN_SYSCTL_{name}"
        address = self._calls.buffer
        while True:
            header = structures.SysctlHeader(HYPERCALL_NUMBERS[call], self._sysctl)
            ctypes.memset(address, 0, ctypes.sizeof(header) + structures.UNION_BYTES)
            self._put(address, header)
            self._put(address + ctypes.sizeof(header), argument)
            try:
                self._call(call, "sysctl", address)
            except OSError as error:
                if error.errno != errno.EACCES or not self._sysctls:
                    raise
                self._sysctl = self._sysctls.pop(0)  # try the next interface version
                continue
            result = ctypes.string_at(address + ctypes.sizeof(header), ctypes.sizeof(argument))
            return type(argument).from_buffer_copy(result)

    def physical(self) -> machine_structures.PhysInfo:
        """Return Xen's description of the machine."""
        return self._sysctl_of("physinfo", machine_structures.PhysInfo())

    def scheduler_of(self, pool: int) -> int:
        """Return the number of a cpupool's scheduler.

        Raises
        ------
        OSError
            ENOENT if there is no such pool.
        """
        request = machine_structures.CpupoolOp(op=_POOL_INFO, cpupool_id=pool)
        request.cpumap = machine_structures.Bitmap(self._pointed, 8 * PAGE_SIZE)
        found = self._sysctl_of("cpupool_op", request)
        if found.cpupool_id != pool:  # Xen describes the next one instead
            raise OSError(errno.ENOENT, "XEN_SYSCTL_cpupool_op")
        return int(found.sched_id)

    def set_affinity(self, domid: int, vcpu: int, cpus: int) -> None:
        """Let a vCPU run on some CPUs only: bit n of `cpus` is for CPU n."""
        size = 64
        ctypes.memmove(self._pointed, cpus.to_bytes(size, "little"), size)
        request = machine_structures.VcpuAffinity(vcpu=vcpu, flags=_AFFINITY_HARD)
        request.cpumap_hard = machine_structures.Bitmap(self._pointed, 8 * size)
        self._domctl("setvcpuaffinity", domid, request)

    def set_share(self, domid: int, scheduler: int, weight: int, cap: int) -> None:
        """Set a domain's weight and cap, for the scheduler of its cpupool."""
        request = machine_structures.SchedulerOp(
            sched_id=scheduler, cmd=_SCHEDULER_PUT, weight=weight, cap=cap
        )
        self._domctl("scheduler_op", domid, request)

    def set_handle(self, domid: int, handle: bytes) -> None:
        """Give a domain another UUID."""
        self._domctl("setdomainhandle", domid, structures.DomainHandle.from_buffer_copy(handle))


_ERESTART: Final = 85
"""ERESTART of Xen and Linux: the call must be repeated."""

_POOL_INFO: Final = 3
"""XEN_SYSCTL_CPUPOOL_OP_INFO."""

_AFFINITY_HARD: Final = 1
"""XEN_VCPUAFFINITY_HARD."""

_SCHEDULER_PUT: Final = 0
"""XEN_DOMCTL_SCHEDOP_putinfo."""
