# SPDX-License-Identifier: GPL-2.0-or-later
"""Which ranges of bytes overlap some others."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def overlaps(
    start: "NDArray[np.uint64]", end: "NDArray[np.uint64]", bases: "NDArray[np.uint64]", size: int, slack: int
) -> "NDArray[np.bool_]":
    """Which of the ranges `start` to `end`, widened by `slack`, overlap a range of `size` bytes at one of `bases`."""
    wide = np.uint64(size + slack)
    low = np.searchsorted(bases, np.where(start >= wide, start - wide, np.uint64(0)), side="left")
    high = np.searchsorted(bases, end + np.uint64(slack), side="left")
    return np.asarray(high > low)
