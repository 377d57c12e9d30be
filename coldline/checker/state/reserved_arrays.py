# SPDX-License-Identifier: GPL-2.0-or-later
"""Arrays that are as long as they may ever be, and take memory only where they have been written.

They never move, so compiled code keeps their addresses.
"""

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)


def reserve(count: int, dtype: "DTypeLike", *, large_pages: bool = False) -> "NDArray[Any]":
    """`count` zeros of a type, in memory that is taken page by page as they are written.

    Parameters
    ----------
    count : int
        How many.
    dtype : data type
        Of each.
    large_pages : bool
        Whether to take it by large pages where the system has them: for what is looked up all over.

    Raises
    ------
    MemoryError
        If this machine cannot promise that much.
    """
    try:
        block = mmap.mmap(-1, count * np.dtype(dtype).itemsize, flags=_FLAGS)
    except OSError as error:
        raise MemoryError(str(error)) from error
    if large_pages:
        with suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, dtype)
