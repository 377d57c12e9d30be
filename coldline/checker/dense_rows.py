# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations on rows of dense pages: in Python for few events, else with compiled loops."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.check_state import CheckState
from coldline.checker.state.lines import Badness
from coldline.events import PAGE_SIZE, Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.compiled_dense_rows import CompiledRows

LOAD_FROM = 20_000
"""From this many events or lines on, loading machine code saves time."""

COMPILE_FROM = 300_000
"""From this many events or lines on, compiling saves time, if the machine code is not cached."""


class Rows:
    """Applies letters to all lines of some rows.

    A row is a dense page's number in the arrays of `Memory`.

    Parameters
    ----------
    state : CheckState
        The state that has the rows.
    """

    def __init__(self, state: CheckState) -> None:
        self._state = state
        self._work = 0
        self._compiled: CompiledRows | None = None

    def compiled(self, work: int) -> "CompiledRows | None":
        """The compiled loops, if `work` more events or lines make it worthwhile to load or compile them."""
        self._work += work
        if self._compiled is None and self._work >= LOAD_FROM:
            from coldline.checker.compiled_dense_rows import CompiledRows
            from coldline.checker.loops import is_compiled

            if self._work >= COMPILE_FROM or is_compiled():
                self._compiled = CompiledRows(self._state)
        return self._compiled

    def defer(self, rows: "NDArray[np.intp]", letter: int) -> None:
        """Defer a letter without a check for all lines of some rows, until they are next touched."""
        lines = self._state.lines
        if not lines.defer(rows, letter):
            self.flush_all()
            lines.defer(rows, letter)

    def flush_all(self) -> None:
        """Apply the deferred letters of all rows."""
        memory, lines = self._state.memory, self._state.lines
        rows = np.flatnonzero(memory.deferred[: memory.rows])
        compiled = self.compiled(rows.size * memory.lines_per_page)
        if compiled is not None:
            compiled.flush(rows)
        else:
            for row in rows.tolist():
                lines.flush(row)
        lines.transitions.forget_transformers()

    def read(self, event: Event, where: int, letter: int, rows: "NDArray[np.intp]") -> None:
        """Apply a checked letter of an event to all lines of some rows."""
        state = self._state
        compiled = self.compiled(rows.size * state.memory.lines_per_page)
        if compiled is not None:
            compiled.read(event, where, letter, rows)
            return
        for row in rows.tolist():
            for index, bad in state.lines.read(row, letter):
                if state.findings.is_new(row, index, event.op, bad):
                    base = state.memory.page(row) * PAGE_SIZE + index * state.profile.line
                    state.findings.add(state.events, where, event, base, 1, bad)

    def would_read(
        self, rows: "NDArray[np.intp]", first: int, letter: int
    ) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """The hazards of `letter`, after `first`, in all lines of some rows; changes no state.

        Yields
        ------
        address : int
            The first line of a run of lines with the same hazards.
        lines : int
            The number of lines.
        badness : tuple of Badness
            The hazards of each of them.
        """
        state = self._state
        compiled = self.compiled(rows.size * state.memory.lines_per_page)
        if compiled is not None:
            compiled.flush(rows)
            self.defer(rows, first)
            yield from compiled.would_read(rows, letter)
            return
        for row in rows.tolist():
            base = state.memory.page(row) * PAGE_SIZE
            for index, bad in state.lines.would_read(row, first, letter):
                yield base + index * state.profile.line, 1, bad

    def share_equal_records(self) -> None:
        """Let lines with equal parts share a record, as there are many records."""
        compiled = self.compiled(COMPILE_FROM)
        assert compiled is not None
        compiled.share_equal_records()
