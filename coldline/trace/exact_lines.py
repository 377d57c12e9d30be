# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads lines of text into rows of events, many at a time.

Lines repeat, and most lines that do not repeat differ from an earlier one only in their address. So a line is looked
up among the lines so far, as a whole and then without its address, before the grammar of `coldline.trace.text` parses
it. No other grammar exists.
"""

import struct
from collections.abc import Sequence

import numpy as np

from coldline.errors import TraceError
from coldline.events.attributes import pack_attributes
from coldline.events.batch import EVENT_DTYPE
from coldline.events.layout import STRUCT_FORMAT
from coldline.trace.text import LineParser

_LONGEST_KNOWN = 80
"""The most characters of a line that is kept."""

_MOST_KNOWN = 1 << 16
_MOST_SHAPES = 1 << 12
"""How many lines are kept, and how many lines without their address."""

PACKED_ROW = struct.Struct(STRUCT_FORMAT)
_ADDRESS = struct.Struct(STRUCT_FORMAT[:2])
_SHAPE = struct.Struct(STRUCT_FORMAT[0] + STRUCT_FORMAT[2:])
"""An event, its address, and the rest of it."""

_HEX = "0123456789abcdefABCDEF"


class ExactLines:
    """Reads lines by the grammar.

    Parameters
    ----------
    parser : LineParser
        Has read the lines before.
    last_line : int
        The greatest number of a line that an event can have.
    """

    def __init__(self, parser: LineParser, *, last_line: int) -> None:
        self._parser = parser
        self._last_line = last_line
        self._rows = _Rows(parser)
        self._agents: tuple[str, ...] = ()

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents so far, by their numbers."""
        if len(self._agents) != len(self._parser.agents):
            self._agents = tuple(self._parser.agents)
        return self._agents

    def rows(self, lines: Sequence[str], number: int) -> bytearray:
        """Return the events of some lines, as rows of `EVENT_DTYPE`.

        Parameters
        ----------
        lines : sequence of str
            The lines, without their ends.
        number : int
            The number of the first.

        Raises
        ------
        TraceError
            At a malformed line; ``where`` is its number.
        """
        try:
            parts = list(map(self._rows.__getitem__, lines))
        except TraceError:
            self._explain(lines, number)
            raise
        joined = bytearray(b"".join(parts))
        rows = np.frombuffer(joined, EVENT_DTYPE)
        numbers = np.arange(number, number + len(lines))
        if len(rows) < len(lines):
            numbers = numbers[np.fromiter(map(bool, parts), bool, len(parts))]
        rows["where"] = np.where(numbers <= self._last_line, numbers, 0)
        return joined

    def _explain(self, lines: Sequence[str], first: int) -> None:
        """Raise the error of the first malformed line."""
        for number, line in enumerate(lines, first):
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
