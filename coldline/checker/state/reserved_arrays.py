# SPDX-License-Identifier: GPL-2.0-or-later
"""Arrays that are reserved at their greatest length, and take memory only for pages that have been written.

They never move, so compiled code can keep their addresses.
"""

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_READ_AFTER = 8
"""Bytes after each array that may be read: compiled code reads several small elements at once."""

_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)


def reserve(count: int, dtype: "DTypeLike", *, large_pages: bool = False) -> "NDArray[Any]":
    """Make an array of zeros, whose memory the system provides page by page as it is written.

    Parameters
    ----------
    count : int
        The number of elements.
    dtype : data type
        Their type.
    large_pages : bool
        Whether to ask the system for large pages: for arrays with scattered look-ups.

    Raises
    ------
    MemoryError
        If the system refuses to reserve that much.
    """
    try:
        block = mmap.mmap(-1, count * np.dtype(dtype).itemsize + _READ_AFTER, flags=_FLAGS)
    except OSError as error:
        raise MemoryError(str(error)) from error
    if large_pages:
        with suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, dtype, count)
