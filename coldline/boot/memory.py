# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that machine code works on, without NumPy, whose import the emulator would wait for."""

import ctypes
import mmap


def zeros(size: int) -> mmap.mmap:
    """Zeroed bytes, one at the least, committed as they are first written."""
    return mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def address_of(buffer: bytearray | memoryview | mmap.mmap) -> int:
    """Where writable bytes are."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
