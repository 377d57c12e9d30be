# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies letters to lines: one line at a time, or the lines of a page at once, without machine code.

`coldline.checker.compiled` does the same to the same arrays, faster but after a slow start.
"""

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.state.marks import ANY_MARK
from coldline.checker.state.memory import Memory
from coldline.checker.state.page_sets import distinct
from coldline.checker.state.partitions import Partitions, Parts, merged
from coldline.checker.state.transitions import NOTHING_DEFERRED, UNKNOWN, Tables
from coldline.events import PAGE_SIZE
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
    transitions : Tables
        The byte automaton.
    line : int
        Bytes of a line.
    granule : int or None
        Bytes of a granule of maintenance; those of a line if None.

    Attributes
    ----------
    memory : Memory
        The values of all lines.
    partitions : Partitions
        The records of the lines whose bytes differ.
    """

    def __init__(self, transitions: Tables, line: int, granule: int | None = None) -> None:
        self.transitions = transitions
        self.size = line
        self._granule = granule or line
        self.memory = Memory(
            PAGE_SIZE // line, transitions.start, transitions.unsettled if transitions.orders else None
        )
        self.partitions = Partitions(transitions, self.memory, line)
        self._all = (1 << line) - 1

    def parts(self, row: int, index: int) -> Parts:
        """The parts of a line of a dense page, after its deferred letters."""
        parts, after = self.partitions.parts(row, index), self.transitions.after_deferred
        transformer = int(self.memory.deferred[row])
        return merged((after(state, transformer), mask) for state, mask in parts.items())

    def touch(self, row: int, index: int, letter: int, start: int, end: int) -> tuple[Badness, ...]:
        """Apply `letter` to bytes `start` to `end` of a line of a dense page; return its hazards."""
        self.flush(row)
        parts = self.partitions.parts(row, index)
        inside = (1 << end) - (1 << start)
        bad = self._badness(parts, letter, inside)
        after = self.transitions.after
        parts_after = merged(
            (after(state, which), mask & bytes_of)
            for state, mask in parts.items()
            for which, bytes_of in self._letters(letter, start, end)
            if mask & bytes_of
        )
        if parts_after != parts:
            self.partitions.put(row, index, parts_after)
        if self.transitions.orders:
            barriers = reduce(or_, (int(self.transitions.unsettled[state]) for state in parts_after))
            self.memory.marks.add(np.array([row]), barriers)
        return bad

    def _letters(self, letter: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """The letters of an event that touches bytes `start` to `end` of a line, and the bytes of each."""
        inside = (1 << end) - (1 << start)
        other = int(self.transitions.other[letter])
        near = self.transitions.near.get(letter)
        if near is None:
            return (letter, inside), (other, ~inside)
        granule = self._granule
        around = (1 << end + -end % granule) - (1 << start - start % granule)
        return (letter, inside), (near, around & ~inside), (other, ~around)

    def step(self, state: int, letter: int) -> int:
        """The next state of bytes in `state` after `letter`."""
        return self.transitions.after(state, letter)

    def wrong(self, state: int, letter: int) -> tuple[Badness, ...]:
        """The hazards of `letter` in a line whose bytes are all in one state."""
        return self._badness({state: self._all}, letter, self._all)

    def defer(self, rows: "NDArray[np.intp]", letter: int) -> bool:
        """Defer a letter without a check for all lines of some rows, until they are next touched.

        Return False, and defer nothing, if there are too many transformers already.
        """
        waiting = self.memory.deferred[rows]
        together = {each: self.transitions.with_letter(each, letter) for each in distinct(waiting)}
        if UNKNOWN in together.values():
            return False
        if len(together) == 1:
            self.memory.deferred[rows] = next(iter(together.values()))
        elif together:
            table = np.zeros(max(together) + 1, np.uint16)
            table[list(together)] = list(together.values())
            self.memory.deferred[rows] = table[waiting]
        if self.transitions.orders:
            self.memory.marks.add(rows, ANY_MARK)
        return True

    def learn(self, row: int, index: int, letter: int) -> None:
        """Work out the transitions that `letter` needs in a line of a dense page, after the deferred letters."""
        for state in self.parts(row, index):
            self.transitions.after(state, letter)
            self.transitions.after(state, int(self.transitions.other[letter]))

    def flush(self, row: int) -> None:
        """Apply the deferred letters of a row."""
        if self.memory.deferred[row] == NOTHING_DEFERRED:
            return
        transformer = int(self.memory.deferred[row])
        values = self.memory.row_values(row)
        uniform = values < self.transitions.states
        for index in np.flatnonzero(~uniform).tolist():
            self.partitions.put(row, index, self.parts(row, index))
        for state in different(values[uniform]):
            self.transitions.after_deferred(state, transformer)
        values = self.memory.row_values(row)
        values[uniform] = self.transitions.transformers[transformer][values[uniform]]
        self.memory.set_row_values(row, values)
        self.memory.deferred[row] = NOTHING_DEFERRED

    def read(self, row: int, letter: int) -> Iterator[tuple[int, tuple[Badness, ...]]]:
        """Apply a checked letter to all lines of a row; yield the lines with hazards, and the hazards of each."""
        self.flush(row)
        values = self.memory.row_values(row)
        uniform = values < self.transitions.states
        after, found = values.copy(), dict[int, tuple[Badness, ...]]()
        for value in different(values[uniform]):  # all lines of one state do the same
            lines = np.flatnonzero(values == value)
            first = int(lines[0])
            found |= dict.fromkeys(lines.tolist(), self.touch(row, first, letter, 0, self.size))
            after[lines] = self.memory.value(row, first)
        self.memory.set_row_values(row, after)
        for index in np.flatnonzero(~uniform).tolist():
            found[index] = self.touch(row, index, letter, 0, self.size)
        yield from sorted((index, bad) for index, bad in found.items() if bad)

    def would_read(self, row: int, first: int, letter: int) -> Iterator[tuple[int, tuple[Badness, ...]]]:
        """The hazards of `letter`, after `first`, in the lines of a row; changes no state."""
        after = self.transitions.after
        for index in range(self.memory.lines_per_page):
            parts = merged((after(state, first), mask) for state, mask in self.parts(row, index).items())
            bad = self._badness(parts, letter, self._all)
            if bad:
                yield index, bad

    def _badness(self, parts: Parts, letter: int, inside: int) -> tuple[Badness, ...]:
        flags = self.transitions.bad[letter]
        found = []
        for hazard in (Hazard.LEAK, Hazard.LOST, Hazard.STALE):
            mask = 0
            for state, part in parts.items():
                if int(flags[state]) & hazard:
                    mask |= part & inside
            if mask:
                found.append(Badness(hazard, (mask & -mask).bit_length() - 1, mask.bit_length()))
        return tuple(found)


def different(numbers: "NDArray[np.unsignedinteger]") -> list[int]:
    """The different numbers of an array, all of them small: as `numpy.unique`, without its imports."""
    return np.flatnonzero(np.bincount(numbers)).tolist()


def runs_of(mask: int) -> Iterator[tuple[int, int]]:
    """The runs of bytes in a mask, as (start, end)."""
    start = 0
    while mask >> start:
        start += (mask >> start & -(mask >> start)).bit_length() - 1
        length = (~(mask >> start) & (mask >> start) + 1).bit_length() - 1
        yield start, start + length
        start += length
