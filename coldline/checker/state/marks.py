# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks the dense pages that may have lines that an event of all memory changes, for each kind of such an event.

These are barriers; or, where everything takes effect at once, invalidations of all of an instruction cache.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.checker.state.reserved_arrays import reserve
from coldline.events import Op

if TYPE_CHECKING:
    from numpy.typing import NDArray

BARRIER_OPS: Final = (Op.DSB, Op.DMB, Op.ISB, Op.DSB_NSH)
"""The barriers by the numbers of their bits in a mark."""

MARKS: Final = len(BARRIER_OPS) + 1
"""The bits of a mark."""

INVALIDATION_BIT: Final = 1 << len(BARRIER_OPS)
"""The bit of an invalidation of all of an instruction cache."""

ANY_MARK: Final = (1 << MARKS) - 1
"""The mark of a page that any of these events may change."""


def barrier_bit(op: Op) -> int:
    """The bit of a barrier in a mark."""
    return 1 << BARRIER_OPS.index(op)


class Marks:
    """The marks of rows of `coldline.checker.state.memory.Memory`, to which compiled code adds, too.

    So an ISB does not look at the pages that have maintenance pending, which only a DSB changes.

    Parameters
    ----------
    most : int
        The number of rows that there is room for.

    Attributes
    ----------
    marked : ndarray of uint8, shape (most,)
        The events that may change a row, a bit each.
    rows : ndarray of uint32, shape (most,)
        The rows with a mark.
    count : ndarray of uint64, shape (1 + MARKS,)
        How many they are; and how many each event may change.
    """

    def __init__(self, most: int) -> None:
        self.marked: NDArray[np.uint8] = reserve(most, np.uint8)
        self.rows: NDArray[np.uint32] = reserve(most, np.uint32)
        self.count: NDArray[np.uint64] = np.zeros(1 + MARKS, np.uint64)

    def add(self, rows: "NDArray[np.intp]", bits: int) -> None:
        """Add bits to the marks of some rows, each of which is there once."""
        if not bits:
            return
        before = self.marked[rows]
        new, end = rows[before == 0], int(self.count[0])
        self.rows[end : end + len(new)] = new
        self.marked[rows] = before | np.uint8(bits)
        self.count[0] = end + len(new)
        self._count(before ^ self.marked[rows], 1)

    def take(self, bit: int) -> "NDArray[np.intp]":
        """Return the rows that an event may change, in order, and clear their marks."""
        marked = self.rows[: int(self.count[0])].copy()
        chosen = self.marked[marked] & np.uint8(bit) != 0
        taken, left = np.sort(marked[chosen]).astype(np.intp), marked[~chosen]
        self._count(self.marked[taken], -1)
        self.marked[taken] = 0
        self.rows[: len(left)] = left
        self.count[0] = len(left)
        return taken

    def _count(self, marks: "NDArray[np.uint8]", sign: int) -> None:
        for number in range(MARKS):
            more = sign * int(np.count_nonzero(marks & np.uint8(1 << number)))
            self.count[1 + number] = int(self.count[1 + number]) + more
