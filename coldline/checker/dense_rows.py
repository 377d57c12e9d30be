# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations on rows of dense pages: in Python where there is little to do, else by compiled loops."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.check_state import CheckState
from coldline.checker.state.lines import Badness
from coldline.events import PAGE_SIZE, Event
from coldline.rules.alphabet import Letter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.compiled_dense_rows import CompiledRows

LOAD_FROM = 20_000
"""Events or lines from which loading machine code pays."""

COMPILE_FROM = 300_000
"""Events or lines from which compiling it pays, where that has not been done."""


class Rows:
    """Lets letters befall all lines of some rows.

    A row is a dense page: its number in the arrays of `Memory`.

    Parameters
    ----------
    state : CheckState
        Whose rows they are.
    """

    def __init__(self, state: CheckState) -> None:
        self._state = state
        self._work = 0
        self._compiled: CompiledRows | None = None

    def compiled(self, work: int) -> "CompiledRows | None":
        """The compiled loops, if `work` events or lines, with those before, are worth loading or compiling them."""
        self._work += work
        if self._compiled is None and self._work >= LOAD_FROM:
            from coldline.checker.compiled_dense_rows import CompiledRows
            from coldline.checker.loops import is_compiled

            if self._work >= COMPILE_FROM or is_compiled():
                self._compiled = CompiledRows(self._state)
        return self._compiled

    def defer(self, rows: "NDArray[np.intp]", letter: Letter) -> None:
        """Let a letter that checks nothing befall all lines of some rows when they are next touched."""
        lines = self._state.lines
        if not lines.defer(rows, letter):
            self.flush_all()
            lines.defer(rows, letter)

    def flush_all(self) -> None:
        """Carry out what was deferred, for all rows."""
        memory, lines = self._state.memory, self._state.lines
        rows = np.flatnonzero(memory.deferred[: memory.rows])
        compiled = self.compiled(rows.size * memory.lines_per_page)
        if compiled is not None:
            compiled.flush(rows)
        else:
            for row in rows.tolist():
                lines.flush(row)
        lines.transitions.forget_transformers()

    def read(self, event: Event, where: int, letter: Letter, rows: "NDArray[np.intp]") -> None:
        """Let a checked letter of an event befall all lines of some rows."""
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
        self, rows: "NDArray[np.intp]", first: Letter, letter: Letter
    ) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """What `letter` would find wrong after `first` in all lines of some rows; nothing changes by asking.

        Yields
        ------
        address : int
            Of the first of some lines that lie end to end and may be wrong in the same way.
        lines : int
            How many.
        badness : tuple of Badness
            What is wrong with each of them.
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
        """Let lines whose bytes differ in the same way share a record: there are many of them."""
        compiled = self.compiled(COMPILE_FROM)
        assert compiled is not None
        compiled.share_equal_records()
