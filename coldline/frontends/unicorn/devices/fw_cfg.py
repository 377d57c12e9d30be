# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's firmware configuration device, with its memory-mapped registers and without DMA.

Source: qemu docs/specs/fw_cfg.rst (7.2); include/standard-headers/linux/qemu_fw_cfg.h.
"""

from collections.abc import Mapping

_DATA, _SELECTOR = 0x0, 0x8
_SIGNATURE, _ID, _CORES, _FILES = 0x00, 0x01, 0x05, 0x19
_TRADITIONAL = 1


class FwCfg:
    """The device: items that firmware selects by a key, and then reads byte by byte. There are no files.

    Parameters
    ----------
    base, size : int
        Its range, in bytes.
    cores : int
        The number of cores.
    """

    name = "fw_cfg"
    steady = False

    def __init__(self, base: int, size: int, cores: int) -> None:
        self.base, self.size = base, size
        self._items: Mapping[int, bytes] = {
            _SIGNATURE: b"QEMU",
            _ID: _TRADITIONAL.to_bytes(4, "little"),
            _CORES: cores.to_bytes(2, "little"),
            _FILES: bytes(4),
        }
        self._item, self._at = b"", 0

    def read(self, offset: int, size: int) -> int:
        """The item's next bytes, in their order in memory; zero after its end, and in other registers."""
        if not _DATA <= offset < _SELECTOR:
            return 0
        taken = self._item[self._at : self._at + size].ljust(size, b"\0")
        self._at += size
        return int.from_bytes(taken, "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Select an item: the selector is big-endian."""
        if offset == _SELECTOR and size == 2:
            key = int.from_bytes(value.to_bytes(2, "little"), "big")
            self._item, self._at = self._items.get(key, b""), 0
