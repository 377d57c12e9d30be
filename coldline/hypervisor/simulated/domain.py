# SPDX-License-Identifier: GPL-2.0-or-later
"""A simulated domain: its RAM, registers and state."""

import contextlib
import enum
import mmap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coldline.errors import HypervisorError
from coldline.hypervisor.model import HostModel
from coldline.support.zeroed_memory import zeros

if TYPE_CHECKING:
    from coldline.guest.plan import Registers
    from coldline.hypervisor.protocol import ByteSource

_LONG = 4 << 20
"""Writes of at least this many bytes ask for huge pages."""


class SimulatedDomainState(enum.Enum):
    """The state of a simulated domain."""

    PAUSED = "paused"
    """Being built."""

    RUNNING = "running"

    DYING = "dying"
    """Destroyed, but its memory is still mapped."""

    DEAD = "dead"
    """Its memory is free."""


@dataclass(frozen=True, slots=True)
class RamBank:
    """A range of a domain's RAM, and the bytes in it.

    Attributes
    ----------
    base, size : int
        Its guest physical range, in bytes. Domains are direct-mapped, so these are machine addresses too.
    buffer : memoryview of uint8, shape (size,)
        The bytes themselves, writable: ``(c_char * bank.size).from_buffer(bank.buffer)`` is what Unicorn's
        ``mem_map_ptr`` takes. A page takes memory once it is written, and is freed when neither the domain
        nor an export of the buffer uses it any more.
    """

    base: int
    size: int
    buffer: memoryview = field(repr=False)
    _pages: mmap.mmap = field(repr=False)

    @classmethod
    def allocate(cls, base: int, size: int) -> "RamBank":
        """Allocate zeroed RAM.

        Raises
        ------
        OSError
            If this process cannot have that much address space.
        """
        pages = zeros(size)
        return cls(base, size, memoryview(pages), pages)

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.size

    def store(self, address: int, data: "memoryview | ByteSource") -> None:
        """Copy bytes to a guest physical address of the bank.

        Long writes use huge pages where the system has them: allocating thousands of small pages takes longer than
        filling them.
        """
        start = address - self.base
        if data.nbytes >= _LONG and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):
                whole = start // mmap.PAGESIZE * mmap.PAGESIZE
                self._pages.madvise(mmap.MADV_HUGEPAGE, whole, start + data.nbytes - whole)
        target = self.buffer[start : start + data.nbytes]
        if isinstance(data, memoryview):
            target[:] = data.cast("B")
        else:
            data.read_into(0, target)

    def free(self) -> None:
        """Release the bytes; an export of `buffer` that is still in use keeps them."""
        with contextlib.suppress(BufferError):
            self.buffer.release()
            self._pages.close()


@dataclass(slots=True, eq=False)
class SimulatedDomain:
    """A guest on a simulated host. Only its host changes it.

    Attributes
    ----------
    domid : int
        Its number.
    architecture : str
        ``arm64`` or ``arm32``.
    model : HostModel
        The model of its host.
    max_memory : int
        The most RAM that it may have, in bytes.
    vcpus : int
        Number of virtual CPUs.
    state : SimulatedDomainState
        Its state.
    banks : tuple of RamBank
        Its RAM, in the order in which it was populated; none once it is dead.
    registers : dict of int to Registers
        The first registers of each vCPU, by its number, once they are set.
    mapped : int
        Number of live mappings of its memory in the builder.
    maintained_at_first_run : bool
        Whether its host's `first_run` rule is to be carried out as it is unpaused.
    started : set of int
        The vCPUs that have run.
    watched : set of int
        The vCPUs at whose switches of MMU and caches the host acts (HCR_EL2.TVM of each).
    caches_on : set of int
        The vCPUs that have both on.
    """

    domid: int
    architecture: str
    model: HostModel
    max_memory: int
    vcpus: int
    state: SimulatedDomainState = SimulatedDomainState.PAUSED
    banks: tuple[RamBank, ...] = ()
    registers: "dict[int, Registers]" = field(default_factory=dict)
    mapped: int = 0
    maintained_at_first_run: bool = False
    started: set[int] = field(default_factory=set)
    watched: set[int] = field(default_factory=set)
    caches_on: set[int] = field(default_factory=set)

    def error(self, operation: str, reason: str) -> HypervisorError:
        """Return the error for an operation on this domain that failed."""
        return HypervisorError(f"domain {self.domid}: {operation}: {reason}")

    def bank_of(self, address: int, size: int) -> RamBank | None:
        """Return the bank that contains all of a range, or None."""
        for bank in self.banks:
            if bank.base <= address and address + size <= bank.end:
                return bank
        return None
