# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol between a builder and a hypervisor, which every back end implements."""

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from coldline.arm import MemoryType
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.guest.plan import Registers


class ByteSource(Protocol):
    """Bytes that are read only when they are written to the guest, such as an initrd in its file."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes that start at `offset`."""


Buffer = bytes | bytearray | memoryview
"""Bytes in memory."""

Data = Buffer | ByteSource
"""Bytes to be written to a guest."""


class SourcePart(Record):
    """A range of a byte source, itself a `ByteSource`.

    Attributes
    ----------
    whole : ByteSource
        The source.
    start : int
        Offset of the first byte.
    nbytes : int
        Size in bytes.
    """

    whole: ByteSource
    start: int
    nbytes: int

    def read_into(self, offset: int, target: memoryview) -> None:
        """See `ByteSource.read_into`."""
        self.whole.read_into(self.start + offset, target)


def slice_data(data: Data, start: int, end: int) -> "memoryview | SourcePart":
    """Return the bytes of `data` from `start` up to `end`, without a copy."""
    if isinstance(data, Buffer):
        return memoryview(data).cast("B")[start:end]
    return SourcePart(data, start, end - start)


class Domain(Protocol):
    """A guest as its hypervisor sees it."""

    @property
    def domid(self) -> int:
        """The domain's number: positive, and not reused by the same hypervisor."""


DomainT = TypeVar("DomainT", bound=Domain)
"""The domain type of one back end."""


class Mapping(Protocol):
    """A live mapping of guest memory in the builder; as a context manager it unmaps itself on exit.

    After `close`, only `close` may be called again.
    """

    @property
    def address(self) -> int:
        """Guest physical address of the first byte, on a 4 KiB page."""

    @property
    def size(self) -> int:
        """Bytes mapped, whole 4 KiB pages."""

    @property
    def memory_type(self) -> MemoryType:
        """The memory type that the builder's accesses really have."""

    def write(self, offset: int, data: Data) -> None:
        """Copy `data` to the guest, `offset` bytes from the start of the mapping.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, or the mapping is closed.
        """

    def clean_invalidate(self, offset: int, size: int) -> None:
        """Clean and invalidate `size` bytes to the point of coherency, by address, from user space.

        DC CIVAC on every line that the range touches, then a barrier (Arm ARM DDI 0487 C5.3). User space can do that
        where SCTLR_EL1.UCI is set; on Armv7 it cannot.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or user space cannot do this.
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
        """Map other RAM of the domain instead, with the same memory type, and no larger than the first mapping.

        The old range is unmapped as by `close`; a back end may have a faster way to do both. After an error, only
        `close` may be called.

        Raises
        ------
        HypervisorError
            As `Hypervisor.map_foreign` does, or if the mapping is closed or was smaller when it was made.
        """

    def close(self) -> None:
        """Unmap, and return when the TLB invalidation has completed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Hypervisor(Protocol[DomainT]):
    """A hypervisor that can make a guest. Addresses and sizes are bytes, in whole 4 KiB pages.

    A method that cannot do exactly what is asked raises `HypervisorError`, which names the domain, the operation
    and the guest address. No request is accepted and then ignored.
    """

    @property
    def max_mapping(self) -> int:
        """Size of the largest possible mapping, in bytes, whole pages; the builder maps larger ranges in parts."""

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> DomainT:
        """Create a paused domain without memory.

        Parameters
        ----------
        architecture : str
            ``arm64`` or ``arm32``: the state in which the first vCPU starts.
        max_memory : int
            The most RAM that it may be given, in bytes.
        vcpus : int
            Number of virtual CPUs; only the first starts by itself.
        """

    def populate(self, domain: DomainT, address: int, size: int) -> None:
        """Give a domain scrubbed RAM at a guest physical address, before it starts."""

    def map_foreign(self, domain: DomainT, address: int, size: int, memory_type: MemoryType) -> Mapping:
        """Map RAM of a domain in the builder, at most `max_mapping` bytes, readable and writable.

        A back end that does not support the memory type refuses; it never maps with another one.
        """

    def flush(self, domain: DomainT, address: int, size: int) -> None:
        """Have the hypervisor clean and invalidate guest RAM to the point of coherency.

        XEN_DOMCTL_cacheflush, before the domain starts: afterwards Xen silently skips pages that the guest has
        not touched (xen xen/arch/arm/p2m.c (4.17)). A back end splits ranges that are too large for one hypercall
        (2^18 pages on Xen).
        """

    def set_registers(self, domain: DomainT, vcpu: int, registers: "Registers") -> None:
        """Set the registers of a vCPU, given by its number, before the domain first runs.

        Only vCPU 0 runs when the domain does; the guest starts the others.
        """

    def unpause(self, domain: DomainT) -> None:
        """Let a domain run for the first time; the registers of vCPU 0 must be set."""

    def destroy(self, domain: DomainT) -> None:
        """Destroy a domain; its memory is freed as soon as nothing maps it any more."""
