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
from coldline.errors import TraceError
from coldline.trace import ADDRESS_LIMIT, PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGES = ADDRESS_LIMIT // PAGE_SIZE

NOT_DENSE = -1
NO_CHUNK = (1 << 64) - 1

CHUNK = 16
"""Pages that become dense together, aligned: what is touched is mostly touched near by soon after."""

MAX_LINES = 1 << 28
"""Lines of dense pages at the most, 4 bytes each: a bound on what a hostile trace may cost."""

_CHUNKS_START = 16


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
        The shapes of the lines of each dense page; the pages of a chunk are rows one after another.
    reported : ndarray of uint8, shape (rows, lines_per_page)
        What has been found wrong with each line before, for those who want each hazard once.
    told : dict of int to list of (first, end)
        The same for pages that were not dense: by what was found wrong, ranges of pages.
    classes : ndarray of int32, shape (rows,)
        The class of each dense page.
    page_of : ndarray of int64, shape (rows,)
        Which page each row is.
    rows : int
        How many rows are in use.
    index : ndarray of uint64, shape (a power of two, 2)
        Open-addressing hash table from chunk to its first row; `NO_CHUNK` where there is none.
    """

    def __init__(self, lines_per_page: int, cold: int) -> None:
        rows = _CHUNKS_START * CHUNK
        self.lines: NDArray[np.int32] = np.empty((rows, lines_per_page), np.int32)
        self.reported: NDArray[np.uint8] = np.zeros((rows, lines_per_page), np.uint8)
        self.classes: NDArray[np.int32] = np.empty(rows, np.int32)
        self.page_of: NDArray[np.int64] = np.empty(rows, np.int64)
        self.rows = 0
        self.index: NDArray[np.uint64] = np.full((_CHUNKS_START * 4, 2), NO_CHUNK, np.uint64)
        self.told: dict[int, list[tuple[int, int]]] = {}
        self._starts = [0]
        self._values = [(NOBODY, cold)]

    def row(self, page: int) -> int:
        """The row of a dense page, else `NOT_DENSE`."""
        chunk, offset = divmod(page, CHUNK)
        slot = self._probe(chunk)
        return int(self.index[slot, 1]) + offset if int(self.index[slot, 0]) == chunk else NOT_DENSE

    def make_dense(self, page: int) -> int:
        """The row of `page`, which is made dense where it is not.

        Raises
        ------
        TraceError
            If that is more memory than there may be.
        """
        row = self.row(page)
        return self._make_chunk(page // CHUNK) + page % CHUNK if row == NOT_DENSE else row

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
        starts = self.page_of[: self.rows : CHUNK]
        chunks = np.flatnonzero((starts > first - CHUNK) & (starts < end))
        found = (chunks[:, None] * CHUNK + np.arange(CHUNK)).ravel()
        pages = self.page_of[found]
        inside: NDArray[np.intp] = found[(pages >= first) & (pages < end)]
        return inside

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

    def _probe(self, chunk: int) -> int:
        mask = len(self.index) - 1
        slot = chunk_hash(chunk) & mask
        while int(self.index[slot, 0]) not in (NO_CHUNK, chunk):
            slot = (slot + 1) & mask
        return slot

    def _make_chunk(self, chunk: int) -> int:
        if self.rows == len(self.page_of):
            self._grow()
        row, first = self.rows, chunk * CHUNK
        self.page_of[row : row + CHUNK] = np.arange(first, first + CHUNK)
        for known in self.ranges(first, first + CHUNK):
            self.lines[row + known.first - first : row + known.end - first] = known.shape
            self.classes[row + known.first - first : row + known.end - first] = known.page_class
        for bits, ranges in self.told.items():
            for told_first, told_end in ranges:
                low, high = max(told_first - first, 0), min(told_end - first, CHUNK)
                if low < high:
                    self.reported[row + low : row + high] |= np.uint8(bits)
        self.index[self._probe(chunk)] = chunk, row
        self.rows += CHUNK
        return row

    def _grow(self) -> None:
        if 2 * self.lines.size > MAX_LINES:
            raise TraceError("", f"more than {MAX_LINES:,} lines are touched one by one")
        self.lines = np.concatenate([self.lines, np.empty_like(self.lines)])
        self.reported = np.concatenate([self.reported, np.zeros_like(self.reported)])
        self.classes = np.concatenate([self.classes, np.empty_like(self.classes)])
        self.page_of = np.concatenate([self.page_of, np.empty_like(self.page_of)])
        known = self.index[self.index[:, 0] != np.uint64(NO_CHUNK)].tolist()
        self.index = np.full((2 * len(self.index), 2), NO_CHUNK, np.uint64)
        for chunk, row in known:
            self.index[self._probe(chunk)] = chunk, row


def chunk_hash(chunk: int) -> int:
    """Where a chunk's probe starts, before the mask: the upper half of a multiplication by 2^64 / phi."""
    return ((chunk * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 32
