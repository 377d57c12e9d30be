# SPDX-License-Identifier: GPL-2.0-or-later
"""A block of events as bytes: the payload of ``EVNT`` in the binary form of a trace.

The layout is in ``docs/reference/trace-format.md``. It was chosen by measurements on a boot of Debian's arm64 kernel.
An event takes 24 bytes in memory, 25 as text, and 5 as a kind and an offset. zlib compresses these 5 to 0.7 bytes; if
the bytes of each column are split into planes, to 0.3 in half the time. Differences between addresses, in place of
offsets, compress worse. The plain 24 bytes compress to 4.3, in nine times the time.
"""

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.errors import TraceError
from coldline.events.batch import EVENT_DTYPE
from coldline.events.event import ADDRESS_LIMIT
from coldline.events.op import Op
from coldline.trace.event_kinds import KIND_DTYPE, MAX_GROUP, Fault, Grouper, find_fault, words_of
from coldline.trace.operations import OF_VERSION_1

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_EVENTS = MAX_GROUP
"""Events of a block."""

MAX_LINE = (1 << 32) - 1
"""The greatest line number that `where` of an event in memory can hold; past it, `where` is 0."""

_MAX_FIRST_LINE = 1 << 62
_HEAD = struct.Struct("<IIBBBBIQQ")
_STORED, _DEFLATED = 0, 1
_LEVEL = 1
_SAMPLED_FROM, _SAMPLE_EVERY, _SAMPLE = 1 << 16, 1 << 14, 1 << 10
_WORTH_PACKING = 0.7
"""How much of a sample zlib may leave."""

_MAX_BYTES = {"kind": 2, "address": 7, "line": 4}
"""The most planes of a column."""


class Block(NamedTuple):
    """The content of a block.

    Attributes
    ----------
    rows : ndarray of EVENT_DTYPE, shape (events,)
        Its events; `where` is their line, or 0 once a line is past `MAX_LINE`.
    last_line : int
        The line of its last event.
    """

    rows: "NDArray[np.void]"
    last_line: int


class _Head(NamedTuple):
    events: int
    kinds: int
    kind_bytes: int
    address_bytes: int
    line_bytes: int
    coding: int
    unused: int
    base: int
    first_line: int

    @property
    def body(self) -> int:
        """Bytes of the body once it is unpacked."""
        planes = self.kind_bytes + self.address_bytes + self.line_bytes
        return self.kinds * KIND_DTYPE.itemsize + self.events * planes


class EventError(Exception):
    """An event of a block is invalid; see `Fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def encode(
    rows: "NDArray[np.void]",
    agents: int,
    line: int,
    grouper: Grouper,
    *,
    operations: frozenset[Op] = OF_VERSION_1,
) -> tuple[bytes, int]:
    """Encode some events; return the payload, and the line of the last event.

    Parameters
    ----------
    rows : ndarray of EVENT_DTYPE, shape (events,)
        From 1 to `MAX_EVENTS` events. If any has no line, they are numbered as consecutive lines.
    agents : int
        The number of agents that have been named.
    line : int
        The line of the event before, 0 before the first.
    grouper : Grouper
        Finds their kinds.
    operations : frozenset of Op
        The operations that the trace can have.

    Raises
    ------
    EventError
        If an event cannot be in a trace.
    """
    kinds, index = grouper.group(rows)
    addresses = words_of(rows)[:, 0]
    fault = find_fault(kinds, index, addresses, agents, operations)
    if fault is not None:
        raise EventError(fault)
    ranged = kinds["size"] != 0
    base = int(addresses.min() if ranged.all() else addresses[ranged[index]].min(initial=ADDRESS_LIMIT))
    offsets = addresses - np.uint64(base)
    if not ranged.all():
        offsets[~ranged[index]] = 0
    first, gaps = _lines(rows["where"], line)
    planes = [_planes(index), _planes(offsets), _planes(gaps)]
    if len(kinds) == 1:
        planes[0] = b""
    counts = [len(plane) // len(rows) for plane in planes]
    body = kinds.tobytes() + b"".join(planes)
    packed, coding = body, _DEFLATED
    if _is_worth_packing(body):
        packed = zlib.compress(body, _LEVEL)
    if len(packed) >= len(body):
        packed, coding = body, _STORED
    head = _HEAD.pack(len(rows), len(kinds), *counts, coding, 0, base, first)
    return head + packed, first + len(rows) - 1 + int(gaps.sum())


def _is_worth_packing(body: bytes) -> bool:
    """Whether zlib makes a body so much smaller that the time is well spent, by a sample of it.

    Addresses at random keep four fifths of their bytes, in three times the time of all the rest. The events of a boot
    keep less than a tenth.
    """
    if len(body) < _SAMPLED_FROM:
        return True
    sample = b"".join(body[at : at + _SAMPLE] for at in range(0, len(body), _SAMPLE_EVERY))
    return len(zlib.compress(sample, _LEVEL)) < _WORTH_PACKING * len(sample)


def _lines(where: "NDArray[np.uint32]", line: int) -> "tuple[int, NDArray[np.unsignedinteger]]":
    """The first line of a block, and the gap before each event."""
    gaps = np.zeros(len(where), np.uint32)
    if where.all() and int(where[0]) > line and (where[1:] > where[:-1]).all():
        gaps[1:] = np.diff(where) - 1
        return int(where[0]), gaps
    return line + 1, gaps


def decode(payload: bytes, agents: int, line: int, *, operations: frozenset[Op] = OF_VERSION_1) -> Block:
    """Decode the events of a payload.

    Parameters
    ----------
    payload : bytes
        The payload, which is not trusted.
    agents, line, operations : int and frozenset of Op
        As for `encode`.

    Raises
    ------
    TraceError
        If the block is malformed; ``where`` is empty.
    EventError
        If one of its events is invalid.
    """
    if len(payload) < _HEAD.size:
        raise TraceError("", "it is too short for events")
    head = _Head._make(_HEAD.unpack_from(payload))
    _check(head, line)
    body = _unpack(memoryview(payload)[_HEAD.size :], head)
    kinds = np.frombuffer(body, KIND_DTYPE, head.kinds)
    at, events = kinds.nbytes, head.events
    columns = []
    for count in (head.kind_bytes, head.address_bytes, head.line_bytes):
        planes = np.frombuffer(body, np.uint8, count * events, at).reshape(count, events)
        columns.append(_column(planes, events))
        at += planes.nbytes
    index, addresses, gaps = columns
    if int(index.max()) >= head.kinds:
        bad = int(np.argmax(index >= head.kinds))
        raise EventError(Fault(bad, f"its kind is {int(index[bad])} of {head.kinds}"))
    addresses = addresses.astype(np.uint64)
    rangeless = kinds["size"] == 0
    if not rangeless.any():
        addresses += np.uint64(head.base)
    else:
        addresses[~rangeless[index]] += np.uint64(head.base)
    fault = find_fault(kinds, index, addresses, agents, operations)
    if fault is not None:
        raise EventError(fault)
    lines = np.arange(head.first_line, head.first_line + events, dtype=np.uint64)
    if gaps[0]:
        raise TraceError("", "the gap before its first event is not 0")
    if head.line_bytes:
        lines += np.cumsum(gaps, dtype=np.uint64)
    return Block(_rows(kinds, index, addresses, lines), int(lines[-1]))


def _check(head: _Head, line: int) -> None:
    if not 1 <= head.events <= MAX_EVENTS:
        raise TraceError("", f"its number of events is {head.events}; it must be from 1 to {MAX_EVENTS}")
    if not 1 <= head.kinds <= head.events:
        raise TraceError("", f"its number of kinds is {head.kinds}, of {head.events} events")
    for (name, most), count in zip(_MAX_BYTES.items(), head[2:5], strict=True):
        if count > most:
            raise TraceError("", f"{count} bytes for the {name} of an event; the most is {most}")
    if head.coding not in (_STORED, _DEFLATED):
        raise TraceError("", f"unknown coding {head.coding}")
    if head.unused:
        raise TraceError("", f"{head.unused:#x} in a field that is not used")
    if head.base > ADDRESS_LIMIT:
        raise TraceError("", f"its addresses count from {head.base:#x}, past 2^52")
    if not line < head.first_line <= _MAX_FIRST_LINE:
        raise TraceError("", f"its first line is {head.first_line}, after line {line}")


def _unpack(packed: memoryview, head: _Head) -> bytes | memoryview:
    """Unpack the body, to no more bytes than its head says."""
    if head.coding == _STORED:
        body: bytes | memoryview = packed
        whole = True
    else:
        unpacker = zlib.decompressobj()
        try:
            body = unpacker.decompress(packed, head.body + 1)
        except zlib.error as error:
            raise TraceError("", f"it cannot be unpacked: {error}") from None
        whole = unpacker.eof and not unpacker.unused_data and not unpacker.unconsumed_tail
    if not whole or len(body) != head.body:
        raise TraceError("", f"its body does not have the {head.body} bytes that its head says")
    return body


def _planes(column: "NDArray[np.unsignedinteger]") -> bytes:
    """Split a column's bytes into planes, the lowest first, as many as its largest number needs."""
    count = (int(column.max()).bit_length() + 7) // 8
    planes = column.view(np.uint8).reshape(len(column), -1)[:, :count]
    return planes.T.tobytes()


def _column(planes: "NDArray[np.uint8]", events: int) -> "NDArray[np.unsignedinteger]":
    """Join planes into numbers, in the narrowest type."""
    count = len(planes)
    if count == 0:
        return np.zeros(events, np.uint8)
    column: NDArray[np.unsignedinteger] = planes[count - 1].astype(_WIDTHS[count])
    for number in range(count - 2, -1, -1):
        column <<= 8
        column |= planes[number]
    return column


def _rows(
    kinds: "NDArray[np.void]",
    index: "NDArray[np.unsignedinteger]",
    addresses: "NDArray[np.uint64]",
    lines: "NDArray[np.uint64]",
) -> "NDArray[np.void]":
    table = np.zeros(len(kinds), EVENT_DTYPE)
    for name in KIND_DTYPE.names or ():
        table[name] = kinds[name]
    of_kinds = words_of(table)
    words = np.empty((len(index), 3), np.uint64)
    words[:, 0] = addresses
    words[:, 1] = of_kinds[:, 1].take(index)
    words[:, 2] = of_kinds[:, 2].take(index)
    if int(lines[-1]) > MAX_LINE:
        lines = np.where(lines > MAX_LINE, np.uint64(0), lines)
    words[:, 2] |= lines
    rows: NDArray[np.void] = words.view(EVENT_DTYPE).reshape(-1)
    return rows


_WIDTHS: dict[int, type[np.unsignedinteger]] = {
    1: np.uint8,
    2: np.uint16,
    3: np.uint32,
    4: np.uint32,
    **dict.fromkeys(range(5, 8), np.uint64),
}
