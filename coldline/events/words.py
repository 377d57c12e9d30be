# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as compiled code appends them: most in one word of 8 bytes, to be unpacked into columns by their reader.

The writer does not wait for the unpacking, and a batch that waits for its reader takes a third of the memory.
`coldline.events.appending` has the compiled functions, which find everything in a record with the fields
`WORDS_FIELDS`.
"""

import ctypes
import functools
import mmap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from coldline.arm.fields import Field
from coldline.events.batch import INSTRUCTION_SIZE, Batch
from coldline.events.layout import EVENT_SIZE, MARKS_SIZE
from coldline.events.source import Sink
from coldline.jit import shared_record
from coldline.jit.shared_record import Fields, SharedRecord, address_of
from coldline.support.zeroed_memory import zeros

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Word:
    """An event in one word. SIZE is the number of bytes less one."""

    ADDRESS: Final = Field(39, 0)
    SIZE: Final = Field(51, 40)
    OP: Final = Field(57, 52)
    AGENT: Final = Field(59, 58)
    ATTRIBUTES: Final = Field(63, 60)


LONGEST: Final = 1 << 12
"""Bytes of the longest event that fits one word."""

ESCAPE: Final = 63
"""In place of an operation: the event is in the `ESCAPE_WORDS - 1` words that follow, as a row of `EVENT_DTYPE`."""

ESCAPE_WORDS: Final = 4

HIGH_WATER = 1 << 18
"""Words after which the writer should hand a batch over."""

WORDS = HIGH_WATER + (1 << 19)
"""Words of a buffer. The writer compares with `HIGH_WATER` only now and then: the events of a block of code, and of a
change of its tables, must fit above it."""

WORDS_FIELDS: Fields = shared_record.words(
    "events",  # the buffer
    "fill",  # words that are used
    "count",  # events that are in them
    "high_water",
    "overflow",  # events that did not fit and are lost
    "instruction_rows",  # a row of `INSTRUCTION_DTYPE` for each event, or 0
    "notes",  # if there are no such rows: where the instructions of a few events are noted, or 0
    "noted",  # how many are
    "at_virtual",  # the instruction to which events are attributed
    "at_physical",
    "at_state",
    "held_address",  # the change of an alias that is held back, in bytes; none if its size is 0
    "held_size",
    "held_agent",
    "held_before",
    "held_after",
)
"""The fields of a record to which events are appended."""


NOTE_SIZE: Final = 32
"""Bytes of a note: an event's number in the buffer, and a row of `INSTRUCTION_DTYPE`."""

MOST_NOTES: Final = 1 << 14
"""The most notes in a buffer; the instructions of further events are not noted."""


class Buffers:
    """Buffers of one size, used again and again.

    Parameters
    ----------
    size : int
        Bytes of each.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._spare: list[mmap.mmap] = []

    def take(self) -> mmap.mmap:
        """Return a buffer: the last one that was put back, which may still be in a cache, or a new one."""
        try:
            return self._spare.pop()
        except IndexError:
            return zeros(self.size)

    def give_back(self, buffer: mmap.mmap) -> None:
        """Put a buffer back."""
        self._spare.append(buffer)


class Packed(Batch):
    """A batch of events in words. The first reader of its columns unpacks them, in its own thread.

    Parameters
    ----------
    agents : sequence of str
        See `Batch`.
    words : mmap
        The events as words, of `words_from`.
    count : int
        The number of events.
    unpack : callable
        Unpacks a number of events from an address to an address, and marks their memory at another.
    words_from, columns_from : Buffers
        The buffers to which `words` and the columns are returned.
    instructions : mmap or None
        The instructions of the events, of `instructions_from`, if they are wanted.
    notes : bytes
        Notes of the instructions of some events, if `instructions` is None.
    """

    def __init__(
        self,
        agents: Sequence[str],
        words: mmap.mmap,
        count: int,
        unpack: Callable[[int, int, int, int], None],
        words_from: Buffers,
        columns_from: Buffers,
        instructions: mmap.mmap | None = None,
        instructions_from: Buffers | None = None,
        notes: bytes = b"",
    ) -> None:
        rows = None if instructions is None else memoryview(instructions)[: count * INSTRUCTION_SIZE]
        super().__init__(agents, bytearray(), lambda: None, instructions=rows)
        self._instructions_buffer = instructions
        self._instructions_from = instructions_from
        self._notes = notes
        self._words = words
        self._count = count
        self._unpack = unpack
        self._words_from = words_from
        self._columns_from = columns_from
        self._columns: mmap.mmap | None = None
        self._marks: bytearray | None = None

    @property
    def rows(self) -> "NDArray[np.void]":
        """The events, as columns."""
        if self._columns is None:
            self._columns = self._columns_from.take()
            marks = 0 if self._marks is None else address_of(self._marks)
            self._unpack(address_of(self._words), self._count, address_of(self._columns), marks)
            self._rows = memoryview(self._columns)[: self._count * EVENT_SIZE]
        return super().rows

    @property
    def instructions(self) -> "NDArray[np.void] | None":
        """See `Batch.instructions`; those that were not noted are `InstructionState.UNKNOWN`."""
        if self._instructions is None and self._notes:
            import numpy as np

            from coldline.events.batch import INSTRUCTION_DTYPE

            notes = np.frombuffer(self._notes, [("event", "<u8"), ("instruction", INSTRUCTION_DTYPE)])
            self._instructions = np.zeros(self._count, INSTRUCTION_DTYPE)
            self._instructions[notes["event"]] = notes["instruction"]
        return super().instructions

    def want_marks(self) -> None:
        """See `Batch.want_marks`: they are made with the columns."""
        if self._columns is None:
            self._marks = bytearray(MARKS_SIZE)

    def marks(self) -> "NDArray[np.uint8] | None":
        """See `Batch.marks`."""
        if self._columns is None or self._marks is None:
            return None
        import numpy as np

        return np.frombuffer(self._marks, np.uint8)

    def selected(
        self, slots: "NDArray[np.bool_]", starts: "NDArray[np.bool_]"
    ) -> "tuple[NDArray[np.void], NDArray[np.intp]]":
        """See `Batch.selected`: other events are not unpacked."""
        if self._columns is not None:
            return super().selected(slots, starts)
        import numpy as np

        indices = np.empty(self._count, np.int64)
        columns = self._columns_from.take()
        tables = slots.ctypes.data, starts.ctypes.data
        found = _select()(
            address_of(self._words), self._count, *tables, address_of(columns), indices.ctypes.data
        )
        chosen = Batch(self.agents, bytearray(memoryview(columns)[: found * EVENT_SIZE]))
        self._columns_from.give_back(columns)
        return chosen.rows, indices[:found].copy()

    def __len__(self) -> int:
        return self._count

    def release(self) -> None:
        """Give all buffers back."""
        if self._instructions_buffer is not None and self._instructions_from is not None:
            self._instructions_from.give_back(self._instructions_buffer)
        if self._columns is not None:
            self._columns_from.give_back(self._columns)
        self._words_from.give_back(self._words)


@functools.cache
def _select() -> Callable[[int, int, int, int, int, int], int]:
    """The compiled loop of `coldline.events.selecting`."""
    from coldline.jit import code_cache, programs  # not needed to compile what appends events

    address = ctypes.c_size_t
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, address, ctypes.c_int64, address, address, address, address)
    return kind(code_cache.load_code(programs.SELECT)["select"])


class EventWords:
    """The buffers of a record to which events are appended.

    Parameters
    ----------
    record : SharedRecord
        A record with `WORDS_FIELDS`.
    instructions : bool
        Whether each event's instruction is wanted.
    """

    def __init__(self, record: SharedRecord, *, instructions: bool) -> None:
        self._record = record
        self._words, self._columns = Buffers(WORDS * 8), Buffers(WORDS * EVENT_SIZE)
        self._instructions = Buffers(WORDS * INSTRUCTION_SIZE) if instructions else None
        self._notes = zeros(MOST_NOTES * NOTE_SIZE) if instructions else None
        self._rows: mmap.mmap | None = None
        record["high_water"] = HIGH_WATER
        self._take()

    def locate(self, wanted: bool, events: int | None) -> None:
        """Keep the instructions of a number of events to come, None for all, or notes of a few.

        Nothing is in the buffer yet.
        """
        if self._instructions is None:
            return
        self._record["high_water"] = HIGH_WATER if events is None else min(events, HIGH_WATER)
        if wanted and self._rows is None:
            self._rows = self._instructions.take()
        elif not wanted and self._rows is not None:
            self._instructions.give_back(self._rows)
            self._rows = None
        self._record.use("instruction_rows", self._rows)
        self._record.use("notes", None if wanted else self._notes)

    def _take(self) -> None:
        self._events = self._words.take()
        self._rows = self._instructions.take() if self._instructions is not None else None
        self._record.use("events", self._events)
        self._record.use("instruction_rows", self._rows)
        self._record.use("notes", None)
        self._record["fill"] = self._record["count"] = self._record["noted"] = 0

    def hand_over(
        self, sink: Sink, agents: Sequence[str], unpack: Callable[[int, int, int, int], None]
    ) -> None:
        """Hand the events so far to `sink`, if there are any, and go on in an empty buffer."""
        count = self._record["count"]
        if not count:
            return
        batch = Packed(
            agents,
            self._events,
            count,
            unpack,
            self._words,
            self._columns,
            self._rows,
            self._instructions,
            self._noted(),
        )
        sink(batch)
        if not batch.kept:
            batch.release()
        self._take()

    def _noted(self) -> bytes:
        return b"" if self._notes is None else self._notes[: self._record["noted"] * NOTE_SIZE]
