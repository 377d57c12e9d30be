# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the text form from batches."""

from typing import IO, TYPE_CHECKING

import numpy as np

from coldline.events.batch import Batch
from coldline.events.op import Op
from coldline.jit import programs
from coldline.jit.background import Beside
from coldline.rules.profile import Profile
from coldline.trace.event_kinds import MAX_GROUP, Grouper
from coldline.trace.event_words import parts_of_line, size_in_line
from coldline.trace.text_head import head_lines

if TYPE_CHECKING:
    from coldline.trace.compiled_writing import CompiledWriting

LOAD_CODE_FROM = 20_000
"""From this many events on, loading the compiled loop saves time."""

COMPILE_CODE_FROM = 160_000
"""From this many events on, it is worthwhile to compile it, beside the writing, if it is not cached."""


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
        self._code = Beside(programs.TEXT)
        self._compiled: CompiledWriting | None = None
        self._events = 0
        file.write(head_lines(profile).encode())

    def write(self, batch: Batch) -> None:
        """Append the events of `batch`."""
        self._events += len(batch)
        if (
            self._compiled is None
            and self._events >= LOAD_CODE_FROM
            and self._code.is_ready(start=self._events >= COMPILE_CODE_FROM)
        ):
            from coldline.trace.compiled_writing import CompiledWriting  # short traces do not need it

            self._compiled = CompiledWriting()
        if self._compiled is None:
            self._write(batch)
        else:
            for text in self._compiled.texts(batch):
                self._file.write(text)

    def finish(self) -> None:
        """Do nothing: every event has been written."""

    def close(self) -> None:
        """End what works beside the writer."""
        self._code.close()

    def _write(self, batch: Batch) -> None:
        for start in range(0, len(batch), MAX_GROUP):
            rows = batch.rows[start : start + MAX_GROUP]
            kinds, index = self._grouper.group(rows)
            heads, tails = [], []
            for size, agent, op, attributes in kinds.tolist():
                before, after = parts_of_line(batch.agents[agent], Op(op), attributes)
                heads.append(before)
                tails.append(size_in_line(size) + after)
            pairs = zip(index.tolist(), rows["address"].tolist(), strict=True)
            lines = [f"{heads[kind]}{address:x}{tails[kind]}" for kind, address in pairs]
            for at in np.flatnonzero((kinds["size"] == 0)[index]).tolist():
                lines[at] = heads[index[at]]
            self._file.write("".join(lines).encode())
