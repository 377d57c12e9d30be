# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of addresses, kept as ranges."""

Interval = tuple[int, int]
"""The first address, and one past the last."""


class RangeSet:
    """A set of addresses whose `add` and `remove` return what changed."""

    def __init__(self) -> None:
        self._intervals: list[Interval] = []

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def overlap(self, start: int, end: int) -> list[Interval]:
        """Return the parts of a range that are in the set, lowest first."""
        clipped = ((max(low, start), min(high, end)) for low, high in self._intervals)
        return [(low, high) for low, high in clipped if low < high]

    def add(self, start: int, end: int) -> list[Interval]:
        """Add a range; return the parts of it that were missing, lowest first."""
        gaps = []
        at = start
        for low, high in [*self.overlap(start, end), (end, end)]:
            if at < low:
                gaps.append((at, low))
            at = high
        self._intervals = sorted(self._intervals + gaps)
        return gaps

    def remove(self, start: int, end: int) -> list[Interval]:
        """Remove a range; return the parts of it that were present, lowest first."""
        removed = self.overlap(start, end)
        halves = [
            half for low, high in self._intervals for half in ((low, min(high, start)), (max(low, end), high))
        ]
        self._intervals = [(low, high) for low, high in halves if low < high]
        return removed
