# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the binary form of a trace, blocks of events, as a stream.

Its layout is in ``docs/reference/trace-format.md``.

The reader does not trust the file: no number in it makes the reader allocate more than one block, every block has a
checksum, and the last block holds the number of events.
"""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING

import numpy as np

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.op import Op
from coldline.rules.order.ordering import Ordering
from coldline.rules.profile import LINE_SIZES, SWITCHES, Profile
from coldline.support.printable import shortened
from coldline.trace import binary_layout as layout
from coldline.trace import blocks
from coldline.trace.blocks import EventError
from coldline.trace.event_kinds import Fault
from coldline.trace.head_options import check_head
from coldline.trace.operations import operations_of
from coldline.trace.text_head import HeadParser, is_agent, is_of_version_2_alone

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        self._blocks = 0
        self._waiting: tuple[int, bytes, bytes] | None = None
        self.profile = self._read_head()

    def __iter__(self) -> Iterator[Batch]:
        """Read on, to the end of the file.

        Raises
        ------
        TraceError
            If the file violates the form; ``where`` names the block, its offset in bytes, and the event.
        """
        operations = operations_of(self.profile)
        while True:
            self._blocks += 1
            place = f"block {self._blocks} at byte {self._waiting[0] if self._waiting else self._offset}"
            try:
                try:
                    _, tag, payload = self._waiting or self._read_block()
                    self._waiting = None
                except _CutOffError:
                    if not self._partial:
                        raise
                    self.cut_off = f"the trace is cut off after {self._offset} bytes"
                    return
                if tag == layout.EVENTS_TAG:
                    block = blocks.decode(payload, len(self._names), self._line, operations=operations)
                    self._line = block.last_line
                    self._check_agents(block.rows)
                    self._events += len(block.rows)
                    yield Batch(tuple(self._names), block.rows, _nothing)
                elif tag == layout.AGENTS_TAG:
                    self._add_name(payload)
                elif tag == layout.LAST_TAG:
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
        start, checksum = (
            self._read(len(layout.SIGNATURE) + layout.HEADER.size),
            self._read(layout.CHECKSUM.size),
        )
        if not start.startswith(layout.SIGNATURE):
            raise TraceError("", "not a trace in the binary form")
        if len(checksum) < layout.CHECKSUM.size:
            raise TraceError("", "the trace ends within its header")
        version, line, switches = layout.HEADER.unpack_from(start, len(layout.SIGNATURE))
        if not 1 <= version <= layout.FORM_VERSION:
            raise TraceError(
                "", f"version {version} of the binary form; versions up to {layout.FORM_VERSION} can be read"
            )
        if layout.CHECKSUM.unpack(checksum)[0] != zlib.crc32(start):
            raise TraceError("", "the checksum of its header is wrong")
        if not LINE_SIZES[0] <= line <= LINE_SIZES[1] or line & (line - 1):
            raise TraceError("", f"line size {line} is not a power of two from 16 to 2048")
        if switches >> len(SWITCHES):
            raise TraceError("", f"unknown switches {switches:#x}")
        profile = Profile.with_options(
            (name for bit, name in enumerate(SWITCHES) if switches >> bit & 1), line
        )
        return profile if version == 1 else self._read_cores(replace(profile, ordering=Ordering()))

    def _read_cores(self, profile: Profile) -> Profile:
        """Read on up to the first block that is not of the cores and the order of completion."""
        parser = HeadParser(profile)
        while True:
            place = f"block {self._blocks + 1} at byte {self._offset}"
            try:
                block = self._read_block()
                if block[1] != layout.CORES_TAG:
                    self._waiting = block
                    check_head(parser.profile)
                    return parser.profile
                self._blocks += 1
                parser.parse(_head_line(block[2]).split())
            except _CutOffError:
                if not self._partial:
                    raise
                return parser.profile
            except TraceError as error:
                raise TraceError(place, error.reason) from None

    def _read_block(self) -> tuple[int, bytes, bytes]:
        """The next block's place in the file, its tag and its payload."""
        start = self._offset
        head = self._read(layout.BLOCK.size)
        if len(head) < layout.BLOCK.size:
            raise _CutOffError("", "the trace ends here without its last block: some of it is missing")
        tag, length, checksum = layout.BLOCK.unpack(head)
        if not (tag.isascii() and tag.isalpha()):
            raise TraceError("", "not a block")
        if length > layout.MAX_PAYLOAD:
            raise TraceError("", f"its length is {length} bytes; the most is {layout.MAX_PAYLOAD}")
        payload = self._read(length)
        if len(payload) < length:
            raise _CutOffError("", "the trace ends within it")
        if checksum != zlib.crc32(payload, zlib.crc32(head[:8])):
            raise TraceError("", "its checksum is wrong")
        return start, tag, payload

    def _read(self, size: int) -> bytes:
        found = self._file.read(size)
        self._offset += len(found)
        return found

    def _add_name(self, payload: bytes) -> None:
        if (
            len(payload) < layout.NAME.size
            or len(payload) - layout.NAME.size != layout.NAME.unpack_from(payload)[0]
        ):
            raise TraceError("", "its length does not match the name's")
        try:
            name = payload[layout.NAME.size :].decode()
        except UnicodeDecodeError:
            raise TraceError("", "an agent's name is not UTF-8") from None
        layout.check_new_name(self._names, name, version=1 if self.profile.ordering is None else 2)
        self._names.append(name)

    def _check_agents(self, rows: "NDArray[np.void]") -> None:
        """Check that one agent did each event that somebody does."""
        several = np.array([not is_agent(name) for name in self._names])
        if several.any():
            wrong = several[rows["agent"]] & ~_IMPERSONAL[rows["op"]]
            if wrong.any():
                at = int(np.argmax(wrong))
                name = self._names[int(rows["agent"][at])]
                raise EventError(Fault(at, f"'{shortened(name)}' is not one agent"))

    def _end(self, payload: bytes) -> None:
        if len(payload) != layout.END.size:
            raise TraceError("", "the last block has the wrong length")
        (events,) = layout.END.unpack(payload)
        if events != self._events:
            raise TraceError("", f"the trace has {self._events} events, and {events} were written")
        if self._read(1):
            raise TraceError("", "more follows the end of the trace")


_IMPERSONAL = np.array([op.traits.impersonal for op in Op])


def _head_line(payload: bytes) -> str:
    """The line of a text's head that a block of the cores or of order has."""
    try:
        line = payload.decode()
    except UnicodeDecodeError:
        raise TraceError("", "it is not UTF-8") from None
    if not is_of_version_2_alone(line.split()) or "#" in line or line.splitlines() != [line]:
        raise TraceError("", "it is no line that the head of version 2 alone has")
    return line


def _nothing() -> None:
    """Release a batch: its rows are its own, so there is nothing to do."""
