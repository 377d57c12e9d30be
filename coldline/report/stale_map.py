# SPDX-License-Identifier: GPL-2.0-or-later
"""The map of a guest's memory with its stale lines, to scale: what the page draws."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from coldline.guest import Plan
    from coldline.verdict import Judgement

_WIDTH: Final = 900
"""Pixels of a bar: lines that fall on the same one are one mark."""

_LEFT, _ROW, _TOP = 20, 56, 26
_BAR: Final = 22

Range = tuple[int, int]
"""The first byte, and one past the last."""


def stale_ranges(judgement: "Judgement") -> list[tuple[Range, str]]:
    """The ranges that reads of a run or the final read may find wrong, and which of the two: ``read``, ``unread``."""
    line = judgement.profile.line
    found = [
        ((entry.address, entry.address - entry.address % line + entry.lines * line), "read")
        for entry in (hazard.entry for hazard in judgement.hazards)
    ]
    swept = [
        ((each.found.address, each.found.address + each.found.size), "unread") for each in judgement.unread
    ]
    return [*swept, *found]


def stale_map(plan: "Plan", judgement: "Judgement") -> dict[str, Any] | None:
    """The bars of a guest's memory: each bank, and each segment and range of RAM that has stale lines.

    None if there are no stale lines in its memory.
    """
    ranges, line = stale_ranges(judgement), judgement.profile.line
    bars = []
    for bank in plan.banks:
        within = list(_cut(ranges, bank.base, bank.base + bank.size))
        if not within:
            continue
        parts = [
            (each.name, each.address, each.end)
            for each in plan.segments
            if bank.base <= each.address < bank.base + bank.size
        ]
        name = "flash" if bank.flash else "RAM"
        bars.append(_bar(name, bank.base, bank.base + bank.size, parts, within, line))
        for name, start, end in parts:
            part = list(_cut(ranges, start, end))
            if part:
                bars.append(_bar(name, start, end, [], part, line))
        rest = [each for each in within if not any(start <= each[0][0] < end for _, start, end in parts)]
        if (rest and len(rest) < len(within)) or (rest and not parts):
            low = min(low for (low, _), _ in rest) & -4096
            high = -(-max(high for (_, high), _ in rest) // 4096) * 4096
            if high - low < bank.size // 4:
                bars.append(_bar("beside what was loaded", low, high, [], rest, line))
    if not bars:
        return None
    for number, bar in enumerate(bars):
        bar["y"] = _TOP + number * _ROW
    return {
        "width": _LEFT * 2 + _WIDTH,
        "height": _TOP + len(bars) * _ROW,
        "bars": bars,
        "bar": _BAR,
        "left": _LEFT,
    }


def _cut(ranges: Iterable[tuple[Range, str]], start: int, end: int) -> Iterator[tuple[Range, str]]:
    """The parts of ranges that are within another one."""
    for (low, high), found in ranges:
        if low < end and high > start:
            yield (max(low, start), min(high, end)), found


def _bar(
    name: str,
    start: int,
    end: int,
    parts: list[tuple[str, int, int]],
    ranges: list[tuple[Range, str]],
    line: int,
) -> dict[str, Any]:
    size = end - start

    def place(address: int) -> float:
        return _LEFT + (address - start) / size * _WIDTH

    marks: dict[tuple[int, str], tuple[float, float]] = {}
    for (low, high), found in ranges:
        left, right = place(low), place(high)
        key = (int(left), found)
        known = marks.get(key, (left, right))
        marks[key] = (min(known[0], left), max(known[1], right))
    return {
        "name": name,
        "range": f"{start:#x} to {end - 1:#x}",
        "parts": [
            {"name": part, "x": round(place(low), 2), "width": round(max(place(high) - place(low), 0.5), 2)}
            for part, low, high in parts
        ],
        "marks": [
            {"x": round(left, 2), "width": round(max(right - left, 1.0), 2), "look": found}
            for (_, found), (left, right) in sorted(marks.items(), key=_order)
        ],
        "said": _said(name, start, end, ranges, line),
    }


def _order(mark: tuple[tuple[int, str], tuple[float, float]]) -> tuple[bool, int]:
    """What was read is drawn above what was not, from left to right."""
    (pixel, found), _ = mark
    return found == "read", pixel


def _said(name: str, start: int, end: int, ranges: list[tuple[Range, str]], line: int) -> str:
    """A bar in words."""
    low, high = min(low for (low, _), _ in ranges), max(high for (_, high), _ in ranges)
    lines = _lines([each for each, _ in ranges], line)
    read = _lines([each for each, found in ranges if found == "read"], line)
    noun = "line" if lines == 1 else "lines"
    which = f"{read:,} of them read in this run" if read else "none of them read in this run"
    return (
        f"{name}, {start:#x} to {end - 1:#x}: {lines:,} stale {noun} from {low:#x} to {high - 1:#x}, {which}"
    )


def _lines(ranges: list[Range], line: int) -> int:
    """How many cache lines ranges touch."""
    count, after = 0, 0
    for low, high in sorted(ranges):
        first, end = max(low // line, after), -(-high // line)
        count += max(end - first, 0)
        after = max(after, end)
    return count
