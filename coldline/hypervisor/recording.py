# SPDX-License-Identifier: GPL-2.0-or-later
"""Wraps a hypervisor and records events: what the builder does through it, and what its host model adds."""

from typing import TYPE_CHECKING, Generic, NamedTuple

from coldline.arm import MemoryType
from coldline.events import Op, Recorder
from coldline.hypervisor.mapping import ClosesOnExit
from coldline.hypervisor.model import HostModel
from coldline.hypervisor.model_events import HostEvents
from coldline.hypervisor.protocol import Buffer, Data, DomainT, Hypervisor, Mapping

if TYPE_CHECKING:
    from coldline.guest.plan import Registers


class _Bank(NamedTuple):
    base: int
    size: int


class RecordedHost(Generic[DomainT]):
    """A `Hypervisor` that forwards to another one and records every operation that succeeds.

    Addresses in the events are guest physical. Guests that exist at the same time must have their RAM at different
    addresses, as on a simulated host.

    Parameters
    ----------
    inner : Hypervisor
        The hypervisor that does the work.
    model : HostModel
        The model of its host.
    record : Recorder
        Receives the events.
    """

    def __init__(self, inner: Hypervisor[DomainT], model: HostModel, record: Recorder) -> None:
        self._inner = inner
        self._events = HostEvents(model, record)
        self._banks: dict[int, list[_Bank]] = {}
        self._running: set[int] = set()
        self._flushed: set[int] = set()

    @property
    def max_mapping(self) -> int:
        """See `Hypervisor.max_mapping`."""
        return self._inner.max_mapping

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> DomainT:
        """See `Hypervisor.create_domain`."""
        domain = self._inner.create_domain(architecture, max_memory, vcpus)
        self._banks[domain.domid] = []
        return domain

    def populate(self, domain: DomainT, address: int, size: int) -> None:
        """See `Hypervisor.populate`."""
        self._inner.populate(domain, address, size)
        self.record_populate(domain, address, size)

    def record_populate(self, domain: DomainT, address: int, size: int) -> None:
        """Record that a domain was given memory."""
        self._banks[domain.domid].append(_Bank(address, size))
        self._events.populated(address, size)

    def map_foreign(
        self, domain: DomainT, address: int, size: int, memory_type: MemoryType
    ) -> "RecordedMapping":
        """See `Hypervisor.map_foreign`."""
        return self.record_mapping(self._inner.map_foreign(domain, address, size, memory_type))

    def record_mapping(self, mapping: Mapping) -> "RecordedMapping":
        """Record that `mapping` was made; return a mapping that records its operations."""
        self._events.mapped(mapping.address, mapping.size, mapping.memory_type)
        return RecordedMapping(mapping, self._events)

    def flush(self, domain: DomainT, address: int, size: int) -> None:
        """See `Hypervisor.flush`."""
        self._inner.flush(domain, address, size)
        self._flushed.add(domain.domid)
        self._events.flushed(address, size)

    def set_registers(self, domain: DomainT, vcpu: int, registers: "Registers") -> None:
        """See `Hypervisor.set_registers`."""
        self._inner.set_registers(domain, vcpu, registers)

    def unpause(self, domain: DomainT) -> None:
        """See `Hypervisor.unpause`. The guest's first event is recorded before it starts."""
        self._events.started(self._banks[domain.domid], maintained=domain.domid in self._flushed)
        self._running.add(domain.domid)
        self._inner.unpause(domain)

    def destroy(self, domain: DomainT) -> None:
        """See `Hypervisor.destroy`."""
        self._inner.destroy(domain)
        banks = self._banks.pop(domain.domid)
        if domain.domid in self._running:
            self._events.stopped(banks)
        for bank in banks:
            self._events.freed(bank)


class RecordedMapping(ClosesOnExit):
    """A mapping that records its writes and maintenance; see `coldline.hypervisor.Mapping`.

    Parameters
    ----------
    inner : Mapping
        The mapping that does the work.
    events : HostEvents
        Receives the mapping's operations.
    """

    def __init__(self, inner: Mapping, events: HostEvents) -> None:
        self._inner = inner
        self._events = events
        self._open = True

    @property
    def address(self) -> int:
        """See `Mapping.address`."""
        return self._inner.address

    @property
    def size(self) -> int:
        """See `Mapping.size`."""
        return self._inner.size

    @property
    def memory_type(self) -> MemoryType:
        """See `Mapping.memory_type`."""
        return self._inner.memory_type

    def write(self, offset: int, data: Data) -> None:
        """See `Mapping.write`."""
        self._inner.write(offset, data)
        size = memoryview(data).nbytes if isinstance(data, Buffer) else data.nbytes
        self._done(Op.WRITE, offset, size)

    def clean_invalidate(self, offset: int, size: int) -> None:
        """See `Mapping.clean_invalidate`."""
        self._inner.clean_invalidate(offset, size)
        self._done(Op.DC_CIVAC, offset, size)

    def cacheflush(self, offset: int, size: int) -> None:
        """See `Mapping.cacheflush`."""
        self._inner.cacheflush(offset, size)
        self._done(Op.DC_CVAU, offset, size)
        self._done(Op.IC_IVAU, offset, size)

    def move(self, address: int, size: int) -> None:
        """See `Mapping.move`."""
        before = self.address, self.size
        self._inner.move(address, size)
        self._events.unmapped(*before)
        self._events.mapped(address, size, self.memory_type)

    def close(self) -> None:
        """See `Mapping.close`."""
        self._inner.close()
        if self._open:
            self._open = False
            self._events.unmapped(self.address, self.size)

    def _done(self, op: Op, offset: int, size: int) -> None:
        if size:
            self._events.builder_did(op, self.address + offset, size)
