# SPDX-License-Identifier: GPL-2.0-or-later
"""Arrays that are as long as they may ever be, and take memory only where they have been written.

They never move, so compiled code keeps their addresses.
"""

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)


def reserve(count: int, dtype: "DTypeLike") -> "NDArray[Any]":
    """`count` zeros of a type, in memory that is taken page by page as they are written.

    Raises
    ------
    MemoryError
        If this machine cannot promise that much.
    """
    try:
        block = mmap.mmap(-1, count * np.dtype(dtype).itemsize, flags=_FLAGS)
    except OSError as error:
        raise MemoryError(str(error)) from error
    return np.frombuffer(block, dtype)


def clear(array: "NDArray[Any]") -> None:
    """Zero an array from `reserve` and give its memory back."""
    block = array.base.obj if isinstance(array.base, memoryview) else array.base
    assert isinstance(block, mmap.mmap)
    block.madvise(mmap.MADV_DONTNEED)
