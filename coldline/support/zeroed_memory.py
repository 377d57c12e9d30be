# SPDX-License-Identifier: GPL-2.0-or-later
"""Zeroed memory of any size, of which only written pages take memory."""

import mmap
import sys

_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Linux include/uapi/asm-generic/mman-common.h (6.1); Python has it from 3.13 on."""


def zeros(size: int) -> mmap.mmap:
    """Map `size` zeroed bytes, at least one; a page takes memory once it is written.

    Raises
    ------
    OSError
        If this process cannot have that much address space.
    """
    return mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
