# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy of the machine's RAM that is as old as the last record that was taken.

QEMU runs ahead of the reader of its records. So tables are not read in its RAM: the copy starts as RAM is before the
first instruction, and each store's value is put there as its record comes.
"""

import errno
import mmap
import os
from pathlib import Path
from typing import Final

from coldline.errors import QemuError
from coldline.frontends.qemu.command_line import CommandLine
from coldline.support.units import PAGE_SIZE
from coldline.support.zeroed_memory import zeros

_PIECE: Final = 1 << 22


def beside(machine: CommandLine) -> list[tuple[int, memoryview]]:
    """Copies of the memory beside RAM that may have tables: RAM of Secure state, and flash memory.

    Raises
    ------
    QemuError
        If the file of the flash memory cannot be read.
    """
    found = []
    base, size = machine.secure_ram
    if size:
        found.append((base, memoryview(zeros(size))))
    if machine.rom:
        try:
            content = Path(machine.rom).read_bytes()
        except OSError as error:
            raise QemuError(f"{machine.rom}: {error.strerror}") from error
        pages = -(-len(content) // PAGE_SIZE)
        found.append((0, memoryview(bytearray(content.ljust(pages * PAGE_SIZE, b"\xff")))))
    return [(at, buffer) for at, buffer in found if buffer.nbytes]


class Shadow:
    """The copy.

    Parameters
    ----------
    base, size : int
        RAM's physical address and bytes.

    Attributes
    ----------
    memory : mmap
        The bytes.
    loaded : list of (int, int)
        The addresses and sizes, in whole pages, of what was in RAM at the start: what QEMU's loaders put there.
    """

    def __init__(self, base: int, size: int) -> None:
        self._base, self._size = base, size
        self.memory: mmap.mmap = zeros(size)
        self.loaded: list[tuple[int, int]] = []

    def copy(self, descriptor: int) -> None:
        """Copy RAM from its file; only what is not zero takes memory."""
        nothing = bytes(PAGE_SIZE)
        at = 0
        while at < self._size:
            try:
                start = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            at = min(os.lseek(descriptor, start, os.SEEK_HOLE), self._size)
            for piece_at in range(start, at, _PIECE):
                piece = os.pread(descriptor, min(_PIECE, at - piece_at), piece_at)
                for offset in range(0, len(piece), PAGE_SIZE):
                    page = piece[offset : offset + PAGE_SIZE]
                    if page != nothing[: len(page)]:
                        self._put(piece_at + offset, page)

    def _put(self, offset: int, page: bytes) -> None:
        self.memory[offset : offset + len(page)] = page
        address = self._base + offset
        if self.loaded and sum(self.loaded[-1]) == address:
            self.loaded[-1] = (self.loaded[-1][0], self.loaded[-1][1] + PAGE_SIZE)
        else:
            self.loaded.append((address, PAGE_SIZE))
