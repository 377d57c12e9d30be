# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses the ranges of addresses that a drawing of a memory map magnifies.

A guest's RAM is gigabytes and its device tree a page. A window is a range of addresses, drawn to scale. Regions too
thin to see in one get a window of their own in the next column to the right, and so on, up to `_MOST_COLUMNS`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coldline.guest.plan import Plan
from coldline.report.memory_map import MapRegion, RegionKind, bank_regions, by_address

_THIN = 18.0
"""Pixels: segments that are thinner are magnified."""

_APART = 12.0
"""Pixels: thin segments that are nearer to one another than this share a window."""

_MOST_WINDOWS = 4
"""In a column."""

_MOST_COLUMNS = 6

_CONTEXT = 0.35
"""How much of its surroundings a window shows on either side, as a fraction of the range that it magnifies."""


@dataclass(slots=True)
class Window:
    """A range of addresses to be drawn to scale.

    Attributes
    ----------
    base, end : int
        Addresses; `end` is one past the last.
    regions : list of MapRegion
        The regions that are at least partly in it, by address.
    children : list of Window
        The windows that magnify parts of it, by address.
    told : list of MapRegion
        The segments that have their label beside it. Each segment has one label.
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
        """The height of `size` bytes in pixels, where the whole window has `height`."""
        return size * height / self.size


def windows(plan: Plan, height: float) -> Window:
    """Make the windows for a plan; return the first, which has all addresses up to the end of RAM.

    Parameters
    ----------
    plan : Plan
        The guest.
    height : float
        Pixels of a column.
    """
    end = max(bank.end for bank in plan.banks)
    # Devices past the end of RAM would leave no room for anything else.
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
    """The height of each of `count` windows in a column of `height`, with `HEADING` between them; in pixels."""
    return (height - (count - 1) * HEADING) / max(count, 1)


HEADING = 56.0
"""Pixels between two windows."""


def _tell(top: Window, height: float) -> None:
    """Choose the window for each segment's label: the first from the left that has all of it and shows it best."""
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
