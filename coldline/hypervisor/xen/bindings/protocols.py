# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocols of everything outside this process that building on Xen uses: the system's, or a test's stand-ins."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from coldline.errors import HypervisorError
from coldline.hypervisor.protocol import Buffer

DRIVER_PATH: Final = "/dev/xen/coldline"
"""The device of coldline's driver."""

ATTR_NORMAL_NC: Final = 0x44
ATTR_NORMAL_WB: Final = 0xFF
"""Memory types as the driver takes them, in MAIR_ELx's encoding (Arm ARM DDI 0487, MAIR_EL1)."""

PERMISSION_NONE: Final = 0
PERMISSION_READ: Final = 1
"""A domain's permissions for an entry of xenstore: xenstore_lib.h (4.17), XS_PERM_*."""


class DriverError(HypervisorError):
    """coldline's driver is not loaded, or has another version."""


class HypercallPort(Protocol):
    """Makes hypercalls: `libraries.HypercallLibrary`."""

    buffer: int

    def call(self, name: str, op: int, *arguments: int) -> int:
        """Make a hypercall."""


class ForeignPort(Protocol):
    """Maps other domains' memory write-back, and grant tables: `libraries.ForeignMemoryLibrary`."""

    def map(self, domid: int, frames: Sequence[int]) -> int:
        """Map frames; return the address."""

    def unmap(self, address: int, count: int) -> None:
        """Undo `map`."""

    def map_grant_table(self, domid: int) -> tuple[Any, int]:
        """Map the first frame of a grant table; return its handle and the address."""

    def unmap_resource(self, resource: Any) -> None:
        """Undo `map_grant_table`."""


class DriverPort(Protocol):
    """Maps other domains' memory with a chosen memory type: `driver.DriverDevice`."""

    def map(self, domain: int, frames: Sequence[int], attr: int) -> int:
        """Map frames; return the address."""

    def replace(self, address: int, domain: int, frames: Sequence[int], attr: int) -> None:
        """Map other frames at the same address."""

    def unmap(self, address: int, pages: int) -> None:
        """Undo `map`."""


class MemoryPort(Protocol):
    """Accesses memory of this process, and maintains its caches: `maintenance.ProcessMemory`."""

    def copy(self, address: int, data: Buffer) -> None:
        """Copy `data` to an address."""

    def view(self, address: int, size: int) -> memoryview:
        """Return the bytes at an address, writable."""

    def clean_invalidate(self, address: int, size: int) -> None:
        """Clean and invalidate by address, to the point of coherency."""

    def cacheflush(self, address: int, size: int) -> None:
        """Clean to the point of unification, by Linux's system call."""


class StorePort(Protocol):
    """Reads and writes xenstore: `store.Store`."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> bool:
        """End the transaction; return False if it conflicted and must be repeated."""

    def abandon(self) -> None:
        """End the transaction without a change."""

    def read(self, path: str) -> bytes | None:
        """Return an entry's value, or None if there is no such entry."""

    def list(self, path: str) -> list[str]:
        """Return the names of the entries directly below one; empty if it does not exist."""

    def write(self, path: str, value: str) -> None:
        """Set an entry."""

    def make(self, path: str) -> None:
        """Create an entry without a value."""

    def remove(self, path: str) -> None:
        """Remove an entry and everything below it."""

    def permit(self, path: str, *permissions: tuple[int, int]) -> None:
        """Set an entry's permissions, as pairs of a domain and what it may do."""

    def watch(self, path: str) -> None:
        """Ask for an event whenever something changes below a path, or for one of xenstored's own, such as
        ``@releaseDomain``.
        """

    def await_event(self) -> None:
        """Wait until a watch has an event. The first one comes at once."""

    def introduce(self, domid: int, frame: int, port: int) -> None:
        """Tell xenstored where a domain's ring and event channel are."""


class RecordPort(Protocol):
    """Writes the records in which libxl keeps what it knows of domains: `records.RecordFolder`."""

    def write(self, domid: int, uuid: str, text: str) -> None:
        """Write a domain's record."""

    def remove(self, domid: int, uuid: str) -> None:
        """Remove everything that libxl keeps of a domain."""

    def move(self, domid: int, old: str, new: str) -> None:
        """Keep a domain's record under another UUID of it."""


class ScriptPort(Protocol):
    """Runs hotplug scripts: `scripts.ScriptRunner`."""

    def run(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a script with arguments and more environment; return its exit status."""


class Bindings(Protocol):
    """All bindings. Each is opened when it is first used; a missing driver or xenstored is an error only then.

    Everything in `coldline.hypervisor.xen` reaches the system through this object, so that tests can replace it,
    count its calls and make any of them fail.
    """

    @property
    def calls(self) -> HypercallPort:
        """Hypercalls."""

    @property
    def foreign(self) -> ForeignPort:
        """Write-back mappings of other domains' memory."""

    @property
    def has_driver(self) -> bool:
        """Whether coldline's driver is loaded."""

    @property
    def driver(self) -> DriverPort:
        """Mappings with a chosen memory type.

        Raises
        ------
        DriverError
            If coldline's driver is not loaded; the message says how to build it.
        """

    @property
    def memory(self) -> MemoryPort:
        """Memory of this process."""

    @property
    def records(self) -> RecordPort:
        """Libxl's records of domains."""

    @property
    def scripts(self) -> ScriptPort:
        """Hotplug scripts."""

    @property
    def store(self) -> StorePort:
        """Xenstore.

        Raises
        ------
        HypervisorError
            If xenstored does not answer.
        """
