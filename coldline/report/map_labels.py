# SPDX-License-Identifier: GPL-2.0-or-later
"""The labels beside the bars of a memory map: their text, and their places."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from coldline.guest.plan import Plan
from coldline.report.map_windows import Window
from coldline.report.memory_map import MapRegion, RegionKind, loaded_text
from coldline.report.plan_layout import rounded_size
from coldline.support.printable import shortened

LINE_HEIGHT = 14.0
"""Pixels."""

_BETWEEN = 7.0
"""The least distance between two labels, in pixels."""

_WAY_HEIGHT = 8.0

_MOST_DEVICES = 14

_WHY_WIDTH = 38
"""Characters."""


class Box(NamedTuple):
    """The rectangle of a window in the drawing, in pixels."""

    window: Window
    x: float
    y: float
    width: float
    height: float

    def at(self, address: int) -> float:
        """The y coordinate of an address; low addresses are at the bottom. Addresses outside are at the edge."""
        inside = min(max(address, self.window.base), self.window.end)
        return self.y + self.height - self.window.pixels(inside - self.window.base, self.height)


class Label(NamedTuple):
    """A label beside a bar; or, with `child`, the connection to the bar that magnifies a part of this one.

    Attributes
    ----------
    upper, lower : float
        The y coordinates of the region, or of the magnified part.
    lines : tuple of pairs of str
        The style (``bold``, ``mono``, ``soft`` or empty) and the text of each line.
    child : Box or None
        The magnifying bar.
    """

    upper: float
    lower: float
    lines: tuple[tuple[str, str], ...] = ()
    child: Box | None = None

    @property
    def at(self) -> float:
        """The y coordinate of its middle."""
        return (self.upper + self.lower) / 2

    @property
    def height(self) -> float:
        """Pixels."""
        return _WAY_HEIGHT if self.child is not None else len(self.lines) * LINE_HEIGHT


def overview_labels(box: Box) -> list[Label]:
    """Labels for RAM, and for the largest devices."""
    named = sorted(box.window.regions, key=lambda region: (region.kind is RegionKind.DEVICE, -region.size))
    labels = []
    for region in named[:_MOST_DEVICES]:
        name, _, part = shortened(region.name, 48).partition(": ")
        where = f"{rounded_size(region.size)} at {region.base:#x}"
        lines = (("bold", name), ("soft", f"{part}, {where}" if part else where))
        labels.append(_label(box, region, lines))
    if len(named) > _MOST_DEVICES:
        bottom = box.y + box.height
        labels.append(Label(bottom, bottom, (("soft", f"and {len(named) - _MOST_DEVICES} more"),)))
    return labels


def column_labels(boxes: Sequence[Box], next_boxes: Sequence[Box], plan: Plan, height: float) -> list[Label]:
    """Labels for the segments in a column's windows, and the connections to the bars that magnify parts of them.

    If they would take more than `height` pixels, each label has one line. If that is still too much, the last labels
    are left out, and a line says how many.
    """
    ways = [_way(box, child) for box in boxes for child in children(box, next_boxes)]
    named = [(box, region) for box in boxes for region in box.window.told]
    words = [_label(box, region, _lines(region, plan)) for box, region in named]
    if _room(words + ways) > height:
        words = [_label(box, region, _line(region)) for box, region in named]
    most = max(1, int((height - _room(ways)) / (LINE_HEIGHT + _BETWEEN)))
    if len(words) > most:
        left = words[most - 1]
        words[most - 1 :] = [left._replace(lines=(("soft", f"and {len(words) - most + 1} more"),))]
    return words + ways


def children(box: Box, boxes: Sequence[Box]) -> list[Box]:
    """Which of `boxes` magnify parts of `box`."""
    return [other for other in boxes if any(other.window is child for child in box.window.children)]


def spread(labels: Sequence[Label], top: float, bottom: float) -> list[tuple[Label, float]]:
    """Each label with the y coordinate of its upper edge, from the top: near its region, and without overlaps."""
    ordered = sorted(labels, key=lambda label: label.at)
    uppers: list[float] = []
    floor = top
    for label in ordered:
        uppers.append(max(label.at - label.height / 2, floor))
        floor = uppers[-1] + label.height + _BETWEEN
    ceiling = bottom
    for number in range(len(ordered) - 1, -1, -1):
        uppers[number] = min(uppers[number], ceiling - ordered[number].height)
        ceiling = uppers[number] - _BETWEEN
    return list(zip(ordered, uppers, strict=True))


def _label(box: Box, region: MapRegion, lines: tuple[tuple[str, str], ...]) -> Label:
    return Label(box.at(region.end), box.at(region.base), lines)


def _way(box: Box, child: Box) -> Label:
    return Label(box.at(child.window.end), box.at(child.window.base), child=child)


def _room(labels: Sequence[Label]) -> float:
    return sum(label.height + _BETWEEN for label in labels)


def _lines(region: MapRegion, plan: Plan) -> tuple[tuple[str, str], ...]:
    starts = region.base <= plan.registers.pc < region.end
    return (
        ("bold", region.name),
        ("", loaded_text(region)),
        ("mono", f"{region.base:#x} - {region.end:#x}"),
        *((("", f"starts at {plan.registers.pc:#x}"),) if starts else ()),
        *(("soft", line) for line in textwrap.wrap(region.why, _WHY_WIDTH)),
    )


def _line(region: MapRegion) -> tuple[tuple[str, str], ...]:
    return (("", f"{region.name}, {rounded_size(region.size)} at {region.base:#x}"),)
