# SPDX-License-Identifier: GPL-2.0-or-later
"""Translation tables for 52 bits of address, by the figures of the Arm ARM (DDI 0487 D8.2).

With DS, and with pages of 64 KiB and PS 0b110, a descriptor's bits 9:8 or 15:12 are bits of an address.
"""

import tests.helpers.tiny_guests as a64
from tests.helpers.tiny_guests import RAM

SHIFTS = {12: (48, 39, 30, 21, 12), 14: (47, 36, 25, 14), 16: (42, 29, 16)}
"""The lowest bit of the index into the table of each level, by the granule: of 4 KiB from level -1 on, of 16 KiB from
level 0, of 64 KiB from level 1."""

TG0 = {12: 0, 16: 1, 14: 2}
TG1 = {14: 1, 12: 2, 16: 3}
_SIZE_52, _BITS = 0b110, 52


def tcr(granule: int, level: int = 1) -> int:
    """TCR of an exception level for 52 bits in both halves, or TTBR0 alone; walks are write-back."""
    low = 64 - _BITS | 1 << 8 | 1 << 10 | 3 << 12 | TG0[granule] << 14
    if level != 1:
        return low | _SIZE_52 << 16 | 1 << 31 | 1 << 23 | 1 << 32
    high = 64 - _BITS | 1 << 8 | 1 << 10 | 3 << 12
    return low | high << 16 | TG1[granule] << 30 | _SIZE_52 << 32 | 1 << 59


def page(address: int, kind: int = a64.WB, never: int = 0) -> int:
    """A page descriptor without shareability; the address is below 2^48."""
    return a64.page(address, kind, never) & ~a64.INNER_SHAREABLE


class LargeTables:
    """Tables in RAM, from an offset on.

    Parameters
    ----------
    granule : int
        12, 14 or 16.
    root : int
        The offset of the first table in RAM.
    """

    def __init__(self, granule: int, root: int) -> None:
        self._shifts, self._size = SHIFTS[granule], 1 << granule
        self.root = RAM + root
        self._tables: dict[int, dict[int, int]] = {root: {}}

    def put(self, virtual: int, descriptor: int, levels: int | None = None) -> list[int]:
        """Map a page, or with less `levels` a block; return the addresses of the descriptors that lead to it."""
        at, places = self.root - RAM, []
        above = 52
        for number, shift in enumerate(self._shifts[:levels]):
            index = virtual >> shift & (1 << above - shift) - 1
            places.append(RAM + at + 8 * index)
            above = shift
            table = self._tables[at]
            if number == (levels or len(self._shifts)) - 1:
                table[index] = descriptor
            elif index not in table:
                at = max(self._tables) + self._size
                self._tables[at] = {}
                table[index] = a64.table(RAM + at)
            else:
                at = (table[index] & ~0xFFF) - RAM
        return places

    def pieces(self) -> dict[int, bytes]:
        """The bytes of the tables, by their offsets in RAM."""
        return {
            at: b"".join(table.get(index, 0).to_bytes(8, "little") for index in range(self._size // 8))
            for at, table in self._tables.items()
        }
