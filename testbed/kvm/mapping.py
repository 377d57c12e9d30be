# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMM's mapping of a guest's memory, which is memory of its own process and stays mapped."""

from coldline.arm import MemoryType
from coldline.hypervisor.mapping import BoundedMapping
from coldline.hypervisor.protocol import Buffer, Data
from coldline.hypervisor.xen.bindings.maintenance import ProcessMemory
from testbed.kvm.domain import KvmDomain


class KvmMapping(BoundedMapping):
    """A part of a guest's memory; see `coldline.hypervisor.Mapping`.

    Parameters
    ----------
    domain : KvmDomain
        The guest.
    address, size : int
        Guest physical address of the first byte, and size in bytes.
    memory : ProcessMemory
        The memory of this process.
    """

    domain: KvmDomain
    memory_type = MemoryType.NORMAL_WB

    def __init__(self, domain: KvmDomain, address: int, size: int, memory: ProcessMemory) -> None:
        self.domain = domain
        self.address = address
        self.size = size
        self._max_size = size
        self._memory = memory
        self._open = True
        self._local = domain.local(address, size)

    def write(self, offset: int, data: Data) -> None:
        """See `Mapping.write`."""
        source = memoryview(data) if isinstance(data, Buffer) else data
        self._check("write", offset, source.nbytes)
        if isinstance(source, memoryview):
            self._memory.copy(self._local + offset, source)
        else:
            source.read_into(0, self._memory.view(self._local + offset, source.nbytes))

    def clean_invalidate(self, offset: int, size: int) -> None:
        """See `Mapping.clean_invalidate`."""
        self._check("dc civac", offset, size)
        if size:
            self._memory.clean_invalidate(self._local + offset, size)

    def cacheflush(self, offset: int, size: int) -> None:
        """See `Mapping.cacheflush`; arm64 Linux has no such call."""
        self._check("cacheflush", offset, size)
        raise self.domain.error(
            f"cacheflush {self.address + offset:#x}", "arm64 Linux has no cacheflush system call"
        )

    def move(self, address: int, size: int) -> None:
        """See `Mapping.move`."""
        self._check_move(address, size)
        self._local = self.domain.local(address, size)
        self.address, self.size = address, size

    def close(self) -> None:
        """See `Mapping.close`. The memory stays mapped in the VMM."""
        self._open = False
