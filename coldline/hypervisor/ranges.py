# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of addresses, as ranges."""

Piece = tuple[int, int]
"""First byte, and one past the last."""


class RangeSet:
    """A set of addresses that tells what each change changed."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def overlap(self, start: int, end: int) -> list[Piece]:
        """The parts of a range that are in the set, lowest first."""
        clipped = ((max(low, start), min(high, end)) for low, high in self._pieces)
        return [(low, high) for low, high in clipped if low < high]

    def add(self, start: int, end: int) -> list[Piece]:
        """Put a range in, and return the parts of it that were not there, lowest first."""
        gaps = []
        at = start
        for low, high in [*self.overlap(start, end), (end, end)]:
            if at < low:
                gaps.append((at, low))
            at = high
        self._pieces = sorted(self._pieces + gaps)
        return gaps

    def remove(self, start: int, end: int) -> list[Piece]:
        """Take a range out, and return the parts of it that were there, lowest first."""
        removed = self.overlap(start, end)
        halves = [
            half for low, high in self._pieces for half in ((low, min(high, start)), (max(low, end), high))
        ]
        self._pieces = [(low, high) for low, high in halves if low < high]
        return removed
