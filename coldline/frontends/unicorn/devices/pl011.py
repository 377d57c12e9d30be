# SPDX-License-Identifier: GPL-2.0-or-later
"""A PL011 that prints at once and never has input: Arm DDI 0183, chapter 3."""

from collections.abc import Callable

from coldline.frontends.unicorn.devices.device import identification

_DATA, _FLAGS = 0x000, 0x018
_IDLE = 0x90
"""UARTFR: transmit FIFO empty, receive FIFO empty (3.3.3)."""

_KEPT = frozenset({0x024, 0x028, 0x02C, 0x030, 0x034, 0x038, 0x048})
"""UARTIBRD, UARTFBRD, UARTLCR_H, UARTCR, UARTIFLS, UARTIMSC, UARTDMACR: they read as they were written."""


class Pl011:
    """The console.

    Parameters
    ----------
    base : int
        Physical address.
    console : callable
        Called with each byte that the guest prints.
    """

    name = "PL011"
    steady = True
    size = 0x1000

    def __init__(self, base: int, console: Callable[[int], None]) -> None:
        self.base = base
        self._console = console
        self._registers = identification(part=0x011, revision=1)

    def read(self, offset: int, size: int) -> int:
        """The value of a register."""
        return _IDLE if offset == _FLAGS else self._registers.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Print, or keep a setting."""
        if offset == _DATA:
            self._console(value & 0xFF)
        elif offset in _KEPT:
            self._registers[offset] = value & 0xFFFF
