# SPDX-License-Identifier: GPL-2.0-or-later
"""The builder's mapping of a domain's memory on Xen."""

from collections.abc import Callable, Iterator
from typing import Final

from coldline.arm import MemoryType
from coldline.hypervisor.mapping import Bounded
from coldline.hypervisor.protocol import Buffer, Data
from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.naming import reason
from coldline.hypervisor.xen.world import Accesses
from coldline.record import Record

PAGE: Final = 4096


class Piece(Record):
    """Consecutive pages of this process that show consecutive frames of a domain.

    Attributes
    ----------
    start : int
        Bytes from the start of the mapping.
    size : int
        Bytes.
    place : int
        Where it is in this process.
    """

    start: int
    size: int
    place: int


class XenMapping(Bounded):
    """See `coldline.hypervisor.Mapping`. Made by `XenHost.map_foreign` alone.

    Parameters
    ----------
    domain : XenDomain
        Whose memory.
    address : int
        Guest physical address of the first byte.
    memory_type : MemoryType
        Of the builder's accesses, by the hardware's tables where the driver made the mapping.
    pieces : list of Piece
        Where it is, lowest first.
    memory : Accesses
        What writes to this process's memory.
    unmap : callable
        Called once, with this mapping, when it is closed.
    """

    domain: XenDomain

    def __init__(
        self,
        domain: XenDomain,
        address: int,
        memory_type: MemoryType,
        pieces: list[Piece],
        *,
        memory: Accesses,
        unmap: Callable[["XenMapping"], None],
    ) -> None:
        self.domain = domain
        self.address = address
        self.memory_type = memory_type
        self.size = sum(piece.size for piece in pieces)
        self.pieces = pieces
        self._memory = memory
        self._unmap = unmap
        self._open = True

    @property
    def place(self) -> int:
        """Where the first byte is in this process."""
        return self.pieces[0].place

    def write(self, offset: int, data: Data) -> None:
        """Copy `data` to the guest, once.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, or the mapping is closed.
        """
        source = memoryview(data) if isinstance(data, Buffer) else data
        self._check("write", offset, source.nbytes)
        if not source.nbytes:
            return
        try:
            for place, start, end in self._places(offset, source.nbytes):
                if isinstance(source, memoryview):
                    self._memory.copy(place, source.cast("B")[start:end])
                else:
                    source.read_into(start, self._memory.view(place, end - start))
        except OSError as error:
            raise self.domain.error(f"write {self.address + offset:#x}", reason(error)) from error

    def clean_invalidate(self, offset: int, size: int) -> None:
        """DC CIVAC from user space, and a barrier; nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain is of arm32, whose
            user space cannot maintain caches by address (Arm ARM DDI 0406 B3.18.6).
        """
        self._check("dc civac", offset, size)
        where = f"dc civac {self.address + offset:#x}"
        if self.domain.architecture != "arm64":
            raise self.domain.error(where, "arm32 user space has no maintenance to the point of coherency")
        try:
            for place, start, end in self._places(offset, size):
                self._memory.clean_invalidate(place, end - start)
        except OSError as error:
            raise self.domain.error(where, reason(error)) from error

    def cacheflush(self, offset: int, size: int) -> None:
        """Linux's system call of 32-bit user space; nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain or this process is of 64 bits.
        """
        self._check("cacheflush", offset, size)
        where = f"cacheflush {self.address + offset:#x}"
        if self.domain.architecture != "arm32":
            raise self.domain.error(where, "arm64 Linux has no cacheflush system call")
        try:
            for place, start, end in self._places(offset, size):
                self._memory.cacheflush(place, end - start)
        except OSError as error:
            raise self.domain.error(where, reason(error)) from error

    def close(self) -> None:
        """Unmap; once closed, nothing.

        Raises
        ------
        HypervisorError
            If part of it cannot be unmapped; the rest is, and its host tries that part again before it destroys
            the domain.
        """
        if self._open:
            self._open = False
            self._unmap(self)

    def _places(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """The parts of a range, piece by piece: where in this process, and from where to where in the range."""
        for piece in self.pieces:
            start, end = max(offset, piece.start), min(offset + size, piece.start + piece.size)
            if start < end:
                yield piece.place + start - piece.start, start - offset, end - offset
