# SPDX-License-Identifier: GPL-2.0-or-later
"""Which rows the dense pages of a range have. Pages become dense in chunks, one after another in no order."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 16
"""How many aligned pages become dense together, as accesses to nearby pages mostly follow."""


def rows_between(
    chunk_of: "NDArray[np.int64]", first: int, end: int
) -> "tuple[NDArray[np.intp], NDArray[np.int64]]":
    """Return the rows of the dense pages from `first` to `end`, in the order of pages, and those pages; read-only.

    Parameters
    ----------
    chunk_of : ndarray of int64
        The chunk of each `CHUNK` rows.
    first, end : int
        The first page, and one past the last.
    """
    starts = chunk_of * CHUNK
    chunks = np.flatnonzero((starts > first - CHUNK) & (starts < end))
    chunks = chunks[np.argsort(starts[chunks])]
    rows = (chunks[:, None] * CHUNK + np.arange(CHUNK)).ravel()
    pages = (starts[chunks][:, None] + np.arange(CHUNK)).ravel()
    rows.flags.writeable = pages.flags.writeable = False
    low, high = np.searchsorted(pages, (first, end))
    return rows[low:high], pages[low:high]
