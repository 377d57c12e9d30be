# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes events as text by the compiled loop (`coldline.trace.compiled`), and teaches it the kinds of events."""

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from coldline.events.batch import Batch
from coldline.events.layout import AGENT_MASK, AGENT_SHIFT, ATTRIBUTES_SHIFT, OP_MASK, OP_SHIFT
from coldline.events.op import Op
from coldline.jit import code_cache, programs
from coldline.jit.shared_record import SharedRecord, record_of
from coldline.trace.compiled import frame
from coldline.trace.event_kinds import words_of
from coldline.trace.event_words import parts_of_line, size_in_line

_ROOM: Final = 1 << 18
"""Bytes of text that are made at a time."""

_LONGEST: Final = 1 << 16
"""The most bytes of a line that the loop writes."""

_MOST_TEXT: Final = 1 << 20
"""The most bytes of the texts of kinds that are kept."""


class CompiledWriting:
    """Makes text of batches."""

    def __init__(self) -> None:
        self._write_events, self._learn_kind = load_writing()
        self._record = record = SharedRecord(_WRITING)
        self._text = bytearray(_ROOM)
        record.use("text", self._text)
        record["room"] = _ROOM
        sizes = b"".join(_small_size(size) for size in range(frame.SMALL_SIZES))
        record.use("sizes", bytearray(sizes))
        record.allocate("texts", _MOST_TEXT + _LONGEST + frame.NUMBERS_ROOM)
        self._agents: tuple[str, ...] = ()
        self._forget()

    def texts(self, batch: Batch) -> Iterator[bytes | memoryview]:
        """Return the text of a batch's events, in parts. Each is valid until the next one is asked for."""
        record, rows = self._record, words_of(batch.rows)
        self._name(batch.agents)
        record["rows"], record["at"], record["count"] = rows.ctypes.data, 0, len(rows)
        while True:
            record["fill"] = 0
            self._write_events(record.pointer)
            if record["fill"]:
                yield memoryview(self._text)[: record["fill"]]
            if record["status"] == frame.FINISHED:
                return
            if record["status"] == frame.NOT_KNOWN:
                kind = int(rows[record["at"], 2]) >> AGENT_SHIFT
                parts = parts_of_line(
                    batch.agents[kind & AGENT_MASK],
                    Op(kind >> _OP & OP_MASK),
                    kind >> _ATTRIBUTES,
                )
                before, after = (part.encode() for part in parts)
                if len(before) + len(after) <= _LONGEST:
                    self._learn(kind, before, after)
                else:
                    address, size = rows[record["at"], :2].tolist()
                    yield before + (f"{address:x}{size_in_line(size)}".encode() if after else b"") + after
                    record["at"] += 1

    def _name(self, agents: Sequence[str]) -> None:
        """Forget what was learnt if a batch's agents are others than those before."""
        agents = tuple(agents)
        if agents[: len(self._agents)] != self._agents:
            self._forget()
        self._agents = agents

    def _forget(self) -> None:
        self._kinds = self._used = 0
        self._record.allocate("kinds", frame.KINDS * frame.KIND_BYTES)

    def _learn(self, kind: int, before: bytes, after: bytes) -> None:
        """Tell the loop of a kind of events: the text of a line before its numbers, and after them."""
        if self._kinds == frame.MOST_KINDS or self._used >= _MOST_TEXT:
            self._forget()
        text, place = before + after, self._used
        self._record.array("texts")[place : place + len(text)] = text
        self._kinds, self._used = self._kinds + 1, place + len(text)
        lengths = len(before) | len(after) << frame.AFTER_SHIFT | bool(after) << frame.RANGE_BIT
        self._learn_kind(self._record.pointer, kind | frame.USED, place, lengths)


def _small_size(size: int) -> bytes:
    """The text of a small size, and in the last of its eight bytes its length."""
    text = size_in_line(size).encode()
    return text.ljust(7, b"\0") + bytes([len(text)])


_OP, _ATTRIBUTES = OP_SHIFT - AGENT_SHIFT, ATTRIBUTES_SHIFT - AGENT_SHIFT
_WRITING: Final = record_of(frame.WRITING)


@functools.cache
def load_writing() -> tuple[Callable[[int], None], Callable[[int, int, int, int], None]]:
    """The compiled functions that write, compiled unless they are cached."""
    addresses = code_cache.load_code(programs.TEXT)
    word, pointer = ctypes.c_uint64, ctypes.c_void_p
    return (
        ctypes.CFUNCTYPE(None, pointer)(addresses["write_events"]),
        ctypes.CFUNCTYPE(None, pointer, word, word, word)(addresses["learn_kind"]),
    )
