# SPDX-License-Identifier: GPL-2.0-or-later
"""Zeroed memory that costs what is written of it, however large."""

import mmap
import sys

_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Linux include/uapi/asm-generic/mman-common.h (6.1); Python has it from 3.13 on."""


def zeros(size: int) -> mmap.mmap:
    """Zeroed bytes, one at the least, committed as they are first written.

    Raises
    ------
    OSError
        If this process cannot have so much address space.
    """
    return mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
