# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the rules of order, whose states and transitions are added as a trace meets them."""

from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.marks import INVALIDATION_BIT, barrier_bit
from coldline.checker.state.transitions import (
    MAX_TRANSFORMERS,
    NO_LETTER,
    NOTHING_DEFERRED,
    QUIET_LETTERS,
    UNCHANGED,
    UNKNOWN,
    Tables,
)
from coldline.errors import TraceError
from coldline.events import Op
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import AS_CHECKED, UNORDERED, Act
from coldline.rules.order.cores import CoreEvent, CoresMachine, Speculation

if TYPE_CHECKING:
    from coldline.checker.state.vocabulary import AnyLetter, AnySetting

_BARRIER_BITS = {
    act: barrier_bit(op)
    for act, op in (*((Act.DSB, Op.DSB), (Act.DMB, Op.DMB), (Act.ISB, Op.ISB), (Act.DSB_NSH, Op.DSB_NSH)),)
}

MOST_LEARNED = 3072
"""The most states that are added; the other values of lines are numbers of shared records."""

MOST_LETTERS = 254
"""The most letters of the rules of order, of all cores."""


class LearnedTables(Tables):
    """The tables of an automaton whose states are added as they are met.

    Parameters
    ----------
    machine : CoresMachine
        The automaton.
    granules : bool
        Whether maintenance by address is of smaller granules than a line.
    """

    orders = True

    def __init__(self, machine: CoresMachine, *, granules: bool = False) -> None:
        super().__init__(MOST_LEARNED)
        self.granules = granules
        self._machine = machine
        self._letters: list[CoreEvent | Speculation | None] = []
        self._numbers: dict[CoreEvent | Speculation, int] = {}
        self._reads: list[tuple[int, CoreEvent]] = []
        self._known = 0
        self._parents: list[tuple[int, int]] = []
        self._add_states()
        self.forget_transformers()

    def number(self, letter: "AnyLetter | AnySetting") -> int:
        """See `Tables.number`.

        Raises
        ------
        TraceError
            If there are too many letters.
        """
        assert isinstance(letter, CoreEvent | Speculation)
        known = self._numbers.get(letter)
        if known is None:
            if len(self._letters) == NO_LETTER:
                self._letters.append(None)
            known = len(self._letters)
            if known == MOST_LETTERS:
                raise TraceError(
                    "", "too many cores, or too many ways in which pages are mapped, to follow order"
                )
            self._numbers[letter] = known
            self._letters.append(letter)
            if isinstance(letter, CoreEvent):
                if letter.as_other is not None:
                    self._add_other(known, letter.as_other)
                if letter.act in AS_CHECKED:
                    self._reads.append((known, letter))
                    self._judge(known, letter, 0)
        return known

    def _add_other(self, known: int, other: CoreEvent) -> None:
        """Note the letters of an event for the other bytes of its line."""
        if self.granules and other.as_far != other:
            self.near[known] = self.number(other)
            other = other.as_far
        self.other[known] = self.number(other)

    def plain(self, row: int) -> Letter | None:
        """See `Tables.plain`."""
        letter = self._letters[row]
        return UNORDERED.get(letter.act) if isinstance(letter, CoreEvent) else None

    def add_core(self) -> None:
        """Take one more core into account: see `CoresMachine.add_core`."""
        self._machine.add_core()
        for row, letter in self._reads:
            self._judge(row, letter, 0)

    def after(self, state: int, row: int) -> int:
        """See `Tables.after`."""
        after = int(self.step[row, state])
        if after == UNKNOWN:
            letter = self._letters[row]
            assert letter is not None
            after = self._machine.step(state, letter)
            self._add_states()
            self.step[row, state] = after
            self._quieten(row, state)
        return after

    def after_deferred(self, state: int, transformer: int) -> int:
        """See `Tables.after_deferred`."""
        later = []
        while self.transformers[transformer, state] == UNKNOWN:
            later.append(transformer)
            transformer = self._parents[transformer][0]
        after = int(self.transformers[transformer, state])
        for each in reversed(later):
            after = self.transformers[each, state] = self.after(after, self._parents[each][1])
        return int(after)

    def forget_transformers(self) -> None:
        """See `Tables.forget_transformers`."""
        self.transformers[NOTHING_DEFERRED] = np.arange(self.states)
        self.then[:] = UNKNOWN
        self._parents = [(NOTHING_DEFERRED, NO_LETTER)]

    def with_letter(self, transformer: int, letter: int) -> int:
        """See `Tables.with_letter`.

        Two transformers that do the same to all states so far may differ for a later one. So each has its number.
        """
        longer = int(self.then[transformer, letter])
        if longer == UNKNOWN:
            longer = len(self._parents)
            if longer == MAX_TRANSFORMERS:
                return UNKNOWN
            self._parents.append((transformer, letter))
            before = self.transformers[transformer]
            known = before != UNKNOWN
            self.transformers[longer] = UNKNOWN
            self.transformers[longer, known] = self.step[letter][before[known]]
            self.then[transformer, letter] = longer
        return longer

    def _add_states(self) -> None:
        """Make columns for the states that the automaton has got.

        Raises
        ------
        TraceError
            If there are too many.
        """
        first, end = self._known, len(self._machine)
        if end > self.states:
            raise TraceError("", f"a byte of memory may be in more than {self.states:,} different states")
        self._known = end
        if first == end:
            return
        for row, letter in self._reads:
            self._judge(row, letter, first)
        for state in range(first, end):
            if self._machine.has_barriers:
                self.unsettled[state] = sum(
                    _BARRIER_BITS[act] for act in self._machine.barriers_that_change(state)
                )
            elif self._machine.is_changed_by_invalidation(state):
                self.unsettled[state] = INVALIDATION_BIT

    def _judge(self, row: int, letter: CoreEvent, first: int) -> None:
        """Fill in the hazards of a read, for the states from `first` on."""
        for state in range(first, self._known):
            self.bad[row, state] = self._machine.hazards(state, letter)
            if self.unchanged[row, state]:
                self.unchanged[row, state] = UNCHANGED | self.bad[row, state]

    def _quieten(self, row: int, state: int) -> None:
        for each in (row, *np.flatnonzero(self.other == row).tolist()):
            other = int(self.other[each])
            still = self.step[each, state] == state and self.step[other, state] == state
            if still:
                self.unchanged[each, state] = UNCHANGED | self.bad[each, state]
                if each < QUIET_LETTERS and not self.bad[each, state]:
                    self.quiet[state] |= np.uint64(1 << each)
