# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of a domain that this process maps, by coldline's driver or by Xen's library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from coldline.arm import MemoryType
from coldline.hypervisor.xen.bindings.protocols import ATTR_NORMAL_NC, ATTR_NORMAL_WB

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings, DriverPort, ForeignPort

ATTRIBUTES: Final = {MemoryType.NORMAL_WB: ATTR_NORMAL_WB, MemoryType.NORMAL_NC: ATTR_NORMAL_NC}
"""The memory types that a mapping can have, with the driver's value of each."""


class DriverFrames:
    """Frames that coldline's driver maps.

    Attributes
    ----------
    local_address : int
        Where they are mapped in this process.
    """

    def __init__(self, driver: "DriverPort", domid: int, frames: Sequence[int], attr: int) -> None:
        self._driver = driver
        self._domid = domid
        self._attr = attr
        self._pages = len(frames)
        self.local_address = driver.map(domid, frames, attr)

    def replace(self, frames: Sequence[int]) -> None:
        """Map other frames of the domain instead, no more than at first."""
        self._driver.replace(self.local_address, self._domid, frames, self._attr)

    def unmap(self) -> None:
        """Unmap the frames."""
        self._driver.unmap(self.local_address, self._pages)


class LibraryFrames:
    """Frames that libxenforeignmemory maps, which is always Normal write-back.

    Attributes
    ----------
    local_address : int
        Where they are mapped in this process.
    """

    def __init__(self, foreign: "ForeignPort", domid: int, frames: Sequence[int]) -> None:
        self._foreign = foreign
        self._domid = domid
        self._map(frames)

    def _map(self, frames: Sequence[int]) -> None:
        self._pages = 0
        self.local_address = self._foreign.map(self._domid, frames)
        self._pages = len(frames)

    def replace(self, frames: Sequence[int]) -> None:
        """Unmap the frames, then map other frames of the domain instead."""
        self.unmap()
        self._map(frames)

    def unmap(self) -> None:
        """Unmap the frames, if they are mapped."""
        if self._pages:
            self._foreign.unmap(self.local_address, self._pages)


MappedFrames = DriverFrames | LibraryFrames


def map_frames(
    bindings: "Bindings", domid: int, frames: Sequence[int], memory_type: MemoryType
) -> MappedFrames:
    """Map all of `frames`, in order.

    Raises
    ------
    DriverError
        If the memory type needs the driver, and it is not loaded.
    OSError
        If a frame cannot be mapped.
    """
    if memory_type is MemoryType.NORMAL_WB and not bindings.has_driver:
        return LibraryFrames(bindings.foreign, domid, frames)
    return DriverFrames(bindings.driver, domid, frames, ATTRIBUTES[memory_type])
