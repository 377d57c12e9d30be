# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text form into batches of thousands of lines."""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.jit import programs
from coldline.jit.background import Beside
from coldline.trace import line_blocks
from coldline.trace.blocks import MAX_LINE
from coldline.trace.compiled import frame
from coldline.trace.exact_lines import ExactLines
from coldline.trace.line_blocks import LineBlocks
from coldline.trace.text import MAX_LINE_LENGTH, LineParser

if TYPE_CHECKING:
    from coldline.trace.compiled_lines import CompiledLines

COMPILE_BESIDE_FROM = 1 << 22
"""From this many bytes of text on, it is worthwhile to compile the loop, beside the reading, if it is not cached."""


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
        self._exact = ExactLines(self._parser, last_line=MAX_LINE)
        self._number = 1
        self._unfinished = False
        self._blocks = LineBlocks(
            file, first=line_blocks.FIRST_BLOCK, most=line_blocks.LATER_BLOCK, slack=frame.BEYOND
        )
        self._texts = iter(self._blocks)
        self._begun = self._read_head()
        self.profile = self._parser.profile

    def __iter__(self) -> Iterator[Batch]:
        """Read on, to the end of the text. A batch's events may change once the next one is asked for: `Batch.keep`.

        Raises
        ------
        TraceError
            At a malformed line; ``where`` is its number.
        """
        yield from self._parse(self._begun)
        with Beside(programs.TEXT) as code:
            compiled: CompiledLines | None = None
            read = 0
            for block in self._texts:
                if compiled is None and block.whole and code.is_ready(start=read >= COMPILE_BESIDE_FROM):
                    compiled = self._compiled()
                read += block.end
                if compiled is None or not block.whole:
                    self._unfinished = block.ended
                    yield from self._parse(self._blocks.lines(0, block.end))
                else:
                    yield from compiled.batches(self._blocks.buffer, block.end, self._number)
                    self._number = compiled.line

    def _compiled(self) -> "CompiledLines":
        from coldline.trace.compiled_lines import CompiledLines  # short traces do not need it

        return CompiledLines(self._exact, last_line=MAX_LINE, longest=MAX_LINE_LENGTH)

    def _parse(self, lines: list[str]) -> Iterator[Batch]:
        """Read lines by the grammar."""
        if not lines:
            return
        try:
            rows = self._exact.rows(lines, self._number)
        except TraceError:
            if self._cut_off_in(lines):
                return
            raise
        self._cut_off_in(lines)
        yield Batch(self._exact.agents, rows, _nothing)
        self._number += len(lines)

    def _read_head(self) -> list[str]:
        """Read up to the first event; return the lines that were read past the head."""
        for block in self._texts:
            lines = self._blocks.lines(0, block.end)
            self._unfinished = block.ended
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


def _nothing() -> None:
    """Release a batch: its rows are its own, so there is nothing to do."""
