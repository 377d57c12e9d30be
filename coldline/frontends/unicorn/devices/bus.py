# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus: finds the device at a physical address, and notes what was used and what was read last."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coldline.frontends.unicorn.devices.constant import Constant
from coldline.frontends.unicorn.devices.device import Device
from coldline.support.units import PAGE_SIZE

_UNKNOWN = "no known device"

MAX_UNKNOWN = 4096
"""The most pages without a device of which the use is noted."""


class Load(NamedTuple):
    """A load from a device.

    Attributes
    ----------
    device : str
        The device's name.
    address, size, value : int
        The physical address, the number of bytes, and what they were.
    pc : int
        The virtual address of the instruction.
    """

    device: str
    address: int
    size: int
    value: int
    pc: int


class Bus:
    """All devices of a machine.

    Parameters
    ----------
    devices : sequence of Device
        Where two overlap, the first one is used.
    ram : iterable of (base, size)
        RAM, in whole pages; no device is there.
    unknown_reads_zero : bool
        Whether addresses without a device read as zero; else they are not on the bus, except for what shares a page
        with a device.
    end : int
        The end of the physical address space.

    Attributes
    ----------
    regions : list of (base, size)
        The addresses on the bus, in whole pages.
    used : dict of str
        The names and addresses of the devices that were used, in the order of their first use.
    last_load : Load or None
        The last load from a device.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        ram: Iterable[tuple[int, int]],
        *,
        unknown_reads_zero: bool,
        end: int,
    ) -> None:
        edges = {0, *(each.base for each in devices), *(each.base + each.size for each in devices)}
        self._starts = sorted(edges)
        self._from = [_first_at(devices, start) for start in self._starts]
        self._nothing = Constant(0, end, name=_UNKNOWN)
        self._pages: set[int] = set()
        self.used: dict[str, None] = {}
        self.last_load: Load | None = None
        wanted = [(0, end)] if unknown_reads_zero else [_pages_of(device) for device in devices]
        self.regions = _without(_united(wanted), sorted((base, base + size) for base, size in ram))

    def read(self, address: int, size: int, pc: int) -> int:
        """Return what a load by the instruction at `pc` reads."""
        device = self._device_at(address)
        value = device.read(address - device.base, size)
        self.last_load = Load(device.name, address, size, value, pc)
        return value

    def write(self, address: int, size: int, value: int) -> None:
        """Take a store."""
        device = self._device_at(address)
        device.write(address - device.base, size, value)

    def is_steady(self, address: int) -> bool:
        """Whether a load from there changes nothing: see `Device`."""
        return self._device_at(address).steady

    def _device_at(self, address: int) -> Device:
        device = self._from[bisect_right(self._starts, address) - 1]
        if device is not None:
            self.used[f"{device.name} at {device.base:#x}"] = None
            return device
        page = address - address % PAGE_SIZE
        if page not in self._pages and len(self._pages) < MAX_UNKNOWN:
            self._pages.add(page)
            self.used[f"{_UNKNOWN} at {page:#x}"] = None
        return self._nothing


def _first_at(devices: Sequence[Device], address: int) -> Device | None:
    return next((each for each in devices if each.base <= address < each.base + each.size), None)


def _pages_of(device: Device) -> tuple[int, int]:
    start = device.base - device.base % PAGE_SIZE
    return start, -(-(device.base + device.size) // PAGE_SIZE) * PAGE_SIZE


def _united(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that overlap or touch; each is its two ends."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def _without(ranges: Iterable[tuple[int, int]], holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the bases and sizes of what is left of ranges outside of sorted holes; each is its two ends."""
    left = []
    for start, end in ranges:
        at = start
        for low, high in holes:
            if high > at and low < end:
                if low > at:
                    left.append((at, low - at))
                at = high
        if at < end:
            left.append((at, end - at))
    return left
