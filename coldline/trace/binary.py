# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary form of a trace: blocks of events, written and read as a stream.

Its layout is in ``docs/reference/trace-format.md``.

The reader does not trust the file: no number in it makes the reader allocate more than one block, every block has a
checksum, and the last block holds the number of events.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from typing import IO

import numpy as np

from coldline.errors import TraceError
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile
from coldline.support.printable import shortened
from coldline.trace import blocks
from coldline.trace.blocks import EventError
from coldline.trace.event_kinds import Grouper, words_of
from coldline.trace.text import check_room, is_agent

SIGNATURE = b"\x89CLT\r\n\x1a\n"
"""The first bytes of a trace in the binary form. No text starts with them, and a change of line ends alters them."""

FORM_VERSION = 1
"""The version of the form that is written, and the only one that is read."""

MAX_PAYLOAD = 1 << 21
"""The most bytes of a block's payload, of any kind."""

_HEADER = struct.Struct("<HHI")
_CHECKSUM = struct.Struct("<I")
_BLOCK = struct.Struct("<4sII")
_NAME = struct.Struct("<H")
_END = struct.Struct("<Q")
_AGENTS, _EVENTS, _LAST = b"NAME", b"EVNT", b"DONE"


class BinaryWriter:
    """Writes a trace in its binary form, to a file that need not be seekable.

    Parameters
    ----------
    file : binary file
        The file to write to.
    profile : Profile
        The promises that the trace relies on.
    """

    def __init__(self, file: IO[bytes], profile: Profile) -> None:
        self._file = file
        self._waiting = np.empty(blocks.MAX_EVENTS, EVENT_DTYPE)
        self._words = words_of(self._waiting)
        self._fill = 0
        self._grouper = Grouper()
        self._names: dict[str, int] = {}
        self._line = 0
        self._events = 0
        switches = sum(1 << bit for bit, name in enumerate(SWITCHES) if name in profile.options)
        start = SIGNATURE + _HEADER.pack(FORM_VERSION, profile.line, switches)
        file.write(start + _CHECKSUM.pack(zlib.crc32(start)))

    def write(self, batch: Batch) -> None:
        """Append the events of `batch`.

        Raises
        ------
        TraceError
            If an event cannot be in a trace: ``where`` is its line in a text, or its number.
        """
        words = words_of(batch.rows)
        numbers = self._numbers(batch)
        for start in range(0, len(words), blocks.MAX_EVENTS):
            self._append(words[start : start + blocks.MAX_EVENTS], numbers)

    def finish(self) -> None:
        """Write the events that are left, and the block that ends the trace."""
        self._flush()
        self._block(_LAST, _END.pack(self._events))

    def _append(
        self, words: "np.ndarray[tuple[int, int], np.dtype[np.uint64]]", numbers: "np.ndarray | None"
    ) -> None:
        while len(words):
            taken = words[: blocks.MAX_EVENTS - self._fill]
            end = self._fill + len(taken)
            self._words[self._fill : end] = taken
            if numbers is not None:
                agents = self._waiting["agent"][self._fill : end]
                agents[:] = numbers[agents]
            self._fill = end
            words = words[len(taken) :]
            if self._fill == blocks.MAX_EVENTS:
                self._flush()

    def _numbers(self, batch: Batch) -> "np.ndarray | None":
        """The file's number for each of the batch's agents that has events in it; None if the numbers are equal."""
        used = np.flatnonzero(np.bincount(batch.rows["agent"], minlength=1)).tolist() if len(batch) else []
        numbers = np.arange(len(batch.agents), dtype=np.uint16)
        for agent in used:
            numbers[agent] = self._number(batch.agents[agent])
        return None if all(numbers[agent] == agent for agent in used) else numbers

    def _number(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            _check_name(self._names, name)
            number = self._names[name] = len(self._names)
            encoded = name.encode()
            self._block(_AGENTS, _NAME.pack(len(encoded)) + encoded)
        return number

    def _flush(self) -> None:
        if not self._fill:
            return
        rows = self._waiting[: self._fill]
        try:
            payload, self._line = blocks.encode(rows, len(self._names), self._line, self._grouper)
        except EventError as error:
            index, reason = error.fault
            raise TraceError(str(rows["where"][index] or f"event {self._events + index}"), reason) from None
        self._block(_EVENTS, payload)
        self._events += self._fill
        self._fill = 0

    def _block(self, tag: bytes, payload: bytes) -> None:
        checksum = zlib.crc32(payload, zlib.crc32(_BLOCK.pack(tag, len(payload), 0)[:8]))
        self._file.write(_BLOCK.pack(tag, len(payload), checksum))
        self._file.write(payload)


class _CutOffError(TraceError):
    """The file ends before the trace does."""


class BinaryReader:
    """Reads a trace in its binary form, block by block.

    Parameters
    ----------
    file : binary file
        The file, at its start; it need not be seekable. A read must return all bytes that it asks for, as a buffered
        file's does.
    partial : bool
        Whether to accept a trace that is cut off after its header.

    Attributes
    ----------
    profile : Profile
        The promises that the trace relies on.
    cut_off : str
        Where the trace ends too early, if it is `partial`; else empty.

    Raises
    ------
    TraceError
        If it does not begin as a trace of this version does.
    """

    def __init__(self, file: IO[bytes], *, partial: bool = False) -> None:
        self.cut_off = ""
        self._partial = partial
        self._file = file
        self._offset = 0
        self._names: list[str] = []
        self._events = 0
        self._line = 0
        self.profile = self._read_head()

    def __iter__(self) -> Iterator[Batch]:
        """Read on, to the end of the file.

        Raises
        ------
        TraceError
            If the file violates the form; ``where`` names the block, its offset in bytes, and the event.
        """
        number = 0
        while True:
            number += 1
            place = f"block {number} at byte {self._offset}"
            try:
                try:
                    tag, payload = self._read_block()
                except _CutOffError:
                    if not self._partial:
                        raise
                    self.cut_off = f"the trace is cut off after {self._offset} bytes"
                    return
                if tag == _EVENTS:
                    block = blocks.decode(payload, len(self._names), self._line)
                    self._line = block.last_line
                    self._events += len(block.rows)
                    yield Batch(tuple(self._names), block.rows, _nothing)
                elif tag == _AGENTS:
                    self._add_name(payload)
                elif tag == _LAST:
                    self._end(payload)
                    return
                elif tag[:1].isupper():
                    raise TraceError("", f"unknown block {tag.decode()}")
            except EventError as error:
                index, reason = error.fault
                event = f", event {self._events + index}" if index >= 0 else ""
                raise TraceError(place + event, reason) from None
            except TraceError as error:
                raise TraceError(place, error.reason) from None

    def _read_head(self) -> Profile:
        start, checksum = self._read(len(SIGNATURE) + _HEADER.size), self._read(_CHECKSUM.size)
        if not start.startswith(SIGNATURE):
            raise TraceError("", "not a trace in the binary form")
        if len(checksum) < _CHECKSUM.size:
            raise TraceError("", "the trace ends within its header")
        version, line, switches = _HEADER.unpack_from(start, len(SIGNATURE))
        if version != FORM_VERSION:
            raise TraceError(
                "",
                f"version {version} of the binary form; version {FORM_VERSION} is the one that can be read",
            )
        if _CHECKSUM.unpack(checksum)[0] != zlib.crc32(start):
            raise TraceError("", "the checksum of its header is wrong")
        if not LINE_SIZES[0] <= line <= LINE_SIZES[1] or line & (line - 1):
            raise TraceError("", f"line size {line} is not a power of two from 16 to 2048")
        if switches >> len(SWITCHES):
            raise TraceError("", f"unknown switches {switches:#x}")
        return Profile.with_options((name for bit, name in enumerate(SWITCHES) if switches >> bit & 1), line)

    def _read_block(self) -> tuple[bytes, bytes]:
        head = self._read(_BLOCK.size)
        if len(head) < _BLOCK.size:
            raise _CutOffError("", "the trace ends here without its last block: some of it is missing")
        tag, length, checksum = _BLOCK.unpack(head)
        if not (tag.isascii() and tag.isalpha()):
            raise TraceError("", "not a block")
        if length > MAX_PAYLOAD:
            raise TraceError("", f"its length is {length} bytes; the most is {MAX_PAYLOAD}")
        payload = self._read(length)
        if len(payload) < length:
            raise _CutOffError("", "the trace ends within it")
        if checksum != zlib.crc32(payload, zlib.crc32(head[:8])):
            raise TraceError("", "its checksum is wrong")
        return tag, payload

    def _read(self, size: int) -> bytes:
        found = self._file.read(size)
        self._offset += len(found)
        return found

    def _add_name(self, payload: bytes) -> None:
        if len(payload) < _NAME.size or len(payload) - _NAME.size != _NAME.unpack_from(payload)[0]:
            raise TraceError("", "its length does not match the name's")
        try:
            name = payload[_NAME.size :].decode()
        except UnicodeDecodeError:
            raise TraceError("", "an agent's name is not UTF-8") from None
        _check_name(self._names, name)
        self._names.append(name)

    def _end(self, payload: bytes) -> None:
        if len(payload) != _END.size:
            raise TraceError("", "the last block has the wrong length")
        (events,) = _END.unpack(payload)
        if events != self._events:
            raise TraceError("", f"the trace has {self._events} events, and {events} were written")
        if self._read(1):
            raise TraceError("", "more follows the end of the trace")


def _check_name(known: Collection[str], name: str) -> None:
    if not is_agent(name):
        raise TraceError("", f"'{shortened(name)}' cannot be an agent's name")
    if name in known:
        raise TraceError("", f"'{shortened(name)}' has been named before")
    check_room(known, name)


def _nothing() -> None:
    """Release a batch: its rows are its own, so there is nothing to do."""
