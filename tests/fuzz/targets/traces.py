# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces: all readers of a form accept the same input with the same events, and what they accept can be written."""

import io
import struct
import zlib
from collections.abc import Callable

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.event import Event
from coldline.rules.profile import Profile
from coldline.trace.binary_layout import SIGNATURE
from coldline.trace.binary_reading import BinaryReader
from coldline.trace.binary_writing import BinaryWriter
from coldline.trace.text import NumberedEvent, TextReader
from coldline.trace.text_batches import TextBatches
from coldline.trace.text_writing import TextWriter
from tests.fuzz import trace_seeds
from tests.fuzz.target import Target

_Read = tuple[Profile, list[NumberedEvent]]
_BLOCK = struct.Struct("<4sII")
_HEADER_SIZE = 20
_SELDOM = 8


def _text(data: bytes) -> None:
    by_lines, fault = _outcome(lambda: _lines(data))
    by_batches, fault_too = _outcome(lambda: _all(TextBatches(io.BytesIO(data))))
    assert str(fault) == str(fault_too)
    if by_batches is None or fault is not None:
        raise fault or AssertionError("neither events nor an error")
    assert by_batches == by_lines
    _again(data, by_batches)


def _outcome(read: Callable[[], _Read]) -> tuple[_Read | None, TraceError | None]:
    """The profile and the events, or the error."""
    try:
        return read(), None
    except TraceError as error:
        return None, error


def _lines(data: bytes) -> _Read:
    """The result of the reader that goes line by line."""
    reader = TextReader(io.StringIO(data.decode("utf-8", "replace"), newline=None))
    numbered = list(reader)
    return reader.profile, numbered


def _binary(data: bytes) -> None:
    _again(data, _all(BinaryReader(io.BytesIO(_repaired(data)))), where=True)


def _repaired(data: bytes) -> bytes:
    """The input with right checksums, which a fuzzer does not guess."""
    fixed = bytearray(data)
    if len(fixed) < _HEADER_SIZE:
        return data
    struct.pack_into("<I", fixed, 16, zlib.crc32(fixed[:16]))
    at = _HEADER_SIZE
    while at + _BLOCK.size <= len(fixed):
        _, size, _ = _BLOCK.unpack_from(fixed, at)
        body = fixed[at + _BLOCK.size : at + _BLOCK.size + size]
        struct.pack_into("<I", fixed, at + 8, zlib.crc32(body, zlib.crc32(fixed[at : at + 8])))
        at += _BLOCK.size + size
    return bytes(fixed)


def _all(reader: TextBatches | BinaryReader) -> _Read:
    """The profile and all events of a reader."""
    events = []
    for batch in reader:
        where = batch.rows["where"].tolist()
        events += [NumberedEvent(line, batch.event(at)) for at, line in enumerate(where)]
    return reader.profile, events


def _again(data: bytes, read: _Read, *, where: bool = False) -> None:
    """Write the events in either form and read them again: they are the same. Only some inputs are tried."""
    if zlib.crc32(data) % _SELDOM:
        return
    profile, numbered = read
    events = [each.event for each in numbered]
    binary, text = io.BytesIO(), io.BytesIO()
    writer = BinaryWriter(binary, profile)
    writer.write(Batch.of(events, [each.where for each in numbered]))
    writer.finish()
    binary.seek(0)
    assert binary.getvalue().startswith(SIGNATURE)
    kept = _all(BinaryReader(binary))
    has_lines = where and all(each.where for each in numbered)
    assert kept == read if has_lines else _events(kept) == events
    in_text = TextWriter(text, profile)
    in_text.write(Batch.of(events))
    in_text.finish()
    text.seek(0)
    assert _events(_all(TextBatches(text))) == events


def _events(read: _Read) -> list[Event]:
    return [each.event for each in read[1]]


TARGETS = {
    "trace-text": Target(_text, trace_seeds.texts, words=trace_seeds.WORDS),
    "trace-binary": Target(_binary, trace_seeds.binaries),
}
