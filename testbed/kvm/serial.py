# SPDX-License-Identifier: GPL-2.0-or-later
"""A PL011 that only sends: what Linux needs for its console (Arm DDI 0183G)."""

from collections.abc import Callable
from typing import Final

__all__ = ["SendingPl011"]

_DATA: Final = 0x000
_FLAGS: Final = 0x018
_NOTHING_TO_DO: Final = 0x90
"""UARTFR.TXFE and RXFE: all is sent, and nothing was received."""

_IDENTIFICATION: Final = dict(
    zip(range(0xFE0, 0x1000, 4), (0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1), strict=True)
)
"""UARTPeriphID0 to 3 and UARTPCellID0 to 3."""


class SendingPl011:
    """A PL011 that sends at once and receives nothing; it makes no interrupts.

    Parameters
    ----------
    send : callable
        Receives each byte.
    """

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._kept: dict[int, int] = {}

    def read(self, offset: int) -> int:
        """Return a register; control registers are as they were stored."""
        if offset == _FLAGS:
            return _NOTHING_TO_DO
        return _IDENTIFICATION.get(offset, self._kept.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        """Store to a register."""
        if offset == _DATA:
            self._send(value & 0xFF)
        else:
            self._kept[offset] = value
