# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers that read as zero and ignore writes: an interrupt controller that no interrupt ever comes to."""


class Silent:
    """RAZ/WI.

    Parameters
    ----------
    base, size : int
        Where, in bytes.
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size

    def read(self, offset: int, size: int) -> int:
        """Zero."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Take no notice."""
