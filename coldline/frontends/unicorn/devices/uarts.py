# SPDX-License-Identifier: GPL-2.0-or-later
"""Serial ports that print at once and never have input, besides the PL011.

For a program that prints, a serial port is a register to store characters in, and status registers that say that
there is room. A table has these for each kind.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from coldline.frontends.unicorn.devices.device import Device
from coldline.frontends.unicorn.devices.pl011 import Pl011
from coldline.guest.serial_kinds import PL011_KIND


class UartKind(NamedTuple):
    """The registers of a kind of serial port.

    Attributes
    ----------
    data : int
        The offset of the register that takes characters.
    status : mapping of int to int
        What other registers read as, by their offsets: ready to send, nothing received.
    in_word : int
        The most characters in one store: the bytes of the value, lowest first, up to the first zero.
    locked_by : tuple of int or None
        The offset of a register, and a bit of it that makes `data` another register while it is set.
    """

    data: int
    status: Mapping[int, int]
    in_word: int = 1
    locked_by: tuple[int, int] | None = None


_LSR_IDLE = 0x60
"""16550: the transmitter is empty (THRE, TEMT)."""

_DLAB = 0x80
"""16550, LCR: the first two registers are the divisor's."""

_KINDS: Final[Mapping[str, UartKind]] = MappingProxyType(
    {
        # Linux include/uapi/linux/serial_reg.h; drivers/tty/serial/8250/8250_dw.c, for USR
        "ns16550": UartKind(0, {5: _LSR_IDLE}, locked_by=(3, _DLAB)),
        "ns16550-32": UartKind(0, {0x14: _LSR_IDLE, 0x7C: 0x06}, locked_by=(0xC, _DLAB)),
        # Linux drivers/tty/serial/imx.c
        "imx": UartKind(0x40, {0x94: 0x2000, 0x98: 0x4008, 0xB4: 0x40}),
        # Linux drivers/tty/serial/fsl_lpuart.c
        "lpuart": UartKind(0x7, {0x4: 0xC0}),
        "lpuart32": UartKind(0x1C, {0x14: 0x00C0_0000}),
        # Linux drivers/tty/serial/meson_uart.c
        "meson": UartKind(0x0, {0xC: 0x0050_0000}),
        # Linux drivers/tty/serial/xilinx_uartps.c
        "cadence": UartKind(0x30, {0x2C: 0x0A}),
        # Linux drivers/tty/serial/samsung_tty.c
        "exynos4210": UartKind(0x20, {0x10: 0x06}),
        # Linux drivers/tty/serial/stm32-usart.h, stm32h7
        "stm32": UartKind(0x28, {0x1C: 0xC0}),
        # Linux drivers/tty/serial/msm_serial.c, UARTDM
        "msm": UartKind(0x70, {0xA4: 0x0C, 0xB4: 0x80}, in_word=4),
        # Linux drivers/tty/serial/mvebu-uart.c
        "mvebu": UartKind(0x4, {0xC: 0x0070}),
        # Linux drivers/tty/serial/sh-sci.c, SCIF
        "scif": UartKind(0xC, {0x10: 0x60}),
        # Linux drivers/tty/serial/atmel_serial.c
        "at91": UartKind(0x1C, {0x14: 0x202}),
    }
)


def make_uart(kind: str, base: int, size: int, console: Callable[[int], None]) -> Device:
    """Return a serial port of a kind, at a physical address, that prints by `console`."""
    if kind == PL011_KIND:
        return Pl011(base, console)
    return Uart(kind, base, size, console)


class Uart:
    """A serial port.

    Parameters
    ----------
    kind : str
        A name in `coldline.guest.serial_kinds.SERIAL_KINDS`, but for ``pl011``.
    base, size : int
        Its registers, in bytes.
    console : callable
        Called with each byte that the guest prints.
    """

    steady = True

    def __init__(self, kind: str, base: int, size: int, console: Callable[[int], None]) -> None:
        self.name, self.base, self.size = kind, base, size
        self._kind = _KINDS[kind]
        self._console = console
        self._written: dict[int, int] = {}

    def read(self, offset: int, size: int) -> int:
        """The value of a register: its status, or what was last stored there."""
        return self._kind.status.get(offset, self._written.get(offset, 0)) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Print, or keep a setting."""
        if offset != self._kind.data or self._is_locked():
            self._written[offset] = value
            return
        for index in range(min(size, self._kind.in_word)):
            byte = value >> 8 * index & 0xFF
            if byte or not index:
                self._console(byte)

    def _is_locked(self) -> bool:
        if self._kind.locked_by is None:
            return False
        offset, bit = self._kind.locked_by
        return bool(self._written.get(offset, 0) & bit)
