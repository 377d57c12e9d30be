# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that machine code works on, without NumPy, whose import the emulator would wait for."""

import ctypes
import mmap

from coldline.support.zeroed_memory import zeros

__all__ = ["address_of", "zeros"]


def address_of(buffer: bytearray | memoryview | mmap.mmap) -> int:
    """Where writable bytes are."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
