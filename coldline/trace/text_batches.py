# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text form into batches of thousands of lines, and writes it from batches.

Lines repeat, and most lines that do not repeat differ from an earlier one only in their address. So a line is looked
up among the lines so far, as a whole and then without its address, before the grammar of `coldline.trace.text` parses
it. No other grammar exists.
"""

import codecs
import io
import struct
from collections.abc import Iterator
from typing import IO

import numpy as np

from coldline.errors import TraceError
from coldline.events.attributes import INVALID, pack_attributes, unpack_attributes
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.events.layout import STRUCT_FORMAT
from coldline.events.op import Op
from coldline.rules.profile import Profile
from coldline.support.units import PAGE_SIZE
from coldline.trace.blocks import MAX_LINE
from coldline.trace.event_kinds import MAX_GROUP, Grouper
from coldline.trace.text import MAX_LINE_LENGTH, LineParser
from coldline.trace.text_head import head_lines

_CHUNK = 1 << 21
"""Bytes that are read at a time."""

_LONGEST_KNOWN = 80
"""The most characters of a line that is kept."""

_MOST_KNOWN = 1 << 16
_MOST_SHAPES = 1 << 12
"""How many lines are kept, and how many lines without their address."""

_ADDRESS = struct.Struct(STRUCT_FORMAT[:2])
_SHAPE = struct.Struct(STRUCT_FORMAT[0] + STRUCT_FORMAT[2:])
"""An event's address, and the rest of the event."""

_HEX = "0123456789abcdefABCDEF"


class TextBatches:
    """Reads a trace in its text form, batch by batch.

    Parameters
    ----------
    file : binary file
        The file, at its start; it need not be seekable. A read must return all bytes that it asks for, as a buffered
        file's does.
    partial : bool
        Whether to accept a trace that is cut off: a last line without a line end may be malformed, and is then
        left out.

    Attributes
    ----------
    profile : Profile
        The promises that the trace relies on.
    cut_off : str
        That the last line has no end, if the trace is `partial`; else empty.

    Raises
    ------
    TraceError
        If a line up to the first event is malformed; ``where`` is its number.
    """

    def __init__(self, file: IO[bytes], *, partial: bool = False) -> None:
        self.cut_off = ""
        self._partial = partial
        self._parser = LineParser()
        self._rows = _Rows(self._parser)
        self._number = 1
        self._unfinished = False
        self._chunks = self._read_lines(file)
        self._begun = self._read_head()
        self.profile = self._parser.profile

    def __iter__(self) -> Iterator[Batch]:
        """Read on, to the end of the text.

        Raises
        ------
        TraceError
            At a malformed line; ``where`` is its number.
        """
        lines: list[str] | None = self._begun
        while lines is not None:
            if lines:
                try:
                    batch = self._batch(lines)
                except TraceError:
                    if self._cut_off_in(lines):
                        return
                    raise
                self._cut_off_in(lines)
                yield batch
                self._number += len(lines)
            lines = next(self._chunks, None)

    def _read_head(self) -> list[str]:
        """Read up to the first event; return the text that was read past the head."""
        for lines in self._chunks:
            for index, line in enumerate(lines):
                try:
                    event = self._parser.parse(line)
                except TraceError as error:
                    if self._cut_off_in(lines):
                        return []
                    raise TraceError(str(self._number + index), error.reason) from None
                if event is not None:
                    self._number += index
                    return lines[index:]
            self._cut_off_in(lines)
            self._number += len(lines)
        self._parser.end()
        return []

    def _cut_off_in(self, lines: list[str]) -> bool:
        """Note that these lines are the last one without its end, if they are."""
        if not (lines and self._partial and self._unfinished):
            return False
        self.cut_off = f"the trace may be cut off: line {self._number} has no end"
        return True

    def _batch(self, lines: list[str]) -> Batch:
        try:
            parts = list(map(self._rows.__getitem__, lines))
        except TraceError:
            self._explain(lines)
            raise
        rows = np.frombuffer(bytearray(b"".join(parts)), EVENT_DTYPE)
        numbers = np.arange(self._number, self._number + len(lines))
        if len(rows) < len(lines):
            numbers = numbers[np.fromiter(map(bool, parts), bool, len(parts))]
        rows["where"] = np.where(numbers <= MAX_LINE, numbers, 0)
        return Batch(tuple(self._parser.agents), rows, _nothing)

    def _read_lines(self, file: IO[bytes]) -> Iterator[list[str]]:
        """The lines of a text, without their ends, many at a time; the last may be one that is too long, cut.

        A last line that has no end comes by itself, and sets `_unfinished`.
        """
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )
        begun = ""
        while len(begun) <= MAX_LINE_LENGTH:
            chunk = file.read(_CHUNK)
            lines = (begun + decoder.decode(chunk, final=not chunk)).split("\n")
            begun = lines.pop()
            yield lines
            if not chunk:
                self._unfinished = bool(begun)
                break
        if begun:
            yield [begun]

    def _explain(self, lines: list[str]) -> None:
        """Raise the error of the first malformed line."""
        for number, line in enumerate(lines, self._number):
            try:
                self._parser.parse(line)
            except TraceError as error:
                raise TraceError(str(number), error.reason) from None


class _Rows(dict[str, bytes]):
    """The row of each line, as bytes and without its number; empty if a line has no event."""

    def __init__(self, parser: LineParser) -> None:
        super().__init__()
        self._parser = parser
        self._shapes: dict[tuple[str, str], bytes] = {}

    def __missing__(self, line: str) -> bytes:
        head, _, tail = line.partition(" 0x")
        address, _, rest = tail.partition(" ")
        shape = self._shapes.get((head, rest))
        if shape is None or address.strip(_HEX) or not 1 <= len(address) <= 16:
            row = self._parse(line, head, address, rest)
        else:
            row = _ADDRESS.pack(int(address, 16)) + shape
        if len(line) <= _LONGEST_KNOWN:
            if len(self) == _MOST_KNOWN:
                self.clear()
            self[line] = row
        return row

    def _parse(self, line: str, head: str, address: str, rest: str) -> bytes:
        event = self._parser.parse(line)
        if event is None:
            return b""
        attributes = pack_attributes(*event.attributes)
        shape = _SHAPE.pack(event.size, 0, self._parser.agents[event.agent], event.op, attributes)
        # If the number is the address, the rest of the line means the same with any other address.
        before = event.op.words.split()
        if not event.op.traits.impersonal:
            before.insert(0, event.agent)
        is_address = event.op.has_range and head.split() == before
        if is_address and not address.strip(_HEX) and len(line) <= _LONGEST_KNOWN:
            if len(self._shapes) == _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[head, rest] = shape
        return _ADDRESS.pack(event.address) + shape


class TextWriter:
    """Writes a trace in its text form, one event on each line.

    Parameters
    ----------
    file : binary file
        The file to write to, in UTF-8.
    profile : Profile
        The promises that the trace relies on.
    """

    def __init__(self, file: IO[bytes], profile: Profile) -> None:
        self._file = file
        self._grouper = Grouper()
        file.write(head_lines(profile).encode())

    def write(self, batch: Batch) -> None:
        """Append the events of `batch`."""
        for start in range(0, len(batch), MAX_GROUP):
            rows = batch.rows[start : start + MAX_GROUP]
            kinds, index = self._grouper.group(rows)
            words = [
                _words(batch.agents[agent], Op(op), size, code) for size, agent, op, code in kinds.tolist()
            ]
            heads, tails = zip(*words, strict=True) if words else ((), ())
            pairs = zip(index.tolist(), rows["address"].tolist(), strict=True)
            lines = [f"{heads[kind]}{address:x}{tails[kind]}" for kind, address in pairs]
            for at in np.flatnonzero((kinds["size"] == 0)[index]).tolist():
                lines[at] = heads[index[at]]
            self._file.write("".join(lines).encode())

    def finish(self) -> None:
        """Do nothing: every event has been written."""


def _words(agent: str, op: Op, size: int, attributes: int) -> tuple[str, str]:
    """The parts of a line before and after the digits of its address; the whole line if it has none."""
    first = op.words if op.traits.impersonal else f"{agent} {op.words}"
    if not op.has_range:
        return f"{first}\n", ""
    said = unpack_attributes(attributes)
    word = said.word or (INVALID if op.traits.may_be_invalid else "")
    words = f" {word}{' exec' if said.executable else ''}" if word else ""
    if op.traits.impersonal and agent:
        words += f" {agent}"
    return f"{first} 0x", f" {size:#x}{words}\n" if size >= PAGE_SIZE else f" {size}{words}\n"


def _nothing() -> None:
    """Release a batch: its rows are its own, so there is nothing to do."""
