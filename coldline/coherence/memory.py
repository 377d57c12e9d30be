# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of every line of memory, as two layers.

*Ranges* of whole pages whose bytes are all in one state, and over them the pages that were touched line by
line: those are *dense*, two bytes a line, in rows of one array. A range costs the same whatever its size.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.coherence.pages import NOBODY
from coldline.coherence.reserve import reserve
from coldline.errors import TraceError
from coldline.trace import ADDRESS_LIMIT, PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGES = ADDRESS_LIMIT // PAGE_SIZE

NOT_DENSE = -1

CHUNK = 16
"""Pages that become dense together, aligned: what is touched is mostly touched near by soon after."""

MAX_LINES = 1 << 28
"""Lines of dense pages at the most: a bound on what a hostile trace may cost."""

_INDEX_START = 1 << 8


class Range(NamedTuple):
    """Pages `first` to `end` that agree: every byte of theirs is in `state`, every page is of `page_class`."""

    first: int
    end: int
    page_class: int
    state: int


class Memory:
    """The class of every page and the state of every line, pages counted from physical address 0.

    Parameters
    ----------
    lines_per_page : int
        Lines of a page.
    cold : int
        The state of every byte at the start.

    Attributes
    ----------
    values : ndarray of uint16, shape (rows, lines_per_page)
        Each line of each dense page: a state that all its bytes are in, else as `coldline.coherence.mixtures`
        says; the pages of a chunk are rows one after another.
    put_off : ndarray of uint16, shape (rows,)
        What every line of a dense page has yet to go through: a word of `coldline.coherence.transitions`.
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
        Open-addressing hash table from 1 + chunk to its first row; 0 where there is none.
    """

    def __init__(self, lines_per_page: int, cold: int) -> None:
        most = MAX_LINES // lines_per_page
        self.values: NDArray[np.uint16] = reserve(MAX_LINES, np.uint16).reshape(most, lines_per_page)
        self.reported: NDArray[np.uint8] = reserve(MAX_LINES, np.uint8).reshape(most, lines_per_page)
        self.put_off: NDArray[np.uint16] = reserve(most, np.uint16)
        self.classes: NDArray[np.int32] = reserve(most, np.int32)
        self.page_of: NDArray[np.int64] = reserve(most, np.int64)
        self.rows = 0
        self.index: NDArray[np.uint64] = np.zeros((_INDEX_START, 2), np.uint64)
        self.told: dict[int, list[tuple[int, int]]] = {}
        self._starts = [0]
        self._values = [(NOBODY, cold)]
        self._arrays: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def lines_per_page(self) -> int:
        """Lines of a page."""
        return self.values.shape[1]

    @property
    def full(self) -> bool:
        """Whether the index has to grow before another chunk can become dense."""
        return 2 * (self.rows // CHUNK + 1) > len(self.index)

    def row(self, page: int) -> int:
        """The row of a dense page, else `NOT_DENSE`."""
        chunk, offset = divmod(page, CHUNK)
        slot = self._probe(chunk)
        return int(self.index[slot, 1]) + offset if int(self.index[slot, 0]) else NOT_DENSE

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
        self._arrays = None
        first, end = ranges[0].first, ranges[-1].end
        low = bisect_right(self._starts, first) - 1
        high = bisect_right(self._starts, end - 1)
        starts = [piece.first for piece in ranges]
        values = [(piece.page_class, piece.state) for piece in ranges]
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

    def range_arrays(self) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
        """The ranges for compiled code: where each starts, and its class and state."""
        if self._arrays is None:
            self._arrays = np.array(self._starts, np.int64), np.array(self._values, np.int64)
        return self._arrays

    def grow_index(self) -> None:
        """Make the index twice as long.

        Raises
        ------
        TraceError
            If that is more than there may be.
        """
        if self.rows * self.lines_per_page >= MAX_LINES:
            raise TraceError("", f"more than {MAX_LINES:,} lines are touched one by one")
        known = self.index[self.index[:, 0] != 0].tolist()
        self.index = np.zeros((2 * len(self.index), 2), np.uint64)
        for chunk, row in known:
            self.index[self._probe(chunk - 1)] = chunk, row

    def _probe(self, chunk: int) -> int:
        mask = len(self.index) - 1
        slot = chunk_hash(chunk) & mask
        while int(self.index[slot, 0]) not in (0, chunk + 1):
            slot = (slot + 1) & mask
        return slot

    def _make_chunk(self, chunk: int) -> int:
        if self.full:
            self.grow_index()
        row, first = self.rows, chunk * CHUNK
        self.page_of[row : row + CHUNK] = np.arange(first, first + CHUNK)
        for known in self.ranges(first, first + CHUNK):
            self.values[row + known.first - first : row + known.end - first] = known.state
            self.classes[row + known.first - first : row + known.end - first] = known.page_class
        for bits, ranges in self.told.items():
            for told_first, told_end in ranges:
                low, high = max(told_first - first, 0), min(told_end - first, CHUNK)
                if low < high:
                    self.reported[row + low : row + high] |= np.uint8(bits)
        self.index[self._probe(chunk)] = chunk + 1, row
        self.rows += CHUNK
        return row


def chunk_hash(chunk: int) -> int:
    """Where a chunk's probe starts, before the mask: the upper half of a multiplication by 2^64 / phi."""
    return ((chunk * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 32
