# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws a plan's memory map as SVG: each bar is to scale, and the next bar magnifies regions too thin to see."""

import os
from collections.abc import Iterator, Sequence

from coldline.guest.plan import Plan
from coldline.image import Kernel
from coldline.report import svg
from coldline.report.map_labels import LINE_HEIGHT, Box, Label, column_labels, overview_labels, spread
from coldline.report.map_windows import HEADING, columns, window_height, windows
from coldline.report.memory_map import MapRegion, RegionKind
from coldline.report.plan_layout import rounded_size, start_text
from coldline.support.printable import one_line, shortened

_HEIGHT = 560.0
_TOP = 122.0
_FOOT = 92.0
_MARGIN = 28.0
_BAR = 92.0
_OVERVIEW_LABELS = 204.0
_LABELS = 220.0
_FLARE = 72.0
"""Width, in pixels, of the connection that widens towards a magnifying bar; also the gap between bars if there are no
labels between them."""

_PAPER = {
    "kernel": "#8fbbe3",
    "firmware": "#a9d3a0",
    "initrd": "#f6d673",
    "dtb": "#ee9f86",
    "device": "#b9a8d6",
    "RAM": "#d5e6d6",
    "flash": "#e4ddd0",
    "empty": "#f5f2ec",
    "free": "#edf4ed",
}
_NOTHING, _WAY, _WAY_EDGE = "#f8f9fa", "#eef1f3", "#c9d0d5"

_LEGEND = {
    "kernel": "kernel",
    "firmware": "firmware",
    "initrd": "initrd",
    "dtb": "device tree",
    "device": "device",
    "RAM": "RAM",
    "flash": "flash",
    "free": "free RAM",
}


def drawing(kernel: Kernel, plan: Plan) -> str:
    """Draw the memory map of a plan.

    Parameters
    ----------
    kernel : Kernel
        The guest's kernel, for the heading.
    plan : Plan
        The guest.

    Returns
    -------
    str
        The SVG file.
    """
    boxes = _boxes(plan)
    behind: list[str] = []
    before: list[str] = []
    for number, column in enumerate(boxes):
        for box in column:
            before += _bar(box, boxes[0][0])
        if number:
            following = boxes[number + 1] if number + 1 < len(boxes) else []
            labels = column_labels(column, following, plan, _HEIGHT)
            behind += _ways(labels, column[0])
            before += _words(labels, column[0], side=1)
        else:
            overview = column[0]
            behind += _ways(column_labels(column, boxes[1], plan, _HEIGHT), overview)
            before += _words(overview_labels(overview), overview, side=-1)
    last = boxes[-1][0]
    width = last.x + last.width + _LABELS + _MARGIN
    packed = f", in {', '.join(kernel.layers)}" if kernel.layers else ""
    title = one_line(f"{os.path.basename(kernel.path)}: {kernel.architecture} {kernel.format}{packed}")
    start = f"starts at {plan.registers.pc:#x} {start_text(plan)}"
    heading = [
        svg.text_at(_MARGIN, 40, shortened(title, 100), size=17, bold=True),
        svg.text_at(_MARGIN, 60, start, soft=True),
    ]
    height = _TOP + _HEIGHT + _FOOT
    parts = [*heading, *behind, *before, *_legend(plan, height - 42)]
    return svg.document(
        width, height, title, f"Where things are in the memory of a guest that {start}.", parts
    )


def _boxes(plan: Plan) -> list[list[Box]]:
    """Place each window: a list of boxes for each column, from the left; the first column is the overview."""
    boxes: list[list[Box]] = []
    x = _MARGIN + _OVERVIEW_LABELS
    for column in columns(windows(plan, _HEIGHT)):
        height = window_height(_HEIGHT, len(column))
        boxes.append(
            [
                Box(window, x, _TOP + place * (height + HEADING), _BAR, height)
                for place, window in enumerate(reversed(column))
            ]
        )
        has_words = len(boxes) > 1 and any(
            label.lines for label in column_labels(boxes[-1], [], plan, _HEIGHT)
        )
        x += _BAR + _FLARE + (_LABELS if has_words else 0)
    return boxes


def _straight_way(way: Label, edge: float, child: Box) -> str:
    """Draw the connection from a bar without labels on that side to the bar that magnifies a part of it."""
    bottom = child.y + child.height
    return svg.path(
        f"M{edge:.1f} {way.upper:.1f}{_curve(edge, way.upper, child.x, child.y)}V{bottom:.1f}"
        f"{_curve(child.x, bottom, edge, way.lower)}Z",
        fill=_WAY,
        line=_WAY_EDGE,
    )


def _ways(labels: Sequence[Label], box: Box) -> Iterator[str]:
    """Draw the connections from a column's bars, between its labels, to the bars that magnify parts of them."""
    edge = box.x + box.width
    for label, top in _spread(labels):
        child = label.child
        if child is None:
            continue
        start, near = child.x - _FLARE, edge + 14
        if start < near:
            yield _straight_way(label, edge, child)
            continue
        middle, bottom = top + label.height / 2, child.y + child.height
        yield svg.path(
            f"M{edge:.1f} {label.upper - 0.6:.1f}L{near:.1f} {middle - 1.5:.1f}H{start:.1f}"
            f"{_curve(start, middle - 1.5, child.x, child.y)}V{bottom:.1f}"
            f"{_curve(child.x, bottom, start, middle + 1.5)}H{near:.1f}L{edge:.1f} {label.lower + 0.6:.1f}Z",
            fill=_WAY,
            line=_WAY_EDGE,
        )


def _spread(labels: Sequence[Label]) -> list[tuple[Label, float]]:
    return spread(labels, _TOP - 4, _TOP + _HEIGHT + LINE_HEIGHT)


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def _bar(box: Box, overview: Box) -> Iterator[str]:
    window, middle = box.window, box.x + box.width / 2
    yield svg.rectangle(box.x, box.y, box.width, box.height, _NOTHING)
    for region in window.regions:
        yield from _region(box, region)
    yield svg.rectangle(box.x, box.y, box.width, box.height, "none", line=svg.LINE)
    for region in window.regions:
        yield from _tears(box, region)
    heading = "all addresses" if box is overview else f"{rounded_size(window.size)}, ×{_times(box, overview)}"
    yield svg.text_at(middle, box.y - 23, heading, anchor="middle", bold=True)
    yield svg.text_at(middle, box.y - 9, f"{window.end:#x}", anchor="middle", soft=True, mono=True)
    yield svg.text_at(
        middle, box.y + box.height + 16, f"{window.base:#x}", anchor="middle", soft=True, mono=True
    )


def _times(box: Box, overview: Box) -> str:
    times = (box.height / box.window.size) / (overview.height / overview.window.size)
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}".removesuffix(".0")


def _region(box: Box, region: MapRegion) -> Iterator[str]:
    """Draw a region: its loaded part, the part that stays zero, and its name where there is room in the bar."""
    said = f"{region.name}: {region.base:#x} - {region.end:#x}, {rounded_size(region.size)}"
    said += f"; {region.why}" if region.why else ""
    yield _part(box, region.base, region.end, _paper(region), said)
    loaded = region.base + region.loaded
    if region.kind is RegionKind.SEGMENT:
        if loaded < region.end:
            yield _part(box, loaded, region.end, "url(#zero)", said)
        for address in (region.base, region.end):
            yield svg.path(f"M{box.x:.1f} {box.at(address):.1f}h{box.width:.1f}")
    upper, lower = box.at(region.end), box.at(region.base)
    whole = box.window.base <= region.base and region.end <= box.window.end
    if lower - upper >= 24 and (
        region.kind is RegionKind.FREE or (region.kind is RegionKind.SEGMENT and not whole)
    ):
        words = f"{region.name}, {rounded_size(region.size)}" if whole else region.name
        yield svg.text_at(box.x + box.width / 2, (upper + lower) / 2 + 4, words, anchor="middle", soft=True)


def _part(box: Box, base: int, end: int, fill: str, title: str) -> str:
    upper, lower = box.at(end), box.at(base)
    return svg.rectangle(box.x, upper, box.width, max(lower - upper, 1.6), fill, title=title)


def _tears(box: Box, region: MapRegion) -> Iterator[str]:
    """Draw a zigzag over an edge of a bar where a region continues outside of the window."""
    window = box.window
    teeth = "".join(f"l{box.width / 12:.2f} {4 if number % 2 else -4}" for number in range(12))
    for torn, y, outwards in (
        (region.end > window.end, box.y + 3, -7),
        (region.base < window.base, box.y + box.height + 1, 4),
    ):
        if torn:
            side = f"V{y + outwards:.1f}H{box.x - 1:.1f}V{y:.1f}Z"
            yield svg.path(f"M{box.x - 1:.1f} {y:.1f}h1{teeth}h1{side}", fill="#fff", line="#fff")
            yield svg.path(f"M{box.x:.1f} {y:.1f}{teeth}")


def _paper(region: MapRegion) -> str:
    name = "device" if region.kind is RegionKind.DEVICE else region.name.partition("-")[0]
    return _PAPER.get(name, _PAPER["kernel"])


def _words(labels: Sequence[Label], box: Box, side: int) -> Iterator[str]:
    """Draw labels left (`side` -1) or right (1) of a column's bars, with a line from each label to its region."""
    edge = box.x if side < 0 else box.x + box.width
    x = edge + side * 28
    for label, upper in _spread(labels):
        if label.child is not None:
            continue
        middle = upper + label.height / 2
        yield svg.path(f"M{edge:.1f} {label.at:.1f}h{side * 5}L{x - side * 9:.1f} {middle:.1f}h{side * 4}")
        for number, (style, text) in enumerate(label.lines):
            yield svg.text_at(
                x,
                upper + number * LINE_HEIGHT + 11,
                text,
                anchor="start" if side > 0 else "end",
                bold=style == "bold",
                mono=style == "mono",
                soft=style in ("soft", "mono"),
            )


def _legend(plan: Plan, y: float) -> Iterator[str]:
    there = {segment.name.partition("-")[0] for segment in plan.segments} | {"device", "RAM", "free"}
    there |= {"flash"} if any(bank.flash for bank in plan.banks) else set()
    x = _MARGIN
    for name, text in [*_LEGEND.items(), ("zero", "kept free, and zero")]:
        if name not in there and name != "zero":
            continue
        yield svg.rectangle(x, y - 10, 14, 12, _PAPER.get(name, _PAPER["kernel"]), line=svg.LINE)
        if name == "zero":
            yield svg.rectangle(x, y - 10, 14, 12, "url(#zero)")
        yield svg.text_at(x + 20, y, text)
        x += 44 + 5.7 * len(text)
    note = "Every bar is to scale. What is too thin to be seen in one is magnified in the next, × against the first."
    yield svg.text_at(_MARGIN, y + 22, note, soft=True)
