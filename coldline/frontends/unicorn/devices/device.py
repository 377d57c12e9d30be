# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of an emulated device, and the identification registers of Arm's devices."""

from typing import Protocol


class Device(Protocol):
    """Registers at a physical address.

    Attributes
    ----------
    name : str
        What it is, for people.
    base, size : int
        Their range, in bytes.
    steady : bool
        Whether a load changes nothing: it gives the same value until there is a store.
    """

    name: str
    base: int
    size: int
    steady: bool

    def read(self, offset: int, size: int) -> int:
        """The value of `size` bytes (1, 2, 4 or 8) at `offset` from the base."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a value."""


IDENTIFICATION = 0xFE0
"""The offset of a PrimeCell's eight identification registers, a byte in each word."""


def identification(part: int, revision: int) -> dict[int, int]:
    """A PrimeCell's identification registers, by offset: PeriphID0 to 3, then PCellID0 to 3.

    Parameters
    ----------
    part, revision : int
        As in PeriphID0 to 2; the designer is Arm (0x41).

    Source: Arm DDI 0183 3.3.15, DDI 0224 3.3.8.
    """
    bytes_of = (part & 0xFF, 0x10 | part >> 8, revision << 4 | 0x4, 0x00, 0x0D, 0xF0, 0x05, 0xB1)
    return {IDENTIFICATION + 4 * index: value for index, value in enumerate(bytes_of)}
