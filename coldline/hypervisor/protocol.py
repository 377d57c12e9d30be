# SPDX-License-Identifier: GPL-2.0-or-later
"""What a builder asks of a hypervisor: the one protocol that every back end speaks."""

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from coldline.arm import MemoryType
from coldline.support.record import Record

if TYPE_CHECKING:
    from coldline.guest.plan import Registers


class ByteSource(Protocol):
    """Bytes that are elsewhere until they are wanted: an initrd in its file."""

    @property
    def nbytes(self) -> int:
        """How many there are."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `offset` on."""


Buffer = bytes | bytearray | memoryview
"""Bytes in memory."""

Data = Buffer | ByteSource
"""Bytes to be written to a guest."""


class SourcePart(Record):
    """A part of a source.

    Attributes
    ----------
    whole : ByteSource
        Of what.
    start : int
        Its first byte.
    nbytes : int
        How many there are.
    """

    whole: ByteSource
    start: int
    nbytes: int

    def read_into(self, offset: int, target: memoryview) -> None:
        """See `ByteSource.read_into`."""
        self.whole.read_into(self.start + offset, target)


def slice_data(data: Data, start: int, end: int) -> "memoryview | SourcePart":
    """The bytes of `data` from `start` to before `end`, not copied."""
    if isinstance(data, Buffer):
        return memoryview(data).cast("B")[start:end]
    return SourcePart(data, start, end - start)


class Domain(Protocol):
    """A guest, as its hypervisor knows it."""

    @property
    def domid(self) -> int:
        """The domain's number: positive, and never used again by the same hypervisor."""


DomainT = TypeVar("DomainT", bound=Domain)
"""The domains of one back end."""


class Mapping(Protocol):
    """A live mapping of guest memory in the builder; as a context manager it unmaps itself on exit.

    No method may be called after `close`, which alone may be called again.
    """

    @property
    def address(self) -> int:
        """Guest physical address of the first byte, on a 4 KiB page."""

    @property
    def size(self) -> int:
        """Bytes mapped, whole 4 KiB pages."""

    @property
    def memory_type(self) -> MemoryType:
        """The memory type that the builder's accesses have: what was honoured, not what was hoped for."""

    def write(self, offset: int, data: Data) -> None:
        """Copy `data` to the guest, `offset` bytes from the start of the mapping; nothing for no data.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, or the mapping is closed.
        """

    def clean_invalidate(self, offset: int, size: int) -> None:
        """Clean and invalidate `size` bytes to the point of coherency, by address, from user space.

        DC CIVAC on every line that the range touches, then a barrier (Arm ARM DDI 0487 C5.3); user space
        may where SCTLR_EL1.UCI is set, and Armv7 has no such thing.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or user space cannot.
        """

    def cacheflush(self, offset: int, size: int) -> None:
        """Clean `size` bytes to the point of unification and invalidate instruction caches, by Linux's system call.

        Armv7's ``cacheflush``, which is DCCMVAU on every line that the range touches, a barrier, ICIMVAU on every
        line, and another (linux arch/arm/kernel/traps.c do_cache_op, arch/arm/mm/cache-v7.S v7_coherent_user_range
        (6.1)). arm64 Linux has no such call.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or there is no such call.
        """

    def move(self, address: int, size: int) -> None:
        """Map other RAM of the domain instead, with the same memory type: at most as much as at first.

        What was mapped is unmapped, as by `close`; a back end may have a quicker way to do both. If it fails, what
        remains to be done is `close`.

        Raises
        ------
        HypervisorError
            As `Hypervisor.map_foreign` does, or if the mapping is closed, or had less at first.
        """

    def close(self) -> None:
        """Unmap, and return when the TLB invalidation has completed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Hypervisor(Protocol[DomainT]):
    """A hypervisor that can make a guest. Addresses and sizes are bytes, in whole 4 KiB pages.

    Every method raises `HypervisorError`, naming the domain, the operation and the guest address, where it
    cannot do exactly what is asked: nothing is accepted and then dropped.
    """

    @property
    def max_mapping(self) -> int:
        """Bytes of the largest mapping, whole pages: what is larger is mapped part by part."""

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> DomainT:
        """Make a paused domain without memory.

        Parameters
        ----------
        architecture : str
            ``arm64`` or ``arm32``: the state in which the first vCPU starts.
        max_memory : int
            Bytes of RAM that it may be given at most.
        vcpus : int
            How many virtual CPUs it has; only the first starts by itself.
        """

    def populate(self, domain: DomainT, address: int, size: int) -> None:
        """Give a domain scrubbed RAM at a guest physical address, before it first runs."""

    def map_foreign(self, domain: DomainT, address: int, size: int, memory_type: MemoryType) -> Mapping:
        """Map RAM of a domain in the builder, at most `max_mapping` of it, readable and writable.

        A back end that cannot give the memory type asked for refuses; it never maps with another.
        """

    def flush(self, domain: DomainT, address: int, size: int) -> None:
        """Have the hypervisor clean and invalidate guest RAM to the point of coherency.

        XEN_DOMCTL_cacheflush, before the domain first runs: afterwards Xen passes over pages that the guest
        has not touched, and says nothing (xen xen/arch/arm/p2m.c (4.17)). A back end splits ranges past what
        one hypercall takes (2^18 pages on Xen).
        """

    def set_registers(self, domain: DomainT, vcpu: int, registers: "Registers") -> None:
        """Set the registers of a vCPU, given by its number, before the domain first runs.

        Only vCPU 0 runs when the domain does; the guest starts the others.
        """

    def unpause(self, domain: DomainT) -> None:
        """Let a domain run for the first time; the registers of vCPU 0 must be set."""

    def destroy(self, domain: DomainT) -> None:
        """End a domain and free its memory, as soon as nothing maps it any more."""
