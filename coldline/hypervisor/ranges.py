# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of addresses, as ranges."""

Interval = tuple[int, int]
"""First byte, and one past the last."""


class RangeSet:
    """A set of addresses that tells what each change changed."""

    def __init__(self) -> None:
        self._intervals: list[Interval] = []

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def overlap(self, start: int, end: int) -> list[Interval]:
        """The parts of a range that are in the set, lowest first."""
        clipped = ((max(low, start), min(high, end)) for low, high in self._intervals)
        return [(low, high) for low, high in clipped if low < high]

    def add(self, start: int, end: int) -> list[Interval]:
        """Put a range in, and return the parts of it that were not there, lowest first."""
        gaps = []
        at = start
        for low, high in [*self.overlap(start, end), (end, end)]:
            if at < low:
                gaps.append((at, low))
            at = high
        self._intervals = sorted(self._intervals + gaps)
        return gaps

    def remove(self, start: int, end: int) -> list[Interval]:
        """Take a range out, and return the parts of it that were there, lowest first."""
        removed = self.overlap(start, end)
        halves = [
            half for low, high in self._intervals for half in ((low, min(high, start)), (max(low, end), high))
        ]
        self._intervals = [(low, high) for low, high in halves if low < high]
        return removed
