# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of a domain that this process maps: by coldline's driver, or, where that is not, by Xen's library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from coldline.arm import MemoryType

if TYPE_CHECKING:
    from coldline.hypervisor.xen.ports.world import Driver, Foreign, World

ATTRIBUTES: Final = {MemoryType.NORMAL_WB: 0xFF, MemoryType.NORMAL_NC: 0x44}
"""The types that a mapping can have, as MAIR_ELx has them."""


class ByDriver:
    """Frames that the driver maps.

    Attributes
    ----------
    place : int
        Where they are in this process.
    """

    def __init__(self, driver: "Driver", domid: int, frames: Sequence[int], attr: int) -> None:
        self._driver = driver
        self._domid = domid
        self._attr = attr
        self._pages = len(frames)
        self.place = driver.map(domid, frames, attr)

    def replace(self, frames: Sequence[int]) -> None:
        """Map others of the domain instead, no more than at first."""
        self._driver.replace(self.place, self._domid, frames, self._attr)

    def unmap(self) -> None:
        """Unmap them."""
        self._driver.unmap(self.place, self._pages)


class ByLibrary:
    """Frames that libxenforeignmemory maps: Normal write-back.

    Attributes
    ----------
    place : int
        Where they are in this process.
    """

    def __init__(self, foreign: "Foreign", domid: int, frames: Sequence[int]) -> None:
        self._foreign = foreign
        self._domid = domid
        self._map(frames)

    def _map(self, frames: Sequence[int]) -> None:
        self._pages = 0
        self.place = self._foreign.map(self._domid, frames)
        self._pages = len(frames)

    def replace(self, frames: Sequence[int]) -> None:
        """Map others of the domain instead, after these are unmapped."""
        self.unmap()
        self._map(frames)

    def unmap(self) -> None:
        """Unmap them, if they are mapped."""
        if self._pages:
            self._foreign.unmap(self.place, self._pages)


Shown = ByDriver | ByLibrary


def show(world: "World", domid: int, frames: Sequence[int], memory_type: MemoryType) -> Shown:
    """Map frames of a domain, all of them, in order.

    Raises
    ------
    DriverError
        If the type takes the driver, and it is not there.
    OSError
        If they cannot be mapped.
    """
    if memory_type is MemoryType.NORMAL_WB and not world.has_driver:
        return ByLibrary(world.foreign, domid, frames)
    return ByDriver(world.driver, domid, frames, ATTRIBUTES[memory_type])
