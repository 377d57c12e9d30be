# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of every line of memory, in two layers.

The lower layer is *ranges* of whole pages whose bytes are all in one state. Above it are *dense* pages, which were
touched line by line: they take twelve bits a line, in rows of one array. A range costs the same whatever its size.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.state.dense_chunks import CHUNK, rows_between
from coldline.checker.state.marks import ANY_MARK, Marks
from coldline.checker.state.packing import MAX_PACKED, packed, unpacked
from coldline.checker.state.page_classes import UNMAPPED
from coldline.checker.state.reserved_arrays import reserve
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE
from coldline.support.hashing import GOLDEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGES = ADDRESS_LIMIT // PAGE_SIZE

NOT_DENSE = -1

FETCH_BITS = 3
"""In `Memory.reported`, a fetch's hazards are this many bits above a read's."""

MAX_LINES = 1 << 28
"""The most lines of dense pages: this limits the cost of a hostile trace."""

LEAF_BITS = 10
"""The low bits of a chunk's number that index a leaf: a leaf has 2^`LEAF_BITS` entries."""

MAX_LEAVES = 1 << 17
"""The most leaves of the index, 4 KiB each: scattered accesses make many."""

_LEAF_MIB = (CHUNK * PAGE_SIZE << LEAF_BITS) >> 20
_DIRECTORY_START_BITS = 4


class PageRange(NamedTuple):
    """Pages `first` to `end` that are alike: all their bytes are in `state`, all pages are of `page_class`."""

    first: int
    end: int
    page_class: int
    state: int


class Memory:
    """The class of every page and the state of every line, pages counted from physical address 0.

    Parameters
    ----------
    lines_per_page : int
        Lines of a page; an even number.
    cold : int
        The state of every byte at the start.
    unsettled : ndarray of uint8, shape (states,), optional
        The events that change each state, as in `Marks.marked`: a page in one is marked when it becomes dense.

    Attributes
    ----------
    values : ndarray of uint8, shape (rows, 3 * lines_per_page // 2)
        The value of each line of each dense page: the state of all its bytes, or a number with the meaning that
        `coldline.checker.state.partitions` gives it. Values are packed: see `coldline.checker.state.packing`. The
        pages of a chunk are adjacent rows.
    deferred : ndarray of uint16, shape (rows,)
        The deferred letters of each dense page, as a transformer of `coldline.checker.state.transitions`.
    reported : ndarray of uint8, shape (rows, lines_per_page)
        The hazards already found in each line, so that `distinct` findings list each of them once.
    told : dict of int to list of (first, end)
        The same for pages that were not dense: ranges of pages, by their hazards.
    classes : ndarray of uint16, shape (rows,)
        The class of each dense page.
    blocks : ndarray of uint32, shape (rows,)
        The block with the own records of each dense page's lines: see `coldline.checker.state.partitions`.
    pages : ndarray of uint16, shape (rows, 4)
        `classes`, `deferred` and `blocks`, side by side.
    marks : Marks
        The dense pages that may have lines that a barrier changes, or an invalidation of all instruction caches.
    changed : bool
        Whether ranges were set since somebody cleared this.
    ranges_unsettled : int
        The events that changed some range when somebody last looked, as in `Marks.marked`.
    chunk_of : ndarray of int64, shape (rows // CHUNK,)
        The chunk of each `CHUNK` rows.
    rows : int
        The number of rows in use.
    leaves : ndarray of uint32, shape (leaves, 1 << LEAF_BITS)
        The index: for each chunk 1 + its first row in chunks, or 0 if it is not dense.
    directory : ndarray of uint64, shape (a power of two, 2)
        Open-addressing hash table of the leaves, by 1 + the upper part of a chunk's number; 0 in a free slot.
    leaves_used : int
        The number of leaves in use.
    """

    def __init__(self, lines_per_page: int, cold: int, unsettled: "NDArray[np.uint8] | None" = None) -> None:
        self._unsettled = unsettled
        most = MAX_LINES // lines_per_page
        self.lines_per_page = lines_per_page
        row_bytes = 3 * lines_per_page // 2
        self.values: NDArray[np.uint8] = reserve(most * row_bytes, np.uint8, large_pages=True).reshape(
            -1, row_bytes
        )
        self.reported: NDArray[np.uint8] = reserve(MAX_LINES, np.uint8).reshape(-1, lines_per_page)
        self.pages: NDArray[np.uint16] = reserve(4 * most, np.uint16, large_pages=True).reshape(-1, 4)
        self.classes, self.deferred = self.pages[:, 0], self.pages[:, 1]
        self.blocks: NDArray[np.uint32] = self.pages.view(np.uint32)[:, 1]
        self.marks = Marks(most)
        self.chunk_of: NDArray[np.int64] = reserve(most // CHUNK, np.int64)
        self.rows = 0
        most_leaves = min(most // CHUNK, MAX_LEAVES)
        leaves = reserve(most_leaves << LEAF_BITS, np.uint32)
        self.leaves: NDArray[np.uint32] = leaves.reshape(-1, 1 << LEAF_BITS)
        self.directory: NDArray[np.uint64] = np.zeros((1 << _DIRECTORY_START_BITS, 2), np.uint64)
        self.leaves_used = 0
        self.told: dict[int, list[tuple[int, int]]] = {}
        self.changed, self.ranges_unsettled = True, ANY_MARK
        self._starts = [0]
        self._values = [(UNMAPPED, cold)]
        self._arrays: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self._asked = (0, 0, 0)
        self._answer: tuple[NDArray[np.intp], NDArray[np.int64]] = np.zeros(0, np.intp), np.zeros(0, np.int64)

    @property
    def full(self) -> bool:
        """Whether the directory must grow before another leaf can be made."""
        return 4 * (self.leaves_used + 1) > len(self.directory)

    def value(self, row: int, index: int) -> int:
        """A line's value."""
        return self._pair(row, index) >> 12 * (index % 2) & MAX_PACKED

    def set_value(self, row: int, index: int, value: int) -> None:
        """Set a line's value."""
        shift = 12 * (index % 2)
        pair = self._pair(row, index) & ~(MAX_PACKED << shift) | value << shift
        self.values[row, index // 2 * 3 : index // 2 * 3 + 3] = (pair & 0xFF, pair >> 8 & 0xFF, pair >> 16)

    def row_values(self, rows: "int | slice") -> "NDArray[np.uint16]":
        """A copy of the values of a row's lines, or of some rows', unpacked."""
        return unpacked(self.values[rows])

    def set_row_values(self, rows: "int | slice", values: "NDArray[np.uint16]") -> None:
        """Set the values of a row's lines, or of some rows'."""
        self.values[rows] = packed(values)

    def page(self, row: int) -> int:
        """Return the page of a row."""
        return int(self.chunk_of[row // CHUNK]) * CHUNK + row % CHUNK

    def row(self, page: int) -> int:
        """The row of a dense page, else `NOT_DENSE`."""
        chunk, offset = divmod(page, CHUNK)
        slot = self._probe(chunk >> LEAF_BITS)
        if not self.directory[slot, 0]:
            return NOT_DENSE
        entry = int(self.leaves[self.directory[slot, 1], chunk % (1 << LEAF_BITS)])
        return (entry - 1) * CHUNK + offset if entry else NOT_DENSE

    def make_dense(self, page: int) -> int:
        """Return the row of `page`, which becomes dense if it is not yet.

        Raises
        ------
        TraceError
            If more lines would be dense than `MAX_LINES`.
        """
        row = self.row(page)
        return self._make_chunk(page // CHUNK) + page % CHUNK if row == NOT_DENSE else row

    def page_class(self, page: int) -> int:
        """The class of `page`."""
        row = self.row(page)
        if row != NOT_DENSE:
            return int(self.classes[row])
        return self._values[bisect_right(self._starts, page) - 1][0]

    def dense_rows(self, first: int, end: int) -> "tuple[NDArray[np.intp], NDArray[np.int64]]":
        """The rows of the dense pages from `first` to `end`, in the order of pages, and those pages."""
        if end - first <= 8:
            dense = [(row, page) for page in range(first, end) if (row := self.row(page)) != NOT_DENSE]
            pages = np.array([page for _, page in dense], np.int64)
            return np.array([row for row, _ in dense], np.intp), pages
        asked = first, end, self.rows  # events of one range come one after another
        if self._asked != asked:
            self._asked, self._answer = asked, rows_between(self.chunk_of[: self.rows // CHUNK], first, end)
        return self._answer

    def ranges(self, first: int, end: int) -> Iterator[PageRange]:
        """The ranges from `first` to `end`, cut to fit. Ignore them for dense pages, whose state is in their rows."""
        at = bisect_right(self._starts, first) - 1
        while first < end:
            stop = min(end, self._starts[at + 1] if at + 1 < len(self._starts) else PAGES)
            yield PageRange(first, stop, *self._values[at])
            first, at = stop, at + 1

    def range_values(self) -> set[tuple[int, int]]:
        """The class and the state of each range."""
        return set(self._values)

    def set_ranges(self, ranges: list[PageRange]) -> None:
        """Replace the ranges over the pages of `ranges`, which are adjacent; dense pages do not change."""
        if not ranges:
            return
        self._arrays = None
        self.changed = True
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
        keep = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
        self._starts[low:high] = [starts[i] for i in keep]
        self._values[low:high] = [values[i] for i in keep]

    def range_arrays(self) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
        """The ranges for compiled code: the start of each, and its class and state."""
        if self._arrays is None:
            self._arrays = np.array(self._starts, np.int64), np.array(self._values, np.int64)
        return self._arrays

    def grow(self) -> None:
        """Make the directory twice as long.

        Raises
        ------
        TraceError
            If the most rows or leaves are in use.
        """
        if self.rows == len(self.pages):
            raise TraceError("", f"the trace touches more than {MAX_LINES:,} lines one by one")
        if len(self.directory) == 4 * MAX_LEAVES:
            raise TraceError(
                "", f"the trace touches lines in more than {MAX_LEAVES:,} areas of {_LEAF_MIB} MiB"
            )
        known = self.directory[self.directory[:, 0] != 0].tolist()
        self.directory = np.zeros((2 * len(self.directory), 2), np.uint64)
        for key, leaf in known:
            self.directory[self._probe(key - 1)] = key, leaf

    def _probe(self, key: int) -> int:
        """The directory's slot for a leaf's number: the one that holds it, or a free one."""
        bits = len(self.directory).bit_length() - 1
        slot = ((key * GOLDEN) & 0xFFFFFFFFFFFFFFFF) >> (64 - bits)
        while int(self.directory[slot, 0]) not in (0, key + 1):
            slot = (slot + 1) % len(self.directory)
        return slot

    def _pair(self, row: int, index: int) -> int:
        """The three bytes that hold the values of a line and its neighbour."""
        first, middle, last = self.values[row, index // 2 * 3 : index // 2 * 3 + 3].tolist()
        return int(first | middle << 8 | last << 16)

    def _make_chunk(self, chunk: int) -> int:
        if self.rows == len(self.pages) or self.full:
            self.grow()
        row, first = self.rows, chunk * CHUNK
        self.chunk_of[row // CHUNK] = chunk
        for known in self.ranges(first, first + CHUNK):
            rows = slice(row + known.first - first, row + known.end - first)
            self.values[rows] = packed(np.full(self.lines_per_page, known.state, np.uint16))
            self.classes[rows] = known.page_class
            if self._unsettled is not None and self._unsettled[known.state]:
                self.marks.add(np.arange(rows.start, rows.stop), int(self._unsettled[known.state]))
        for bits, ranges in self.told.items():
            for told_first, told_end in ranges:
                low, high = max(told_first - first, 0), min(told_end - first, CHUNK)
                if low < high:
                    self.reported[row + low : row + high] |= np.uint8(bits)
        slot = self._probe(chunk >> LEAF_BITS)
        if not self.directory[slot, 0]:
            self.directory[slot] = (chunk >> LEAF_BITS) + 1, self.leaves_used
            self.leaves_used += 1
        self.leaves[self.directory[slot, 1], chunk % (1 << LEAF_BITS)] = row // CHUNK + 1
        self.rows += CHUNK
        return row
