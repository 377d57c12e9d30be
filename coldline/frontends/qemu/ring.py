# SPDX-License-Identifier: GPL-2.0-or-later
"""The ring of records, in memory that this process and QEMU share. No file of it is left behind."""

import mmap
import os
from typing import Final

from coldline.frontends.qemu.records import CAPACITY, HEAD_SIZE, MAGIC, RECORD_SIZE, RingHead
from coldline.jit.shared_record import address_of

_WORD: Final = 8


def memory_file(name: str, size: int) -> int:
    """Return the descriptor of a zeroed file of `size` bytes that is in memory and has no name in a folder.

    So nothing is left of it when this process ends, however it ends.
    """
    descriptor = os.memfd_create(name)
    os.truncate(descriptor, size)
    return descriptor


def path_of(descriptor: int) -> str:
    """The name of a memory file for other processes, while this one has it open."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"


class RecordRing:
    """The reader's end of the ring.

    Attributes
    ----------
    descriptor : int
        The file, which the plugin opens by its name.
    records : int
        The address of the first record.
    """

    def __init__(self) -> None:
        size = HEAD_SIZE + CAPACITY * RECORD_SIZE
        self.descriptor = memory_file("coldline-ring", size)
        self._memory = mmap.mmap(self.descriptor, size)
        self._words = memoryview(self._memory)[:HEAD_SIZE].cast("Q")
        self.records = address_of(self._memory) + HEAD_SIZE
        self._set(RingHead.MAGIC, MAGIC)
        self._set(RingHead.CAPACITY, CAPACITY)

    @property
    def path(self) -> str:
        """See `path_of`."""
        return path_of(self.descriptor)

    @property
    def state(self) -> int:
        """What the plugin says of itself: one of `PluginState`."""
        return self._get(RingHead.STATE)

    @property
    def waits(self) -> int:
        """How often QEMU has waited for the reader."""
        return self._get(RingHead.WAITS)

    @property
    def instructions(self) -> int:
        """How many instructions were executed."""
        return self._get(RingHead.INSTRUCTIONS)

    @property
    def accesses(self) -> int:
        """How many loads and stores of RAM there were."""
        return self._get(RingHead.ACCESSES)

    @property
    def ctr(self) -> int:
        """CTR_EL0 of the vCPU that executes first, once the machine is about to; 0 if it has none."""
        return self._get(RingHead.CTR)

    @property
    def written(self) -> int:
        """How many records the plugin has told of."""
        return self._get(RingHead.WRITTEN)

    def take(self, taken: int) -> None:
        """Tell the plugin how many records the reader has taken so far."""
        self._set(RingHead.TAKEN, taken)

    def go(self) -> None:
        """Let the machine execute its first instruction."""
        self._set(RingHead.GO, 1)

    def close(self) -> None:
        """Tell the plugin that nobody reads any more, and give the memory back."""
        self._set(RingHead.GONE, 1)
        self._words.release()
        os.close(self.descriptor)

    def _get(self, at: int) -> int:
        return self._words[at // _WORD]

    def _set(self, at: int, value: int) -> None:
        self._words[at // _WORD] = value
