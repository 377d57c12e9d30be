# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks the dense pages that may have lines that a barrier changes."""

from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.reserved_arrays import reserve

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Marks:
    """A set of rows of `coldline.checker.state.memory.Memory`, which compiled code adds to, too.

    Parameters
    ----------
    most : int
        The number of rows that there is room for.

    Attributes
    ----------
    marked : ndarray of uint8, shape (most,)
        Whether a row is in the set.
    rows : ndarray of uint32, shape (most,)
        The rows of the set.
    count : ndarray of uint64, shape (1,)
        How many there are.
    """

    def __init__(self, most: int) -> None:
        self.marked: NDArray[np.uint8] = reserve(most, np.uint8)
        self.rows: NDArray[np.uint32] = reserve(most, np.uint32)
        self.count: NDArray[np.uint64] = np.zeros(1, np.uint64)

    def add(self, rows: "NDArray[np.intp]") -> None:
        """Mark some rows, each of which is there once."""
        new = rows[self.marked[rows] == 0]
        self.marked[new] = 1
        count = int(self.count[0])
        self.rows[count : count + len(new)] = new
        self.count[0] = count + len(new)

    def take(self) -> "NDArray[np.intp]":
        """Return the marked rows, in order, and clear their marks."""
        rows = np.sort(self.rows[: int(self.count[0])]).astype(np.intp)
        self.marked[rows] = 0
        self.count[0] = 0
        return rows
