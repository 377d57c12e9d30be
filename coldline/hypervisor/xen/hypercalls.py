# SPDX-License-Identifier: GPL-2.0-or-later
"""The hypercalls that building takes, by what they do. An error is an OSError that names the call."""

import ctypes
import errno
from collections.abc import Iterator
from typing import Final, Protocol, TypeVar

from coldline.hypervisor.xen import structures
from coldline.hypervisor.xen.interface import Interface, interface_of

_MEMORY_OP, _XEN_VERSION, _EVENT_CHANNEL_OP, _HVM_OP, _SYSCTL, _DOMCTL = 12, 17, 32, 34, 35, 36
"""xen xen/include/public/xen.h (4.17)."""

_CREATE, _DESTROY, _PAUSE, _UNPAUSE, _INFO = 1, 2, 3, 4, 5
_MAX_MEM, _SET_CONTEXT, _MAX_VCPUS, _ADDRESS_SIZE = 11, 12, 15, 35
_CACHEFLUSH, _VUART_OP, _SET_PAGING_POOL = 71, 81, 86
"""xen xen/include/public/domctl.h (4.17)."""

_INFO_LIST: Final = 6
_POPULATE_PHYSMAP: Final = 6
_ALLOC_UNBOUND: Final = 6
_SET_PARAM: Final = 0

PAGE: Final = 4096
SELF: Final = 0
"""dom0's own number: where Xen's rings end."""

MAX_EXTENTS: Final = PAGE // 8
"""Of one `populate`: as many as fit into a page of the buffer."""

MAX_FLUSH: Final = 1 << 18
"""Frames of one XEN_DOMCTL_cacheflush: xen xen/arch/arm/domctl.c (4.17)."""

_Structure = TypeVar("_Structure", bound=ctypes.Structure)


class CallLibrary(Protocol):
    """What makes hypercalls: `libraries.Calls`."""

    buffer: int

    def call(self, name: str, op: int, *arguments: int) -> int:
        """Make a hypercall."""


class Hypercalls:
    """Hypercalls of the Xen that runs.

    Parameters
    ----------
    calls : CallLibrary
        What makes them.

    Attributes
    ----------
    interface : Interface
        Of that Xen.

    Raises
    ------
    HypervisorError
        If its version is not known.
    """

    def __init__(self, calls: CallLibrary) -> None:
        self._calls = calls
        self._pointed = calls.buffer + PAGE
        version = calls.call("XENVER_version", _XEN_VERSION, 0, 0)
        self.interface: Interface = interface_of((version >> 16, version & 0xFFFF))

    def _put(self, address: int, structure: ctypes.Structure) -> None:
        ctypes.memmove(address, ctypes.addressof(structure), ctypes.sizeof(structure))

    def _domctl(self, name: str, command: int, domid: int, argument: _Structure) -> _Structure:
        """Make a domctl; return its argument as Xen left it. `argument` has `domain`'s new value put aside."""
        return self._domctl_of(name, command, domid, argument)[1]

    def _domctl_of(self, name: str, command: int, domid: int, argument: _Structure) -> tuple[int, _Structure]:
        header = structures.DomctlHeader(cmd=command, interface_version=self.interface.domctl, domain=domid)
        place = self._calls.buffer
        ctypes.memset(place, 0, ctypes.sizeof(header) + structures.UNION_BYTES)
        self._put(place, header)
        self._put(place + ctypes.sizeof(header), argument)
        self._calls.call(f"XEN_DOMCTL_{name}", _DOMCTL, place)
        returned = structures.DomctlHeader.from_buffer_copy(ctypes.string_at(place, ctypes.sizeof(header)))
        left = ctypes.string_at(place + ctypes.sizeof(header), ctypes.sizeof(argument))
        return returned.domain, type(argument).from_buffer_copy(left)

    def create(self, request: structures.CreateDomain) -> tuple[int, structures.CreateDomain]:
        """Make a domain; return its number, and what Xen made of the request."""
        return self._domctl_of("createdomain", _CREATE, 0, request)

    def destroy(self, domid: int) -> None:
        """Have Xen end a domain. It takes as many calls as Xen asks for."""
        while True:
            try:
                self._domctl("destroydomain", _DESTROY, domid, structures.Nothing())
            except OSError as error:
                if error.errno in (errno.EAGAIN, _ERESTART):
                    continue
                raise
            return

    def pause(self, domid: int) -> None:
        """Stop a domain's vCPUs."""
        self._domctl("pausedomain", _PAUSE, domid, structures.Nothing())

    def unpause(self, domid: int) -> None:
        """Let a domain's vCPUs run."""
        self._domctl("unpausedomain", _UNPAUSE, domid, structures.Nothing())

    def set_max_vcpus(self, domid: int, vcpus: int) -> None:
        """Make a domain's vCPUs: as many as it was created for."""
        self._domctl("max_vcpus", _MAX_VCPUS, domid, structures.MaxVcpus(vcpus))

    def set_max_memory(self, domid: int, kib: int) -> None:
        """Limit a domain's memory."""
        self._domctl("max_mem", _MAX_MEM, domid, structures.MaxMem(kib))

    def set_paging_pool(self, domid: int, size: int) -> None:
        """Give a domain memory for its stage 2 tables, in bytes."""
        self._domctl("set_paging_mempool_size", _SET_PAGING_POOL, domid, structures.PagingMempool(size))

    def set_address_size(self, domid: int, bits: int) -> None:
        """Say whether a domain's kernel is of 32 or 64 bits, before its registers are set."""
        self._domctl("set_address_size", _ADDRESS_SIZE, domid, structures.AddressSize(bits))

    def set_context(self, domid: int, vcpu: int, context: structures.GuestContext) -> None:
        """Set a vCPU's registers."""
        self._put(self._pointed, context)
        self._domctl("setvcpucontext", _SET_CONTEXT, domid, structures.VcpuContext(vcpu, self._pointed))

    def flush(self, domid: int, first_frame: int, count: int) -> None:
        """Clean and invalidate at most `MAX_FLUSH` frames of a domain to the point of coherency."""
        self._domctl("cacheflush", _CACHEFLUSH, domid, structures.CacheFlush(first_frame, count))

    def start_vuart(self, domid: int, frame: int) -> int:
        """Give a domain an emulated PL011 whose ring is in `frame`; return its event channel."""
        request = structures.VuartOp(gfn=frame, console_domid=SELF)
        return int(self._domctl("vuart_op", _VUART_OP, domid, request).evtchn)

    def populate(self, domid: int, frames: range, order: int) -> int:
        """Give a domain memory; return how many extents it got.

        Parameters
        ----------
        domid : int
            Its number.
        frames : range
            The first frame of each extent, at most `MAX_EXTENTS`.
        order : int
            Each has 2^order frames.
        """
        numbers = (ctypes.c_uint64 * len(frames))(*frames)
        ctypes.memmove(self._pointed, ctypes.addressof(numbers), ctypes.sizeof(numbers))
        request = structures.MemoryReservation(self._pointed, len(frames), order, 0, domid)
        self._put(self._calls.buffer, request)
        return self._calls.call("XENMEM_populate_physmap", _MEMORY_OP, _POPULATE_PHYSMAP, self._calls.buffer)

    def allocate_port(self, domid: int) -> int:
        """Make an event channel of a domain that this one can bind to; return the domain's port."""
        self._put(self._calls.buffer, structures.AllocUnbound(domid, SELF))
        self._calls.call("EVTCHNOP_alloc_unbound", _EVENT_CHANNEL_OP, _ALLOC_UNBOUND, self._calls.buffer)
        size = ctypes.sizeof(structures.AllocUnbound)
        left = structures.AllocUnbound.from_buffer_copy(ctypes.string_at(self._calls.buffer, size))
        return int(left.port)

    def set_parameter(self, domid: int, index: int, value: int) -> None:
        """Set one of a domain's HVM parameters."""
        self._put(self._calls.buffer, structures.HvmParam(domid, 0, index, value))
        self._calls.call("HVMOP_set_param", _HVM_OP, _SET_PARAM, self._calls.buffer)

    def domain(self, domid: int) -> structures.GetDomainInfo | None:
        """What Xen says of a domain, or None if there is none of that number."""
        try:
            info = self._domctl("getdomaininfo", _INFO, domid, self.interface.info())
        except OSError as error:
            if error.errno == errno.ESRCH:
                return None
            raise
        return (
            info if info.domain == domid else None
        )  # up to 4.17 Xen tells of the next one where there is none

    def domains(self) -> Iterator[structures.GetDomainInfo]:
        """What Xen says of every domain, by number."""
        kind = self.interface.info
        size = ctypes.sizeof(kind)
        room = PAGE // size
        first = 0
        while True:
            header = structures.SysctlHeader(_INFO_LIST, self.interface.sysctl)
            request = structures.GetDomainInfoList(first, room, self._pointed, 0)
            place = self._calls.buffer
            ctypes.memset(place, 0, ctypes.sizeof(header) + structures.UNION_BYTES)
            self._put(place, header)
            self._put(place + ctypes.sizeof(header), request)
            self._calls.call("XEN_SYSCTL_getdomaininfolist", _SYSCTL, place)
            left = ctypes.string_at(place + ctypes.sizeof(header), ctypes.sizeof(request))
            count = structures.GetDomainInfoList.from_buffer_copy(left).num_domains
            found = [
                kind.from_buffer_copy(ctypes.string_at(self._pointed + index * size, size))
                for index in range(min(count, room))
            ]
            yield from found
            if len(found) < room:
                return
            first = found[-1].domain + 1


_ERESTART: Final = 85
"""Xen's and Linux's: "call again"."""
