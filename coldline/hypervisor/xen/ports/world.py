# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything outside of this process that building on Xen touches, behind four doors."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from coldline.errors import HypervisorError
from coldline.hypervisor.protocol import Buffer
from coldline.hypervisor.xen.hypercalls import CallLibrary
from coldline.hypervisor.xen.store_entries import Tree


class DriverError(HypervisorError):
    """coldline's driver is not there, or is another."""


DEVICE: Final = "/dev/xen/coldline"
"""Of coldline's driver."""


class Foreign(Protocol):
    """Write-back mappings, and grant tables: `libraries.ForeignMemory`."""

    def map(self, domid: int, frames: Sequence[int]) -> int:
        """Map frames; return the address."""

    def unmap(self, address: int, count: int) -> None:
        """Unmap them."""

    def map_grant_table(self, domid: int) -> tuple[Any, int]:
        """Map a grant table's first frame."""

    def unmap_resource(self, resource: Any) -> None:
        """Unmap it."""


class Driver(Protocol):
    """Mappings with a memory type: `driver.Device`."""

    def map(self, domain: int, frames: Sequence[int], attr: int) -> int:
        """Map frames; return the address."""

    def replace(self, address: int, domain: int, frames: Sequence[int], attr: int) -> None:
        """Map others in their place."""

    def unmap(self, address: int, pages: int) -> None:
        """Unmap them."""

    def features(self) -> Any:
        """What the driver can do."""

    def query(self, address: int, flags: int = 0) -> Any:
        """What the hardware makes of an address."""


class Accesses(Protocol):
    """Accesses to what is mapped: `maintenance.Memory`."""

    def copy(self, address: int, data: Buffer) -> None:
        """Write bytes."""

    def view(self, address: int, size: int) -> memoryview:
        """The bytes at an address, to be written."""

    def clear(self, address: int, size: int) -> None:
        """Write zeros."""

    def clean_invalidate(self, address: int, size: int) -> None:
        """Clean and invalidate by address."""

    def cacheflush(self, address: int, size: int) -> None:
        """Clean to the point of unification by system call."""


class World(Protocol):
    """The doors. Each is opened when it is first asked for, and a driver or a store that is not there is an error."""

    @property
    def calls(self) -> CallLibrary:
        """Hypercalls."""

    @property
    def foreign(self) -> Foreign:
        """Write-back mappings of other domains' memory."""

    @property
    def has_driver(self) -> bool:
        """Whether coldline's driver is there."""

    @property
    def driver(self) -> Driver:
        """Mappings with a memory type.

        Raises
        ------
        DriverError
            If coldline's driver is not there; the message says how to build it.
        """

    @property
    def memory(self) -> Accesses:
        """Accesses to memory of this process."""

    @property
    def store(self) -> Tree:
        """Xenstore.

        Raises
        ------
        HypervisorError
            If xenstored does not answer.
        """
