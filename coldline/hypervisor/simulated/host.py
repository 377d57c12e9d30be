# SPDX-License-Identifier: GPL-2.0-or-later
"""A simulated host: works on real bytes, and records what a host of its model does."""

from typing import TYPE_CHECKING, Final

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Recorder
from coldline.hypervisor.model import HostModel
from coldline.hypervisor.model_events import HostEvents, Ranges
from coldline.hypervisor.ranges import RangeSet
from coldline.hypervisor.simulated.domain import RamBank, SimulatedDomain, SimulatedDomainState
from coldline.hypervisor.simulated.mapping import SimulatedMapping

if TYPE_CHECKING:
    from coldline.guest.plan import Registers
    from coldline.hypervisor.protocol import Hypervisor

_ALIVE: Final = (SimulatedDomainState.PAUSED, SimulatedDomainState.RUNNING)
_PAUSED: Final = (SimulatedDomainState.PAUSED,)


class SimulatedHost:
    """A `Hypervisor` that simulates a host of some model in this process.

    Domains are direct-mapped (as with Xen's XEN_DOMCTL_CDF_directmap), so the addresses in the trace are
    guest physical, and no two domains may have RAM at the same address. Each event covers a whole range, and is
    recorded once the operation is done.

    Parameters
    ----------
    model : HostModel
        The host model.
    record : Recorder
        Receives the events.
    flash, cores : sequence of (address, size), int
        See `HostEvents`.
    """

    def __init__(self, model: HostModel, record: Recorder, flash: Ranges = (), cores: int = 0) -> None:
        self.model = model
        self._events = HostEvents(model, record, flash, cores)
        self._domains: dict[int, SimulatedDomain] = {}
        self._allocated = RangeSet()
        self._mapped = RangeSet()
        self._next_domid = 1

    @property
    def domains(self) -> tuple[SimulatedDomain, ...]:
        """All domains that are not dead."""
        return tuple(self._domains.values())

    @property
    def max_mapping(self) -> int:
        """See `Hypervisor.max_mapping`: unlimited, as libxc maps a segment at once."""
        return ADDRESS_LIMIT

    @property
    def has_allocated_memory(self) -> bool:
        """Whether any page belongs to a domain."""
        return bool(self._allocated)

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> SimulatedDomain:
        """See `Hypervisor.create_domain`."""
        if architecture not in self.model.architectures:
            runs = " and ".join(self.model.architectures)
            raise HypervisorError(f"create domain: {self.model.name} runs {runs} guests, not {architecture}")
        if max_memory <= 0 or vcpus <= 0:
            raise HypervisorError(f"create domain: {max_memory} bytes of memory and {vcpus} vcpus")
        domain = SimulatedDomain(self._next_domid, architecture, self.model, max_memory, vcpus)
        self._next_domid += 1
        self._domains[domain.domid] = domain
        return domain

    def populate(self, domain: SimulatedDomain, address: int, size: int) -> None:
        """See `Hypervisor.populate`: the pages are scrubbed and maintained as by the model's allocator."""
        operation = f"populate {address:#x}"
        self._check_range(domain, operation, address, size, _PAUSED)
        given = sum(bank.size for bank in domain.banks)
        if given + size > domain.max_memory:
            reason = f"{given + size:#x} bytes exceed its maximum of {domain.max_memory:#x}"
            raise domain.error(operation, reason)
        if taken := self._allocated.overlap(address, address + size):
            raise domain.error(operation, f"the page at {taken[0][0]:#x} is already allocated")
        try:
            bank = RamBank.allocate(address, size)
        except (OSError, OverflowError) as error:
            raise domain.error(operation, f"cannot allocate {size:#x} bytes: {error}") from error
        self._allocated.add(address, address + size)
        domain.banks += (bank,)
        self._events.populated(address, size)

    def map_foreign(
        self, domain: SimulatedDomain, address: int, size: int, memory_type: MemoryType
    ) -> SimulatedMapping:
        """See `Hypervisor.map_foreign`.

        A trace has one mapping for each agent and page, so a page cannot be mapped twice at the same time. Where the
        builder's mapping outlives the build, this mapping is a view of it, and records no map and no unmap.
        """
        bank = self._mappable(domain, address, size, memory_type)
        if taken := self._mapped.overlap(address, address + size):
            raise domain.error(f"map {address:#x}", f"the page at {taken[0][0]:#x} is already mapped")
        self._events.mapped(address, size, memory_type)
        self._mapped.add(address, address + size)
        domain.mapped += 1
        return SimulatedMapping(
            domain,
            bank,
            address,
            size,
            memory_type,
            events=self._events,
            move=self._move,
            unmap=self._unmap,
        )

    def _mappable(self, domain: SimulatedDomain, address: int, size: int, memory_type: MemoryType) -> RamBank:
        operation = f"map {address:#x}"
        self._check_range(domain, operation, address, size, _ALIVE)
        bank = self._bank_of(domain, operation, address, size)
        if memory_type not in self.model.mapping_types:
            can = " and ".join(possible.word for possible in self.model.mapping_types)
            reason = f"on {self.model.name} a builder's mapping can be {can}, not {memory_type.word}"
            raise domain.error(operation, reason)
        return bank

    def _move(self, mapping: SimulatedMapping, address: int, size: int) -> RamBank:
        domain = mapping.domain
        bank = self._mappable(domain, address, size, mapping.memory_type)
        self._mapped.remove(mapping.address, mapping.address + mapping.size)
        taken = self._mapped.overlap(address, address + size)
        if taken:
            self._mapped.add(mapping.address, mapping.address + mapping.size)
            raise domain.error(f"map {address:#x}", f"the page at {taken[0][0]:#x} is already mapped")
        self._mapped.add(address, address + size)
        self._events.unmapped(mapping.address, mapping.size)
        self._events.mapped(address, size, mapping.memory_type)
        return bank

    def flush(self, domain: SimulatedDomain, address: int, size: int) -> None:
        """See `Hypervisor.flush`."""
        operation = f"flush {address:#x}"
        self._check_range(domain, operation, address, size, _PAUSED)
        self._bank_of(domain, operation, address, size)
        if self.model.flush is not None:
            self._events.flushed(address, size)
        elif self.model.first_run is not None:
            domain.maintained_at_first_run = True
        else:
            raise domain.error(operation, f"{self.model.name} has no such maintenance")

    def set_registers(self, domain: SimulatedDomain, vcpu: int, registers: "Registers") -> None:
        """See `Hypervisor.set_registers`."""
        self._check_state(domain, "set registers", _PAUSED)
        self._check_vcpu(domain, "set registers", vcpu)
        domain.registers[vcpu] = registers

    def unpause(self, domain: SimulatedDomain) -> None:
        """See `Hypervisor.unpause`."""
        self._check_state(domain, "unpause", _PAUSED)
        if 0 not in domain.registers:
            raise domain.error("unpause", "its registers are not set")
        domain.state = SimulatedDomainState.RUNNING
        self._events.started(domain.banks, maintained=domain.maintained_at_first_run)
        self._start(domain, 0)

    def guest_started_vcpu(self, domain: SimulatedDomain, vcpu: int) -> None:
        """Record that the guest has started another vCPU, before that one's first event."""
        self._check_state(domain, "start a vCPU", (SimulatedDomainState.RUNNING,))
        self._check_vcpu(domain, "start a vCPU", vcpu)
        if vcpu in domain.started:
            raise domain.error("start a vCPU", f"vCPU {vcpu} runs already")
        self._events.vcpu_started(vcpu, domain.banks)
        self._start(domain, vcpu)

    def _start(self, domain: SimulatedDomain, vcpu: int) -> None:
        domain.started.add(vcpu)
        if self.model.watches_caches:
            domain.watched.add(vcpu)

    def guest_caches_toggled(
        self, domain: SimulatedDomain, vcpu: int, *, enabled: bool, used: Ranges | None = None
    ) -> None:
        """Act as the host does when a vCPU writes SCTLR.M or C: if it watches it, maintain what the guest has used.

        The host watches a vCPU until both bits are set, and then lets go until that vCPU maintains by set/way:
        kvm_toggle_cache, linux arch/arm64/kvm/mmu.c (6.1.192); p2m_toggle_cache, xen xen/arch/arm/p2m.c (4.17).

        Parameters
        ----------
        domain : SimulatedDomain
            A running domain.
        vcpu : int
            The vCPU's number.
        enabled : bool
            Whether M and C are both set now. The host acts before the guest's next instruction, so call this
            before the guest's own event that turns its MMU on.
        used : sequence of (address, size) or None
            The ranges that the guest has used so far; None for all RAM.
        """
        self._check_state(domain, "toggle caches", (SimulatedDomainState.RUNNING,))
        self._check_vcpu(domain, "toggle caches", vcpu)
        if vcpu in domain.watched and enabled != (vcpu in domain.caches_on):
            self._maintain_used(domain, used)
        if enabled:
            domain.caches_on.add(vcpu)
            domain.watched.discard(vcpu)
        else:
            domain.caches_on.discard(vcpu)

    def guest_maintained_by_set_way(
        self, domain: SimulatedDomain, vcpu: int, *, used: Ranges | None = None
    ) -> None:
        """Act as the host does when a vCPU maintains by set/way: unless it watches it, maintain and watch it.

        A host cannot carry out what the guest means, in every cache and while others run, so it traps these:
        kvm_set_way_flush, linux arch/arm64/kvm/mmu.c (6.1.192); p2m_set_way_flush, xen xen/arch/arm/p2m.c (4.17).

        Parameters
        ----------
        domain : SimulatedDomain
            A running domain.
        vcpu : int
            The vCPU's number.
        used : sequence of (address, size) or None
            As for `guest_caches_toggled`.
        """
        self._check_state(domain, "maintain by set/way", (SimulatedDomainState.RUNNING,))
        self._check_vcpu(domain, "maintain by set/way", vcpu)
        if self.model.set_way is not None and vcpu not in domain.watched:
            self._maintain_used(domain, used)
            domain.watched.add(vcpu)

    def _check_vcpu(self, domain: SimulatedDomain, operation: str, vcpu: int) -> None:
        if not 0 <= vcpu < domain.vcpus:
            raise domain.error(operation, f"it has {domain.vcpus} vCPUs, and none with number {vcpu}")

    def _maintain_used(self, domain: SimulatedDomain, used: Ranges | None) -> None:
        all_ram = [(bank.base, bank.size) for bank in domain.banks]
        self._events.maintained(all_ram if used is None else used)

    def destroy(self, domain: SimulatedDomain) -> None:
        """See `Hypervisor.destroy`: a domain that the builder still maps is dying until it is unmapped."""
        self._check_state(domain, "destroy", _ALIVE)
        if domain.state is SimulatedDomainState.RUNNING:
            self._events.stopped(domain.banks, sorted(domain.started))
        domain.state = SimulatedDomainState.DYING
        self._free_if_unmapped(domain)

    def _unmap(self, mapping: SimulatedMapping) -> None:
        address, size, domain = mapping.address, mapping.size, mapping.domain
        self._events.unmapped(address, size)
        self._mapped.remove(address, address + size)
        domain.mapped -= 1
        self._free_if_unmapped(domain)

    def _free_if_unmapped(self, domain: SimulatedDomain) -> None:
        if domain.state is not SimulatedDomainState.DYING or domain.mapped:
            return
        for bank in domain.banks:
            self._events.freed(bank)
            self._allocated.remove(bank.base, bank.end)
            bank.free()
        domain.banks = ()
        domain.state = SimulatedDomainState.DEAD
        del self._domains[domain.domid]

    def _check_state(
        self, domain: SimulatedDomain, operation: str, states: tuple[SimulatedDomainState, ...]
    ) -> None:
        if domain.state not in states:
            raise domain.error(operation, f"it is {domain.state.value}")
        if self._domains.get(domain.domid) is not domain:
            raise domain.error(operation, "it belongs to another host")

    def _check_range(
        self,
        domain: SimulatedDomain,
        operation: str,
        address: int,
        size: int,
        states: tuple[SimulatedDomainState, ...],
    ) -> None:
        self._check_state(domain, operation, states)
        if address % PAGE_SIZE or size % PAGE_SIZE or size <= 0:
            raise domain.error(operation, f"{size:#x} bytes from there are not whole pages")
        if address < 0 or address + size > ADDRESS_LIMIT:
            raise domain.error(operation, f"{size:#x} bytes from there exceed the address space")

    def _bank_of(self, domain: SimulatedDomain, operation: str, address: int, size: int) -> RamBank:
        bank = domain.bank_of(address, size)
        if bank is None:
            raise domain.error(operation, f"{size:#x} bytes from there are not inside one bank of its RAM")
        return bank


if TYPE_CHECKING:
    _implements: type[Hypervisor[SimulatedDomain]] = SimulatedHost
