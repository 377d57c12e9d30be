# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the binary form of a trace, as a stream. Its layout is in ``docs/reference/trace-format.md``."""

import zlib
from typing import IO

import numpy as np

from coldline.errors import TraceError
from coldline.events.batch import EVENT_DTYPE, Batch
from coldline.rules.profile import SWITCHES, Profile
from coldline.trace import binary_layout as layout
from coldline.trace import blocks
from coldline.trace.blocks import EventError
from coldline.trace.event_kinds import Grouper, words_of
from coldline.trace.operations import operations_of
from coldline.trace.text_head import core_lines


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
        version = self._version = 1 if profile.ordering is None else layout.FORM_VERSION
        start = layout.SIGNATURE + layout.HEADER.pack(version, profile.line, switches)
        file.write(start + layout.CHECKSUM.pack(zlib.crc32(start)))
        self._operations = operations_of(profile)
        if profile.ordering is not None:
            for line in core_lines(profile.ordering):
                self._block(layout.CORES_TAG, line.encode())

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
        self._block(layout.LAST_TAG, layout.END.pack(self._events))

    def close(self) -> None:
        """Do nothing: nothing works beside the writer."""

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
        if all(name in self._names for name in batch.agents):
            used = list(range(len(batch.agents)))
        else:
            used = (
                np.flatnonzero(np.bincount(batch.rows["agent"], minlength=1)).tolist() if len(batch) else []
            )
        numbers = np.arange(len(batch.agents), dtype=np.uint16)
        for agent in used:
            numbers[agent] = self._number(batch.agents[agent])
        return None if all(numbers[agent] == agent for agent in used) else numbers

    def _number(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            layout.check_new_name(self._names, name, version=self._version)
            number = self._names[name] = len(self._names)
            encoded = name.encode()
            self._block(layout.AGENTS_TAG, layout.NAME.pack(len(encoded)) + encoded)
        return number

    def _flush(self) -> None:
        if not self._fill:
            return
        rows = self._waiting[: self._fill]
        try:
            payload, self._line = blocks.encode(
                rows, len(self._names), self._line, self._grouper, operations=self._operations
            )
        except EventError as error:
            index, reason = error.fault
            raise TraceError(str(rows["where"][index] or f"event {self._events + index}"), reason) from None
        self._block(layout.EVENTS_TAG, payload)
        self._events += self._fill
        self._fill = 0

    def _block(self, tag: bytes, payload: bytes) -> None:
        checksum = zlib.crc32(payload, zlib.crc32(layout.BLOCK.pack(tag, len(payload), 0)[:8]))
        self._file.write(layout.BLOCK.pack(tag, len(payload), checksum))
        self._file.write(payload)
