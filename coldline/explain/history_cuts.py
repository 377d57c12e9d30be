# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds where the histories of adjacent lines differ, so that one story is told for the lines that share it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.findings import HazardEntry
from coldline.events import PAGE_SIZE, Op
from coldline.explain.selection import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVERYWHERE = np.array([op.traits.everywhere or not op.has_range for op in Op])


class HistoryCuts:
    """The borders, within some ranges of lines, between lines that events touched differently.

    An event acts alike on all lines that it covers, and on all that it does not touch. So adjacent lines have the
    same history if no event began or ended between them or within one of them.

    Parameters
    ----------
    entries : iterable of HazardEntry
        The ranges.
    line, zva : int
        Bytes of a line, and of the block that ``dc zva`` zeroes.
    walks : bool
        Whether walks let caches be filled with other lines of their pages.
    """

    def __init__(self, entries: Iterable[HazardEntry], line: int, zva: int, *, walks: bool = False) -> None:
        self._line, self._zva = line, np.uint64(zva)
        self._walks = walks
        spans = sorted((entry.address, entry.address + entry.size) for entry in entries if entry.lines > 1)
        starts: list[int] = []
        ends: list[int] = []
        for start, end in spans:
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = np.array(starts, np.uint64), np.array(ends, np.uint64)
        self._first: dict[int, int] = {}
        self._order: list[int] | None = None

    def feed(self, part: Part) -> None:
        """Take events."""
        if not len(self._starts) or not len(part.numbers):
            return
        rows = part.batch.rows
        places, owners = self._borders(rows)
        inside = np.searchsorted(self._starts, places, side="left")
        inside = (inside > 0) & (places < self._ends[np.maximum(inside, 1) - 1])
        found, first = np.unique(places[inside], return_index=True)
        for place, index in zip(found.tolist(), owners[inside][first].tolist(), strict=True):
            self._first.setdefault(place, int(part.numbers[index]))
        self._order = None

    def _borders(self, rows: "NDArray[np.void]") -> "tuple[NDArray[np.uint64], NDArray[np.intp]]":
        """The lines around each end of each event, in the order of the events, and the event of each."""
        numbers = np.flatnonzero(~_EVERYWHERE[rows["op"]])
        rows = rows[numbers]
        line, page = np.uint64(self._line), np.uint64(PAGE_SIZE)
        start, end = rows["address"].copy(), rows["address"] + rows["size"]
        zeroes = rows["op"] == Op.DC_ZVA
        start[zeroes] -= start[zeroes] % self._zva
        end[zeroes] += -end[zeroes] % self._zva
        below = [start - start % line, end - end % line]
        above = [start + -start % line, end + -end % line]
        # With the MMU off, an instruction prefetch reaches the fetch's pages and the next one.
        fetches = rows["op"] == Op.FETCH
        if self._walks:
            fetches |= rows["op"] == Op.WALK
        whole = [start - start % page, end + -end % page, end + -end % page + page]
        reached = [np.where(fetches, each, above[0]) for each in whole]
        columns = [*below, *above, *reached]
        return np.stack(columns, axis=1).ravel(), np.repeat(numbers, len(columns))

    def of(self, entry: HazardEntry) -> list[int]:
        """The borders within `entry`'s range that events before its own made, in ascending order."""
        if self._order is None:
            self._order = sorted(self._first)
        low = bisect_right(self._order, entry.address)
        high = bisect_left(self._order, entry.address + entry.size)
        return [place for place in self._order[low:high] if self._first[place] < entry.number]
