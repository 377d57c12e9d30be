# SPDX-License-Identifier: GPL-2.0-or-later
"""The builder's mapping of a domain's memory on Xen."""

from collections.abc import Callable

from coldline.arm import MemoryType
from coldline.hypervisor.mapping import BoundedMapping
from coldline.hypervisor.protocol import Buffer, Data
from coldline.hypervisor.xen.bindings.protocols import MemoryPort
from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.failures import os_error_text
from coldline.hypervisor.xen.mapped_frames import MappedFrames


class XenMapping(BoundedMapping):
    """The builder's mapping of a domain's memory, from `XenHost.map_foreign`; see `coldline.hypervisor.Mapping`.

    Parameters
    ----------
    domain : XenDomain
        The domain whose memory this is.
    address, size : int
        Guest physical address of the first byte, and size in bytes.
    memory_type : MemoryType
        The memory type of the builder's accesses. If the driver made the mapping, the page tables have it.
    frames : MappedFrames
        The mapped frames.
    memory : MemoryPort
        The port to this process's memory.
    move : callable
        Called with this mapping and its new range.
    unmap : callable
        Called once, with this mapping, when it is closed.
    """

    domain: XenDomain

    def __init__(
        self,
        domain: XenDomain,
        address: int,
        size: int,
        memory_type: MemoryType,
        frames: MappedFrames,
        *,
        memory: MemoryPort,
        move: Callable[["XenMapping", int, int], None],
        unmap: Callable[["XenMapping"], None],
    ) -> None:
        self.domain = domain
        self.address = address
        self.memory_type = memory_type
        self.size = size
        self.frames = frames
        self._max_size = size
        self._memory = memory
        self._move = move
        self._unmap = unmap
        self._open = True

    @property
    def local_address(self) -> int:
        """Address of the first byte in this process."""
        return self.frames.local_address

    def write(self, offset: int, data: Data) -> None:
        """Copy `data` to the guest.

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
            if isinstance(source, memoryview):
                self._memory.copy(self.local_address + offset, source)
            else:
                source.read_into(0, self._memory.view(self.local_address + offset, source.nbytes))
        except OSError as error:
            raise self.domain.error(f"write {self.address + offset:#x}", os_error_text(error)) from error

    def clean_invalidate(self, offset: int, size: int) -> None:
        """Execute DC CIVAC from user space, and a barrier; does nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain is arm32, whose
            user space cannot maintain caches by address (Arm ARM DDI 0406 B3.18.6).
        """
        self._check("dc civac", offset, size)
        where = f"dc civac {self.address + offset:#x}"
        if self.domain.architecture != "arm64":
            raise self.domain.error(where, "arm32 user space has no maintenance to the point of coherency")
        try:
            if size:
                self._memory.clean_invalidate(self.local_address + offset, size)
        except OSError as error:
            raise self.domain.error(where, os_error_text(error)) from error

    def cacheflush(self, offset: int, size: int) -> None:
        """Call 32-bit Linux's cacheflush; does nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain or this process has 64 bits.
        """
        self._check("cacheflush", offset, size)
        where = f"cacheflush {self.address + offset:#x}"
        if self.domain.architecture != "arm32":
            raise self.domain.error(where, "arm64 Linux has no cacheflush system call")
        try:
            if size:
                self._memory.cacheflush(self.local_address + offset, size)
        except OSError as error:
            raise self.domain.error(where, os_error_text(error)) from error

    def move(self, address: int, size: int) -> None:
        """See `Mapping.move`."""
        self._check_move(address, size)
        self._move(self, address, size)
        self.address, self.size = address, size

    def close(self) -> None:
        """Unmap; does nothing if it is closed.

        Raises
        ------
        HypervisorError
            If it cannot be unmapped; its host retries before it destroys the domain.
        """
        if self._open:
            self._open = False
            self._unmap(self)
