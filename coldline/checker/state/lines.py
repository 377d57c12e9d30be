# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies letters to lines: one line at a time, or the lines of a page at once, without machine code.

`coldline.checker.compiled` does the same to the same arrays, faster but after a slow start.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.state.memory import Memory
from coldline.checker.state.partitions import Partitions, Parts, merged
from coldline.checker.state.transitions import NOTHING_DEFERRED, UNKNOWN, Transitions
from coldline.events import PAGE_SIZE
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Badness(NamedTuple):
    """The bytes of a line that a read may find wrong in one way: offsets in bytes, `end` exclusive."""

    hazard: Hazard
    start: int
    end: int


class Lines:
    """The states of all lines.

    Parameters
    ----------
    transitions : Transitions
        The byte automaton.
    line : int
        Bytes of a line.

    Attributes
    ----------
    memory : Memory
        The values of all lines.
    partitions : Partitions
        The records of the lines whose bytes differ.
    """

    def __init__(self, transitions: Transitions, line: int) -> None:
        self.transitions = transitions
        self.size = line
        self.memory = Memory(PAGE_SIZE // line, transitions.start)
        self.partitions = Partitions(transitions, self.memory, line)
        self._all = (1 << line) - 1

    def parts(self, row: int, index: int) -> Parts:
        """The parts of a line of a dense page, after its deferred letters."""
        parts = self.partitions.parts(row, index)
        transformer = self.transitions.transformers[self.memory.deferred[row]]
        return merged((int(transformer[state]), mask) for state, mask in parts.items())

    def touch(self, row: int, index: int, letter: Letter, start: int, end: int) -> tuple[Badness, ...]:
        """Apply `letter` to bytes `start` to `end` of a line of a dense page; return its hazards."""
        self.flush(row)
        parts = self.partitions.parts(row, index)
        inside = (1 << end) - (1 << start)
        bad = self._badness(parts, letter, inside)
        step, other = self.transitions.step[letter], self.transitions.step[self.transitions.other[letter]]
        after = merged(
            pair
            for state, mask in parts.items()
            for pair in ((int(step[state]), mask & inside), (int(other[state]), mask & ~inside))
        )
        if after != parts:
            self.partitions.put(row, index, after)
        return bad

    def step(self, state: int, letter: Letter) -> int:
        """The next state of bytes in `state` after `letter`."""
        return int(self.transitions.step[letter, state])

    def wrong(self, state: int, letter: Letter) -> tuple[Badness, ...]:
        """The hazards of `letter` in a line whose bytes are all in one state."""
        return self._badness({state: self._all}, letter, self._all)

    def defer(self, rows: "NDArray[np.intp]", letter: Letter) -> bool:
        """Defer a letter without a check for all lines of some rows, until they are next touched.

        Return False, and defer nothing, if there are too many transformers already.
        """
        waiting = self.memory.deferred[rows]
        table = np.zeros(int(waiting.max(initial=0)) + 1, np.uint16)
        for transformer in np.unique(waiting).tolist():
            table[transformer] = self.transitions.with_letter(transformer, letter)
            if table[transformer] == UNKNOWN:
                return False
        self.memory.deferred[rows] = table[waiting]
        return True

    def flush(self, row: int) -> None:
        """Apply the deferred letters of a row."""
        if self.memory.deferred[row] == NOTHING_DEFERRED:
            return
        transformer = self.transitions.transformers[self.memory.deferred[row]]
        values = self.memory.row_values(row)
        uniform = values < self.transitions.states
        for index in np.flatnonzero(~uniform).tolist():
            self.partitions.put(row, index, self.parts(row, index))
        values = self.memory.row_values(row)
        values[uniform] = transformer[values[uniform]]
        self.memory.set_row_values(row, values)
        self.memory.deferred[row] = NOTHING_DEFERRED

    def read(self, row: int, letter: Letter) -> Iterator[tuple[int, tuple[Badness, ...]]]:
        """Apply a checked letter to all lines of a row; yield the lines with hazards, and the hazards of each."""
        for index in range(self.memory.lines_per_page):
            bad = self.touch(row, index, letter, 0, self.size)
            if bad:
                yield index, bad

    def would_read(
        self, row: int, first: Letter, letter: Letter
    ) -> Iterator[tuple[int, tuple[Badness, ...]]]:
        """The hazards of `letter`, after `first`, in the lines of a row; changes no state."""
        step = self.transitions.step[first]
        for index in range(self.memory.lines_per_page):
            parts = merged((int(step[state]), mask) for state, mask in self.parts(row, index).items())
            bad = self._badness(parts, letter, self._all)
            if bad:
                yield index, bad

    def _badness(self, parts: Parts, letter: int, inside: int) -> tuple[Badness, ...]:
        flags = self.transitions.bad[letter]
        found = []
        for hazard in (Hazard.LOST, Hazard.STALE):
            mask = 0
            for state, part in parts.items():
                if int(flags[state]) & hazard:
                    mask |= part & inside
            if mask:
                found.append(Badness(hazard, (mask & -mask).bit_length() - 1, mask.bit_length()))
        return tuple(found)


def runs_of(mask: int) -> Iterator[tuple[int, int]]:
    """The runs of bytes in a mask, as (start, end)."""
    start = 0
    while mask >> start:
        start += (mask >> start & -(mask >> start)).bit_length() - 1
        length = (~(mask >> start) & (mask >> start) + 1).bit_length() - 1
        yield start, start + length
        start += length
