# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers that read as one value and ignore stores, as the user has described them."""


class Constant:
    """The registers.

    Parameters
    ----------
    base, size : int
        Their range, in bytes.
    value : int
        What each register of 32 bits reads as.
    name : str
        What they are, for people.
    """

    steady = True

    def __init__(self, base: int, size: int, value: int = 0, name: str = "registers") -> None:
        self.name = name
        self.base, self.size = base, size
        self._word = (value & 0xFFFF_FFFF) * 0x1_0000_0001

    def read(self, offset: int, size: int) -> int:
        """The value's bytes at this offset."""
        return self._word >> 8 * (offset % 4) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Take no notice."""
