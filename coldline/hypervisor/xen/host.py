# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Xen as a `coldline.hypervisor.Hypervisor`, by hypercalls and foreign mappings."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.guest.layout import AddressRange
from coldline.hypervisor.xen.bindings.protocols import Bindings, DriverError
from coldline.hypervisor.xen.creation import (
    ADDRESS_BITS,
    Platform,
    create_request,
    query_platform,
    set_limits,
    write_name,
)
from coldline.hypervisor.xen.domain import XenDomain, XenDomainState
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import MAX_FLUSH, Hypercalls
from coldline.hypervisor.xen.interrupts import interrupts_held
from coldline.hypervisor.xen.mapped_frames import ATTRIBUTES, map_frames
from coldline.hypervisor.xen.mapping import XenMapping
from coldline.hypervisor.xen.populate import populate_extents
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.guest.plan import Registers
    from coldline.hypervisor.protocol import Hypervisor
    from coldline.hypervisor.xen import structures

_ADDRESS_LIMIT: Final = 1 << 48

_MAX_MAPPING: Final = 4 << 20
"""Bytes. Dom0 gives up as much of its own memory for a mapping, and the driver keeps that much for its next one."""

_ONLINE: Final = 1  # VGCF_online


class XenHost:
    """The Xen that this dom0 runs on, as a `Hypervisor`.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.
    handle : bytes, optional
        The UUID of the domain that is created; by default a random one for each domain.
    name : str, optional
        The name of the domain that is created, written to xenstore before it gets memory; without a name, it has no
        entries there.
    pool : int
        The number of its cpupool.
    shared_interrupts : int
        Number of shared interrupts of the guest's interrupt controller: 1 for an emulated PL011, else 0.

    Attributes
    ----------
    hypercalls : Hypercalls
        Hypercalls to Xen.

    Raises
    ------
    HypervisorError
        If this is not a dom0, or Xen's version is not supported.
    """

    def __init__(
        self,
        bindings: Bindings,
        *,
        handle: bytes | None = None,
        name: str | None = None,
        pool: int = 0,
        shared_interrupts: int = 0,
    ) -> None:
        self.bindings = bindings
        self._handle = handle
        self._name = name
        self._pool = pool
        self._shared_interrupts = shared_interrupts
        self._leftovers: dict[int, list[Callable[[], None]]] = {}
        with error_context("open Xen"):
            self.hypercalls = Hypercalls(bindings.calls)

    def platform(self) -> Platform:
        """Return the virtual hardware of guests. Xen reports it for a new domain, so one is created and destroyed.

        Raises
        ------
        HypervisorError
            If no domain can be created.
        """
        with error_context("query the guests' virtual hardware"):
            return query_platform(self.hypercalls, self._request(1))

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> XenDomain:
        """See `Hypervisor.create_domain`."""
        if architecture not in ADDRESS_BITS:
            raise HypervisorError(
                f"create domain: Xen runs {' and '.join(ADDRESS_BITS)} guests, not {architecture}"
            )
        if max_memory <= 0 or vcpus <= 0:
            raise HypervisorError(f"create domain: {max_memory} bytes of memory and {vcpus} vcpus")
        request = self._request(vcpus)
        with error_context("create domain"):
            domid, _ = self.hypercalls.create(request)
        domain = XenDomain(domid, bytes(request.handle), architecture, max_memory, vcpus)
        try:
            if self._name is not None:
                write_name(self.bindings, domain, self._name)
            with error_context(f"domain {domid}: create"):
                set_limits(self.hypercalls, domain)
        except BaseException:
            self.destroy(domain)
            raise
        return domain

    def _request(self, vcpus: int) -> "structures.AnyCreateDomain":
        interface = self.hypercalls.interface
        return create_request(interface, self._handle, vcpus, self._shared_interrupts, self._pool)

    @property
    def max_mapping(self) -> int:
        """See `Hypervisor.max_mapping`."""
        return _MAX_MAPPING

    def populate(self, domain: XenDomain, address: int, size: int) -> None:
        """See `Hypervisor.populate`: uses the largest extents that fit and that Xen has free."""
        operation = f"populate {address:#x}"
        self._check_range(domain, operation, address, size, XenDomainState.PAUSED)
        given = sum(bank.size for bank in domain.banks)
        if given + size > domain.max_memory:
            reason = f"{given + size:#x} bytes exceed its maximum of {domain.max_memory:#x}"
            raise domain.error(operation, reason)
        for bank in domain.banks:
            if address < bank.end and bank.base < address + size:
                taken = max(address, bank.base)
                raise domain.error(operation, f"the page at {taken:#x} is already allocated")
        self.populate_unchecked(domain, address, size)
        domain.banks.append(AddressRange(address, size))

    def populate_unchecked(self, domain: XenDomain, address: int, size: int) -> None:
        """Give a domain memory without the checks of `populate`, for rings, which are not RAM."""
        populate_extents(self.hypercalls, domain, address, size)

    def map_foreign(self, domain: XenDomain, address: int, size: int, memory_type: MemoryType) -> XenMapping:
        """See `Hypervisor.map_foreign`.

        coldline's driver makes the mapping. Without the driver, libxenforeignmemory makes cached mappings, and others
        are refused. A page cannot be mapped twice at the same time, as on every host.
        """
        self._check_mappable(domain, address, size, memory_type)
        mapping = self.map_unchecked(domain, address, size, memory_type)
        domain.mapped.append(AddressRange(address, size))
        return mapping

    def map_unchecked(
        self, domain: XenDomain, address: int, size: int, memory_type: MemoryType
    ) -> XenMapping:
        """Map memory of a domain without the checks of `map_foreign`, for rings."""
        operation = f"map {address:#x}"
        try:
            with error_context(f"domain {domain.domid}: {operation}"):
                frames = map_frames(self.bindings, domain.domid, _frames(address, size), memory_type)
        except DriverError as error:
            raise domain.error(operation, str(error)) from error
        return XenMapping(
            domain,
            address,
            size,
            memory_type,
            frames,
            memory=self.bindings.memory,
            move=self._move,
            unmap=self._unmap_mapping,
        )

    def _move(self, mapping: XenMapping, address: int, size: int) -> None:
        domain = mapping.domain
        others = [mapped for mapped in domain.mapped if mapped.base != mapping.address]
        self._check_mappable(domain, address, size, mapping.memory_type, others)
        with error_context(f"domain {domain.domid}: map {address:#x}"):
            mapping.frames.replace(_frames(address, size))
        domain.mapped = [*others, AddressRange(address, size)]

    def _check_mappable(
        self,
        domain: XenDomain,
        address: int,
        size: int,
        memory_type: MemoryType,
        mapped: Sequence[AddressRange] | None = None,
    ) -> None:
        operation = f"map {address:#x}"
        self._check_range(domain, operation, address, size, XenDomainState.PAUSED, XenDomainState.RUNNING)
        if not any(bank.base <= address and address + size <= bank.end for bank in domain.banks):
            raise domain.error(operation, f"{size:#x} bytes from there are not inside one bank of its RAM")
        if memory_type not in ATTRIBUTES:
            can = " and ".join(possible.word for possible in ATTRIBUTES)
            raise domain.error(operation, f"on Xen a builder's mapping can be {can}, not {memory_type.word}")
        if size > _MAX_MAPPING:
            raise domain.error(operation, f"{size:#x} bytes exceed the largest mapping, {_MAX_MAPPING:#x}")
        for taken in domain.mapped if mapped is None else mapped:
            if address < taken.end and taken.base < address + size:
                raise domain.error(operation, f"the page at {max(address, taken.base):#x} is already mapped")

    def flush(self, domain: XenDomain, address: int, size: int) -> None:
        """See `Hypervisor.flush`: one XEN_DOMCTL_cacheflush for each `MAX_FLUSH` frames."""
        operation = f"flush {address:#x}"
        self._check_range(domain, operation, address, size, XenDomainState.PAUSED)
        if not any(bank.base <= address and address + size <= bank.end for bank in domain.banks):
            raise domain.error(operation, f"{size:#x} bytes from there are not inside one bank of its RAM")
        first, end = address // PAGE_SIZE, (address + size) // PAGE_SIZE
        for frame in range(first, end, MAX_FLUSH):
            with error_context(f"domain {domain.domid}: flush {frame * PAGE_SIZE:#x}"):
                self.hypercalls.flush(domain.domid, frame, min(MAX_FLUSH, end - frame))

    def set_registers(self, domain: XenDomain, vcpu: int, registers: "Registers") -> None:
        """See `Hypervisor.set_registers`."""
        self._check_state(domain, "set registers", XenDomainState.PAUSED)
        if not 0 <= vcpu < domain.vcpus:
            raise domain.error("set registers", f"it has {domain.vcpus} vCPUs, and none with number {vcpu}")
        flags = 0 if vcpu else _ONLINE  # the guest starts the others
        context = self.hypercalls.interface.context(flags=flags, sctlr=registers.sctlr)
        for number, value in enumerate(registers.general):
            setattr(context.user_regs, f"x{number}", value)
        context.user_regs.pc64 = registers.pc
        context.user_regs.cpsr = registers.pstate
        with error_context(f"domain {domain.domid}: set registers"):
            self.hypercalls.set_context(domain.domid, vcpu, context)
        domain.registers_set = domain.registers_set or vcpu == 0

    def unpause(self, domain: XenDomain) -> None:
        """See `Hypervisor.unpause`."""
        self._check_state(domain, "unpause", XenDomainState.PAUSED)
        if not domain.registers_set:
            raise domain.error("unpause", "its registers are not set")
        with error_context(f"domain {domain.domid}: unpause"):
            self.hypercalls.unpause(domain.domid)
        domain.state = XenDomainState.RUNNING

    def destroy(self, domain: XenDomain) -> None:
        """See `Hypervisor.destroy`: a domain that this process still maps stays dying until it is unmapped."""
        from coldline.hypervisor.xen.teardown import tear_down  # imported only when needed, for a fast start

        with interrupts_held():
            self._check_state(domain, "destroy", XenDomainState.PAUSED, XenDomainState.RUNNING)
            for unmap in self._leftovers.pop(domain.domid, []):
                with contextlib.suppress(OSError):
                    unmap()
            store = self.bindings.store if domain.in_store else None
            try:
                tear_down(self.hypercalls, store, self.bindings, domain.domid, domain.handle)
            finally:
                domain.state = XenDomainState.DESTROYED

    def unmap_resource(self, domain: XenDomain, resource: object) -> None:
        """Unmap a grant table; if that fails, retry before the domain is destroyed."""
        self._unmap(domain, partial(self.bindings.foreign.unmap_resource, resource))

    def _unmap_mapping(self, mapping: XenMapping) -> None:
        mapping.domain.mapped = [other for other in mapping.domain.mapped if other.base != mapping.address]
        with error_context(f"domain {mapping.domain.domid}: unmap {mapping.address:#x}"):
            self._unmap(mapping.domain, mapping.frames.unmap)

    def _unmap(self, domain: XenDomain, unmap: Callable[[], None]) -> None:
        """Call `unmap`; if it fails or is not reached, it is retried before the domain is destroyed."""
        waiting = self._leftovers.setdefault(domain.domid, [])
        waiting.append(unmap)
        unmap()
        waiting.remove(unmap)

    def _check_state(self, domain: XenDomain, operation: str, *states: XenDomainState) -> None:
        if domain.state not in states:
            raise domain.error(operation, f"it is {domain.state.value}")

    def _check_range(
        self, domain: XenDomain, operation: str, address: int, size: int, *states: XenDomainState
    ) -> None:
        self._check_state(domain, operation, *states)
        if address % PAGE_SIZE or size % PAGE_SIZE or size <= 0:
            raise domain.error(operation, f"{size:#x} bytes from there are not whole pages")
        if address < 0 or address + size > _ADDRESS_LIMIT:
            raise domain.error(operation, f"{size:#x} bytes from there exceed the address space")


def _frames(address: int, size: int) -> range:
    return range(address // PAGE_SIZE, (address + size) // PAGE_SIZE)


if TYPE_CHECKING:
    _implements: type[Hypervisor[XenDomain]] = XenHost
