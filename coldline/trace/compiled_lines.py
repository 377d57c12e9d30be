# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads lines by the compiled loop (`coldline.trace.compiled`), and teaches it what it does not know."""

import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Final

from coldline.events.batch import Batch
from coldline.events.layout import AGENT_SHIFT, ATTRIBUTES_SHIFT, EVENT_SIZE, OP_SHIFT
from coldline.events.op import Op
from coldline.events.words import Buffers
from coldline.jit import code_cache, programs
from coldline.jit.shared_record import SharedRecord, address_of, record_of
from coldline.trace.compiled import frame
from coldline.trace.exact_lines import PACKED_ROW, ExactLines
from coldline.trace.line_blocks import lines_of

_ROOM: Final = 1 << 16
"""The most events of a batch."""

_MOST_EXACT: Final = 1 << 12
"""The most lines that are parsed one by one before the loop is tried again."""

_MOST_LEARNT: Final = 16
"""In a run of more lines that the loop did not know, they are of shapes that it cannot know."""

_KNOWN_AGAIN: Final = 64
"""So many lines that the loop knew end such a run."""


class CompiledLines:
    """Makes batches of lines.

    Parameters
    ----------
    exact : ExactLines
        Parses the lines whose shape is not known.
    last_line : int
        The greatest number of a line that an event can have.
    longest : int
        The most bytes of a line that the loop takes.
    """

    def __init__(self, exact: ExactLines, *, last_line: int, longest: int) -> None:
        self._exact = exact
        self._read_lines, self._learn_shape = load_reading()
        self._record = record = SharedRecord(_READING)
        self._buffers = Buffers(_ROOM * EVENT_SIZE)
        record.allocate("shapes", frame.SHAPES * frame.SHAPE_BYTES)
        record["room"], record["last_line"], record["longest"] = _ROOM, last_line, longest
        self._shapes = 0
        self._run = 1
        self._rows = self._buffers.take()
        record.use("rows", self._rows)

    def batches(self, buffer: bytearray, end: int, number: int) -> Iterator[Batch]:
        """Read lines; return their events.

        Parameters
        ----------
        buffer : bytearray
            Has whole lines from its start on, and `frame.BEYOND` more bytes than `end`.
        end : int
            Where the lines end.
        number : int
            The number of the first line.

        Raises
        ------
        TraceError
            At a malformed line; ``where`` is its number.
        """
        record = self._record
        record["text"], record["at"], record["end"], record["line"] = address_of(buffer), 0, end, number
        while True:
            before = record["line"]
            self._read_lines(record.pointer)
            if record["status"] == frame.NO_ROOM:
                yield from self._hand_over()
            elif record["status"] == frame.FINISHED:
                break
            else:
                if record["line"] - before >= _KNOWN_AGAIN:
                    self._run = 1
                yield from self._parse(buffer, end)
        yield from self._hand_over()

    @property
    def line(self) -> int:
        """The number of the next line."""
        return self._record["line"]

    def _hand_over(self) -> Iterator[Batch]:
        record, rows = self._record, self._rows
        if not record["count"]:
            return
        events = memoryview(rows)[: record["count"] * EVENT_SIZE]
        batch = Batch(self._exact.agents, events, lambda: self._buffers.give_back(rows))
        yield batch
        if not batch.kept:
            batch.release()
        self._rows = self._buffers.take()
        record.use("rows", self._rows)
        record["count"] = 0

    def _parse(self, buffer: bytearray, end: int) -> Iterator[Batch]:
        """Parse some lines one by one, from the one where the loop stopped."""
        record, start = self._record, self._record["at"]
        stop, left = start, self._run
        while left and stop < end:
            stop = buffer.find(b"\n", stop, end) + 1 or end
            left -= 1
        learns = self._run <= _MOST_LEARNT
        self._run = min(2 * self._run, _MOST_EXACT)
        text = bytes(buffer[start:stop])
        lines = lines_of(text)
        rows = self._exact.rows(lines, record["line"])
        record["at"], record["line"] = stop, record["line"] + len(lines)
        if learns:
            self._learn(text, rows)
        while rows:
            if record["count"] == _ROOM:
                yield from self._hand_over()
            at = record["count"] * EVENT_SIZE
            taken = rows[: _ROOM * EVENT_SIZE - at]
            self._rows[at : at + len(taken)] = taken
            record["count"] += len(taken) // EVENT_SIZE
            rows = rows[len(taken) :]

    def _learn(self, text: bytes, rows: bytearray) -> None:
        """Tell the loop of the shapes of lines, of which it knew none or not all."""
        at = 0
        for line in text.split(b"\n"):
            line = line.removesuffix(b"\r")
            if b"\r" in line:
                return
            said = line.partition(b"#")[0]
            if not said.decode("utf-8", "replace").split():
                self._keep(said, b"", frame.WITHOUT_EVENT, 0)
                continue
            shape = self._shape(said, rows[at : at + EVENT_SIZE])
            at += EVENT_SIZE
            if shape is not None:
                self._keep(*shape)

    def _shape(self, line: bytes, row: bytearray) -> tuple[bytes, bytes, int, int] | None:
        """The shape of a line with an event: see `_keep`; None if the loop could read its numbers otherwise."""
        address, size, _, agent, number, attributes = PACKED_ROW.unpack(row)
        word = agent << AGENT_SHIFT | number << OP_SHIFT | attributes << ATTRIBUTES_SHIFT
        op = Op(number)
        head, found, tail = line.partition(b" 0x")
        if not op.has_range:
            return None if found else (line, b"", frame.WITHOUT_RANGE, word)
        before = op.words.split()
        if not op.traits.impersonal:
            before.insert(0, self._exact.agents[agent])
        numbers = tail.split(b" ")
        # If these are the numbers, the rest of the line means the same with any others.
        if head.decode("utf-8", "replace").split() != before or len(numbers) < 2:
            return None
        if not (_is(b"0x" + numbers[0], address) and _is(numbers[1], size)):
            return None
        return head, tail[len(numbers[0]) + 1 + len(numbers[1]) :], frame.WITH_RANGE, word

    def _keep(self, head: bytes, tail: bytes, kind: int, word: int) -> None:
        """Keep a shape: the text before the numbers and after them, its kind, and the last word of its events."""
        if len(head) > frame.LONGEST_PART or len(tail) > frame.LONGEST_PART or not head:
            return
        if self._shapes == frame.MOST_SHAPES:
            self._shapes = 0
            self._record.allocate("shapes", frame.SHAPES * frame.SHAPE_BYTES)
        self._shapes += 1
        lengths = len(head) | len(tail) << frame.TAIL_SHIFT | kind << frame.KIND_SHIFT
        texts = bytearray(2 * frame.BEYOND)
        texts[: len(head)] = head
        texts[frame.BEYOND : frame.BEYOND + len(tail)] = tail
        at = address_of(texts)
        self._learn_shape(self._record.pointer, at, at + frame.BEYOND, lengths, word)


def _is(word: bytes, number: int) -> bool:
    """Whether a word is a number; it is one, or more than one word."""
    digits, base = (word[2:], 16) if word[:2] == b"0x" else (word, 10)
    return digits.isalnum() and int(digits, base) == number


_READING: Final = record_of(frame.READING)


@functools.cache
def load_reading() -> tuple[Callable[[int], None], Callable[[int, int, int, int, int], None]]:
    """The compiled functions that read, compiled unless they are cached."""
    addresses = code_cache.load_code(programs.TEXT)
    word, pointer = ctypes.c_uint64, ctypes.c_void_p
    return (
        ctypes.CFUNCTYPE(None, pointer)(addresses["take_lines"]),
        ctypes.CFUNCTYPE(None, pointer, pointer, pointer, word, word)(addresses["learn_shape"]),
    )
