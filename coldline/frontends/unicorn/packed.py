# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as the callbacks write them: most in one word, to be spread into columns by who reads them.

The guest does not wait for that, and what waits to be read while the reader gets ready is a third as much.
"""

import mmap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from coldline.events.batch import INSTRUCTION_SIZE, Batch
from coldline.events.layout import EVENT_SIZE
from coldline.frontends.unicorn.memory import address_of, zeros

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# From which bit of the word each part is; the address is from bit 0 on.
SIZE_SHIFT, OP_SHIFT, AGENT_SHIFT, ATTRIBUTES_SHIFT = 40, 52, 58, 60
LONGEST = 1 << OP_SHIFT - SIZE_SHIFT
"""Bytes that an event in one word may have: 1 to so many, of which the word has one less."""

LONG = 63
"""In place of an operation: the event is in the `LONG_WORDS - 1` words that follow, as it is in columns."""

LONG_WORDS = 4


class Buffers:
    """What batches are made in, used again and again.

    Parameters
    ----------
    size : int
        Bytes of each.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._spare: list[mmap.mmap] = []

    def take(self) -> mmap.mmap:
        """One to write to; the last that came back is the likeliest to be in a cache still."""
        try:
            return self._spare.pop()
        except IndexError:
            return zeros(self.size)

    def give_back(self, buffer: mmap.mmap) -> None:
        """Be done with one."""
        self._spare.append(buffer)


class Packed(Batch):
    """A batch whose events become columns when somebody first asks, in that one's thread.

    Parameters
    ----------
    agents : sequence of str
        See `Batch`.
    words : mmap
        The events as words, of `words_from`.
    count : int
        How many events they are.
    unpack : callable
        Spreads so many events from an address to an address.
    words_from, columns_from : Buffers
        Where both are given back to.
    instructions : mmap or None
        The instructions of the events, of `instructions_from`, if they are wanted.
    """

    def __init__(
        self,
        agents: Sequence[str],
        words: mmap.mmap,
        count: int,
        unpack: Callable[[int, int, int], None],
        words_from: Buffers,
        columns_from: Buffers,
        instructions: mmap.mmap | None = None,
        instructions_from: Buffers | None = None,
    ) -> None:
        rows = None if instructions is None else memoryview(instructions)[: count * INSTRUCTION_SIZE]
        super().__init__(agents, bytearray(), lambda: None, instructions=rows)
        self._instructions_buffer = instructions
        self._instructions_from = instructions_from
        self._words = words
        self._count = count
        self._unpack = unpack
        self._words_from = words_from
        self._columns_from = columns_from
        self._columns: mmap.mmap | None = None

    @property
    def rows(self) -> "NDArray[np.void]":
        """The events, as columns."""
        if self._columns is None:
            self._columns = self._columns_from.take()
            self._unpack(address_of(self._words), self._count, address_of(self._columns))
            self._rows = memoryview(self._columns)[: self._count * EVENT_SIZE]
        return super().rows

    def __len__(self) -> int:
        return self._count

    def release(self) -> None:
        """Give all buffers back."""
        if self._instructions_buffer is not None and self._instructions_from is not None:
            self._instructions_from.give_back(self._instructions_buffer)
        if self._columns is not None:
            self._columns_from.give_back(self._columns)
        self._words_from.give_back(self._words)
