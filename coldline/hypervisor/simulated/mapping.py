# SPDX-License-Identifier: GPL-2.0-or-later
"""The builder's mapping of a simulated domain's memory."""

from collections.abc import Callable

from coldline.arm import MemoryType
from coldline.events import Op
from coldline.hypervisor.mapping import BoundedMapping
from coldline.hypervisor.model_events import HostEvents
from coldline.hypervisor.protocol import Buffer, Data
from coldline.hypervisor.simulated.domain import RamBank, SimulatedDomain


class SimulatedMapping(BoundedMapping):
    """The builder's mapping of simulated RAM, from `SimulatedHost.map_foreign`; see `coldline.hypervisor.Mapping`.

    Parameters
    ----------
    domain : SimulatedDomain
        The domain whose memory this is.
    bank : RamBank
        The bank that contains it.
    address, size : int
        The range, whole pages in `bank`.
    memory_type : MemoryType
        The memory type of the builder's accesses.
    events : HostEvents
        Receives what the builder does through the mapping.
    move : callable
        Called with this mapping and its new range; returns the bank that contains that range.
    unmap : callable
        Called once, with this mapping, when it is closed.
    """

    domain: SimulatedDomain

    def __init__(
        self,
        domain: SimulatedDomain,
        bank: RamBank,
        address: int,
        size: int,
        memory_type: MemoryType,
        *,
        events: HostEvents,
        move: Callable[["SimulatedMapping", int, int], RamBank],
        unmap: Callable[["SimulatedMapping"], None],
    ) -> None:
        self.domain = domain
        self.address = address
        self.size = size
        self.memory_type = memory_type
        self._bank = bank
        self._max_size = size
        self._events = events
        self._move = move
        self._unmap = unmap
        self._open = True

    def write(self, offset: int, data: Data) -> None:
        """Copy `data` to the guest.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, or the mapping is closed.
        """
        source = memoryview(data) if isinstance(data, Buffer) else data
        self._check("write", offset, source.nbytes)
        if source.nbytes:
            self._bank.store(self.address + offset, source)
            self._event(Op.WRITE, offset, source.nbytes)

    def clean_invalidate(self, offset: int, size: int) -> None:
        """Record DC CIVAC by the builder; does nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain is arm32, whose
            user space cannot maintain caches by address (Arm ARM DDI 0406 B3.18.6).
        """
        self._check("dc civac", offset, size)
        if self.domain.architecture != "arm64":
            where = f"dc civac {self.address + offset:#x}"
            raise self.domain.error(where, "arm32 user space has no maintenance to the point of coherency")
        if size:
            self._event(Op.DC_CIVAC, offset, size)

    def cacheflush(self, offset: int, size: int) -> None:
        """Record DC CVAU and IC IVAU by the builder (Armv7: DCCMVAU and ICIMVAU); does nothing for a size of 0.

        Raises
        ------
        HypervisorError
            If any of it lies outside the mapping, the mapping is closed, or the domain is arm64.
        """
        self._check("cacheflush", offset, size)
        if self.domain.architecture != "arm32":
            where = f"cacheflush {self.address + offset:#x}"
            raise self.domain.error(where, "arm64 Linux has no cacheflush system call")
        if size:
            self._event(Op.DC_CVAU, offset, size)
            self._event(Op.IC_IVAU, offset, size)

    def move(self, address: int, size: int) -> None:
        """See `Mapping.move`."""
        self._check_move(address, size)
        self._bank = self._move(self, address, size)
        self.address, self.size = address, size

    def close(self) -> None:
        """Unmap; does nothing if it is closed."""
        if self._open:
            self._open = False
            self._unmap(self)

    def _event(self, op: Op, offset: int, size: int) -> None:
        self._events.builder_did(op, self.address + offset, size)
