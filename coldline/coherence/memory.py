# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of every line of memory, as two layers.

*Ranges* of whole pages whose lines all agree, and over them the pages that were touched line by line: those
are *dense*, one integer a line, in rows of one array. A range costs the same whatever its size.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.coherence.pages import NOBODY
from coldline.trace import ADDRESS_LIMIT, PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGES = ADDRESS_LIMIT // PAGE_SIZE

NOT_DENSE = -1
GROUP = 16
"""Pages."""

NO_PAGE = (1 << 64) - 1
_ROWS_START = 256


class Range(NamedTuple):
    """Pages `first` to `end` that agree: every line of theirs is of `shape`, every page of `page_class`."""

    first: int
    end: int
    page_class: int
    shape: int


class Memory:
    """The class of every page and the shape of every line, pages counted from physical address 0.

    Parameters
    ----------
    lines_per_page : int
        Lines of a page.
    cold : int
        The shape of every line at the start.

    Attributes
    ----------
    lines : ndarray of int32, shape (rows, lines_per_page)
        The shapes of the lines of each dense page.
    reported : ndarray of uint8, shape (rows, lines_per_page)
        What has been found wrong with each line before, for those who want each hazard once.
    classes : ndarray of int32, shape (rows,)
        The class of each dense page.
    page_of : ndarray of int64, shape (rows,)
        Which page each row is.
    rows : int
        How many rows are in use.
    index : ndarray of uint64, shape (a power of two, 2)
        Open-addressing hash table from page to row; `NO_PAGE` where there is none.
    """

    def __init__(self, lines_per_page: int, cold: int) -> None:
        self.lines: NDArray[np.int32] = np.empty((_ROWS_START, lines_per_page), np.int32)
        self.reported: NDArray[np.uint8] = np.zeros((_ROWS_START, lines_per_page), np.uint8)
        self.classes: NDArray[np.int32] = np.empty(_ROWS_START, np.int32)
        self.page_of: NDArray[np.int64] = np.empty(_ROWS_START, np.int64)
        self.rows = 0
        self.index: NDArray[np.uint64] = np.full((_ROWS_START * 4, 2), NO_PAGE, np.uint64)
        self._starts = [0]
        self._values = [(NOBODY, cold)]

    def row(self, page: int) -> int:
        """The row of a dense page, else `NOT_DENSE`."""
        slot = self._probe(page)
        return int(self.index[slot, 1]) if int(self.index[slot, 0]) == page else NOT_DENSE

    def make_dense(self, page: int) -> int:
        """The row of `page`, which is made dense where it is not."""
        row = self.row(page)
        if row == NOT_DENSE:
            page_class, shape = self._values[bisect_right(self._starts, page) - 1]
            row = self._new_row(page)
            self.lines[row] = shape
            self.classes[row] = page_class
        return row

    def make_dense_around(self, page: int) -> None:
        """Make `page` dense, and with it those of its aligned group of `GROUP` that agree with it.

        What is touched is mostly touched near by soon after, and a group at once costs little more than a page.
        """
        group = page - page % GROUP
        at = bisect_right(self._starts, page) - 1
        first = max(group, self._starts[at])
        end = min(group + GROUP, self._starts[at + 1] if at + 1 < len(self._starts) else PAGES)
        page_class, shape = self._values[at]
        for each in range(first, end):
            if self.row(each) == NOT_DENSE:
                row = self._new_row(each)
                self.lines[row] = shape
                self.classes[row] = page_class

    def page_class(self, page: int) -> int:
        """The class of `page`."""
        row = self.row(page)
        if row != NOT_DENSE:
            return int(self.classes[row])
        return self._values[bisect_right(self._starts, page) - 1][0]

    def dense_rows(self, first: int, end: int) -> "NDArray[np.intp]":
        """The rows of the dense pages from `first` to `end`, in no order."""
        if end - first <= 8:
            rows = [row for page in range(first, end) if (row := self.row(page)) != NOT_DENSE]
            return np.array(rows, np.intp)
        pages = self.page_of[: self.rows]
        return np.flatnonzero((pages >= first) & (pages < end))

    def ranges(self, first: int, end: int) -> Iterator[Range]:
        """The ranges from `first` to `end`, cut to fit; what they say of dense pages does not count."""
        at = bisect_right(self._starts, first) - 1
        while first < end:
            stop = min(end, self._starts[at + 1] if at + 1 < len(self._starts) else PAGES)
            yield Range(first, stop, *self._values[at])
            first, at = stop, at + 1

    def set_ranges(self, ranges: list[Range]) -> None:
        """Replace what is known of the pages of `ranges`, which lie end to end; dense pages stay as they are."""
        if not ranges:
            return
        first, end = ranges[0].first, ranges[-1].end
        low = bisect_right(self._starts, first) - 1
        high = bisect_right(self._starts, end - 1)
        starts = [piece.first for piece in ranges]
        values = [(piece.page_class, piece.shape) for piece in ranges]
        if self._starts[low] < first:
            starts.insert(0, self._starts[low])
            values.insert(0, self._values[low])
        if end < (self._starts[high] if high < len(self._starts) else PAGES):
            starts.append(end)
            values.append(self._values[high - 1])
        if low > 0:
            starts.insert(0, self._starts[low - 1])
            values.insert(0, self._values[low - 1])
            low -= 1
        if high < len(self._starts):
            starts.append(self._starts[high])
            values.append(self._values[high])
            high += 1
        keep = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]]
        self._starts[low:high] = [starts[i] for i in keep]
        self._values[low:high] = [values[i] for i in keep]

    def _probe(self, page: int) -> int:
        mask = len(self.index) - 1
        slot = page_hash(page) & mask
        while int(self.index[slot, 0]) not in (NO_PAGE, page):
            slot = (slot + 1) & mask
        return slot

    def _new_row(self, page: int) -> int:
        row = self.rows
        if row == len(self.page_of):
            self.lines = np.concatenate([self.lines, np.empty_like(self.lines)])
            self.reported = np.concatenate([self.reported, np.zeros_like(self.reported)])
            self.classes = np.concatenate([self.classes, np.empty_like(self.classes)])
            self.page_of = np.concatenate([self.page_of, np.empty_like(self.page_of)])
            self.index = np.full((len(self.page_of) * 4, 2), NO_PAGE, np.uint64)
            for known in range(row):
                page_known = int(self.page_of[known])
                self.index[self._probe(page_known)] = page_known, known
        self.page_of[row] = page
        self.index[self._probe(page)] = page, row
        self.rows += 1
        return row


def page_hash(page: int) -> int:
    """Where a page's probe starts, before the mask: the upper half of a multiplication by 2^64 / phi."""
    return ((page * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 32
