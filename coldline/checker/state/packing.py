# SPDX-License-Identifier: GPL-2.0-or-later
"""Packs numbers of 12 bits, such as the values of lines, two in three bytes.

The first of two is in the lower bits of the 24, so number `n` is 12 bits of the 16-bit word at byte `3 * n // 2`: the
lower ones where `n` is even, the upper ones where it is odd.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PACKED = (1 << 12) - 1
"""The largest number."""


def packed(numbers: "NDArray[np.uint16]") -> "NDArray[np.uint8]":
    """Pack numbers up to `MAX_PACKED`, an even count along the last axis; the result has 3 bytes for 2 numbers."""
    low, high = numbers[..., 0::2], numbers[..., 1::2]
    three = np.stack((low, low >> 8 | high << 4, high >> 4), axis=-1).astype(np.uint8)
    return three.reshape(*numbers.shape[:-1], -1)


def unpacked(three: "NDArray[np.uint8]") -> "NDArray[np.uint16]":
    """Unpack the result of `packed`."""
    first, middle, last = (three[..., n::3].astype(np.uint16) for n in range(3))
    two = np.stack((first | (middle & 0xF) << 8, middle >> 4 | last << 4), axis=-1)
    return two.reshape(*three.shape[:-1], -1)
