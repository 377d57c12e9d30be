# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers that read as zero and ignore writes, for an interrupt controller without interrupts."""


class Silent:
    """RAZ/WI registers.

    Parameters
    ----------
    name : str
        What it stands for.
    base, size : int
        Their range, in bytes.
    """

    def __init__(self, name: str, base: int, size: int) -> None:
        self.name, self.base, self.size = name, base, size

    def read(self, offset: int, size: int) -> int:
        """Zero."""
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Take no notice."""
