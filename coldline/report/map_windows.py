# SPDX-License-Identifier: GPL-2.0-or-later
"""What a drawing of a memory map magnifies: a guest's RAM is gigabytes and its device tree a page.

A window is a range of addresses, drawn to scale. What is too thin in one is magnified in a window of its own, one
column to the right, as often as it takes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coldline.guest.plan import Plan
from coldline.report.memory_map import MapRegion, RegionKind, bank_regions, by_address

_THIN = 18.0
"""Pixels: what has fewer is magnified."""

_APART = 12.0
"""Pixels: thin things that are nearer to one another than that share a window."""

_MOST_WINDOWS = 4
"""Side by side in a column."""

_MOST_COLUMNS = 6

_CONTEXT = 0.35
"""How much of its surroundings a window shows on either side, as a part of what it magnifies."""


@dataclass(slots=True)
class Window:
    """A range of addresses to be drawn to scale.

    Attributes
    ----------
    base, end : int
        Addresses; `end` is one past the last.
    regions : list of MapRegion
        What is in it, at least in part, by address.
    children : list of Window
        What magnifies parts of it, by address.
    told : list of MapRegion
        The segments that are told of beside it: each is beside one window.
    """

    base: int
    end: int
    regions: list[MapRegion]
    children: "list[Window]" = field(default_factory=list)
    told: list[MapRegion] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.base

    def pixels(self, size: int, height: float) -> float:
        """How high `size` bytes are where all of the window has `height` pixels."""
        return size * height / self.size


def windows(plan: Plan, height: float) -> Window:
    """The windows that show all of a plan; the first has the whole address space, up to the end of RAM.

    Parameters
    ----------
    plan : Plan
        The guest.
    height : float
        Pixels of a column.
    """
    end = max(bank.end for bank in plan.banks)
    # What is past the end of RAM would take the room of all the rest.
    top = Window(0, end, [region for region in by_address(plan) if region.end <= end])
    for bank in plan.banks:
        regions = bank_regions(plan, bank)
        if any(region.kind is RegionKind.SEGMENT for region in regions):
            top.children.append(Window(bank.base, bank.end, regions))
    column = top.children
    for _ in range(_MOST_COLUMNS - 2):
        each_height = window_height(height, len(column))
        for window in column:
            window.children = _magnified(window, each_height)
        column = [child for window in column for child in window.children]
        if not column:
            break
    _tell(top, height)
    return top


def columns(top: Window) -> Iterator[list[Window]]:
    """The windows by column, from the left."""
    column = [top]
    while column:
        yield column
        column = [child for window in column for child in window.children]


def window_height(height: float, count: int) -> float:
    """Pixels of each of `count` windows in a column of `height`, with room for a heading between them."""
    return (height - (count - 1) * HEADING) / max(count, 1)


HEADING = 56.0
"""Pixels between two windows."""


def _tell(top: Window, height: float) -> None:
    """Choose for each segment the first window, from the left, that has all of it and magnifies it no further."""
    told: set[MapRegion] = set()
    for column in columns(top):
        each_height = window_height(height, len(column))
        for window in column:
            window.told = [
                region
                for region in window.regions
                if region.kind is RegionKind.SEGMENT
                and region not in told
                and _is_home(window, region, each_height)
            ]
            told.update(window.told)


def _is_home(window: Window, region: MapRegion, height: float) -> bool:
    if region.base < window.base or region.end > window.end:
        return False
    if window.pixels(region.size, height) >= _THIN:
        return True
    return not any(child.base <= region.base and region.end <= child.end for child in window.children)


def _magnified(window: Window, height: float) -> list[Window]:
    thin = [
        region
        for region in window.regions
        if region.kind is RegionKind.SEGMENT and window.pixels(region.size, height) < _THIN
    ]
    apart = _APART
    groups = _groups(window, thin, height, apart)
    while len(groups) > _MOST_WINDOWS:
        apart *= 2
        groups = _groups(window, thin, height, apart)
    return [child for child in (_around(window, group) for group in groups) if child.size * 2 < window.size]


def _groups(window: Window, thin: Sequence[MapRegion], height: float, apart: float) -> list[list[MapRegion]]:
    groups: list[list[MapRegion]] = []
    for region in thin:
        if groups and window.pixels(region.base - groups[-1][-1].end, height) < apart:
            groups[-1].append(region)
        else:
            groups.append([region])
    return groups


def _around(window: Window, group: Sequence[MapRegion]) -> Window:
    base, end = group[0].base, group[-1].end
    # A round number of bytes: the window's ends are written beside it.
    context = 1 << max(0, int((end - base) * _CONTEXT).bit_length() - 1)
    base = max(window.base, (base - context) // context * context)
    end = min(window.end, -(-(end + context) // context) * context)
    return Window(base, end, [each for each in window.regions if each.base < end and base < each.end])
