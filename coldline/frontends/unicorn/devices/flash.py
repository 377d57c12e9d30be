# SPDX-License-Identifier: GPL-2.0-or-later
"""A NOR flash with Intel's command set, erased at first: two 16-bit chips side by side, as on QEMU's machine.

Source: CFI publication 100; Intel StrataFlash J3 (Intel 290667), whose commands linux
drivers/mtd/chips/cfi_cmdset_0001.c (6.1) and qemu hw/block/pflash_cfi01.c (7.2) use. Every command is done at once.
"""

from collections.abc import Callable

_WIDTH = 4
"""Bytes of a word; a command has its byte in every 16 bits."""

_READY = 0x0080_0080
_BLOCK = 256 << 10
_ERASED = b"\xff"

_ERASE, _PROGRAM, _BUFFER, _LOCK = (0x20, 0x28), (0x10, 0x40), 0xE8, 0x60
_CLEAR_OR_READ_STATUS, _IDENTIFIER, _CFI = (0x50, 0x70), 0x90, 0x98
COMMANDS = frozenset({*_ERASE, *_PROGRAM, _BUFFER, _LOCK, *_CLEAR_OR_READ_STATUS, _IDENTIFIER, _CFI})
"""The commands that end read-array mode; every other value keeps or starts it."""

_READ_ARRAY, _STATUS, _QUERY, _IDENTIFY = range(4)
_MANUFACTURER, _DEVICE = 0x89, 0x18


def _query(blocks: int) -> bytes:
    """The CFI table from offset 0x10 on: one region of erase blocks, buffered writes of 2 KiB."""
    size_log = (blocks * _BLOCK // 2 - 1).bit_length()  # of one chip of two
    chip_block = _BLOCK // 2
    return bytes((
        *b"QRY", 0x01, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x45, 0x55, 0x00, 0x00, 0x07, 0x07, 0x0A, 0x00, 0x04, 0x04, 0x04, 0x00,
        size_log, 0x02, 0x00, 0x0A, 0x00, 0x01,
        (blocks - 1) & 0xFF, (blocks - 1) >> 8, chip_block >> 8 & 0xFF, chip_block >> 16,
        0x00, *b"PRI", *b"10",
    ))  # fmt: skip


class Flash:
    """The flash.

    Parameters
    ----------
    base, size : int
        Its range, in bytes, in whole erase blocks of 256 KiB.
    """

    name = "flash"
    steady = True

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self._blocks: dict[int, bytearray] = {}
        self._table = _query(size // _BLOCK)
        self._mode = _READ_ARRAY
        self._next: Callable[[int, int, int], None] | None = None
        self._left = 0

    def read(self, offset: int, size: int) -> int:
        """Bytes of the array, or the data that the last command asked for."""
        if self._mode == _READ_ARRAY:
            block, at = divmod(offset, _BLOCK)
            kept = self._blocks.get(block)
            return int.from_bytes(_ERASED * size if kept is None else kept[at : at + size], "little")
        word = self._word(offset // _WIDTH)
        return word >> 8 * (offset % _WIDTH) & (1 << 8 * size) - 1

    def _word(self, index: int) -> int:
        if self._mode == _STATUS:
            return _READY
        if self._mode == _IDENTIFY:
            value = {0: _MANUFACTURER, 1: _DEVICE}.get(index & 0xFF, 0)
        else:
            at = (index & 0xFF) - 0x10
            value = self._table[at] if 0 <= at < len(self._table) else 0
        return value << 16 | value

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a command, or data for an earlier command."""
        if self._next is not None:
            self._next(offset, size, value)
            return
        command = value & 0xFF
        if command in _ERASE:
            self._mode, self._next = _STATUS, self._erase
        elif command in _PROGRAM:
            self._mode, self._next = _STATUS, self._program_word
        elif command == _BUFFER:
            self._mode, self._next = _STATUS, self._count
        elif command == _LOCK:
            self._mode, self._next = _STATUS, self._lock
        elif command in _CLEAR_OR_READ_STATUS:
            self._mode = _STATUS
        elif command == _IDENTIFIER:
            self._mode = _IDENTIFY
        elif command == _CFI:
            self._mode = _QUERY
        else:
            self._mode = _READ_ARRAY

    def _erase(self, offset: int, size: int, value: int) -> None:
        self._next = None
        if value & 0xFF == 0xD0:
            self._blocks.pop(offset // _BLOCK, None)

    def _lock(self, offset: int, size: int, value: int) -> None:
        self._next = None

    def _program_word(self, offset: int, size: int, value: int) -> None:
        self._next = None
        self._program(offset, size, value)

    def _count(self, offset: int, size: int, value: int) -> None:
        self._left = (value & 0xFFFF) + 1
        self._next = self._program_buffer

    def _program_buffer(self, offset: int, size: int, value: int) -> None:
        self._program(offset, size, value)
        self._left -= 1
        if not self._left:
            self._next = self._lock  # the confirmation, 0xD0

    def _program(self, offset: int, size: int, value: int) -> None:
        """Program bytes, which clears bits and sets none."""
        block, at = divmod(offset, _BLOCK)
        kept = self._blocks.setdefault(block, bytearray(_ERASED * _BLOCK))
        old = int.from_bytes(kept[at : at + size], "little")
        kept[at : at + size] = (old & value).to_bytes(size, "little")
