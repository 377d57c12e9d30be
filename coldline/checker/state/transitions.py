# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte automaton as arrays, and the combined effect of several letters on a byte.

The rows of the arrays are letters, and their columns states. Where everything takes effect at once, all is in them
from the start. By the rules of order a state is added, and a transition worked out, when it is first met:
`coldline.checker.state.learned_tables`.

A letter that applies to every byte and has no check need not be applied at once: it is deferred. Letters that were
deferred one after another are one *transformer*, a function from states to states. There are few such functions, so
each has a number.
"""

from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.packing import MAX_PACKED
from coldline.rules.alphabet import OTHER, PERHAPS, Letter, Setting
from coldline.rules.automaton import READS, Automaton
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.state.vocabulary import AnyLetter, AnySetting

NO_LETTER = 31
"""Stands for no letter, as the letter to apply, or as an access's letter for the rest of its line."""

LETTER_ROWS = 256
"""Rows of tables indexed by letter; more than there are letters."""

QUIET_LETTERS = 64
"""Letters below this number have a bit in `Tables.quiet`."""

STALE, LOST, LEAK = int(Hazard.STALE), int(Hazard.LOST), int(Hazard.LEAK)

UNCHANGED = 0x80
"""Bit of `Tables.unchanged`, above the hazards."""

NOTHING_DEFERRED = 0
"""The transformer that changes nothing."""

MAX_TRANSFORMERS = 4096

UNKNOWN = 0xFFFF


class Tables:
    """The effect of each letter on a byte in each state.

    Parameters
    ----------
    states : int
        The number of states that there is room for.

    Attributes
    ----------
    states : int
        The same: values of lines below it are states.
    start : int
        The state of every byte at the start.
    orders : bool
        Whether a byte may be in a state that a barrier changes.
    granules : bool
        Whether an access has other letters for the bytes of its line that are in other granules of maintenance.
    step : ndarray of uint16, shape (LETTER_ROWS, states)
        The next state; `UNKNOWN` if it has not been worked out. The same state for `NO_LETTER`.
    bad : ndarray of uint8, shape (LETTER_ROWS, states)
        The hazards of a read, as `Hazard` flags.
    other : ndarray of uint8, shape (LETTER_ROWS,)
        The letter for the other bytes of the line when a letter applies to some of them.
    near : dict of int to int
        The letters for the other bytes in the granules of maintenance that an access touches, where it is another one
        than that in `other`.
    unchanged : ndarray of uint8, shape (LETTER_ROWS, MAX_PACKED + 1)
        By a line's value: `UNCHANGED` and the hazards of a read if the value is a state that the letter does not
        change, whether it applies to all bytes of the line or to some; else 0.
    quiet : ndarray of uint64, shape (states,)
        A bit for each of the first `QUIET_LETTERS` letters that changes nothing and has no hazard if a byte is in the
        state, whether the letter applies to this byte or to another one of its line.
    unsettled : ndarray of uint8, shape (states,)
        The events of all memory, by any core, that change a byte in the state, as in
        `coldline.checker.state.marks.Marks.marked`.
    transformers : ndarray of uint16, shape (MAX_TRANSFORMERS, states)
        The next state by deferred letters, for a byte in each state; `UNKNOWN` if it has not been worked out.
    then : ndarray of uint16, shape (MAX_TRANSFORMERS, LETTER_ROWS)
        The number of the transformer with one more letter; `UNKNOWN` if it has not been computed.
    """

    start = 0
    orders = False
    granules = False

    def __init__(self, states: int) -> None:
        self.states = states
        self.step: NDArray[np.uint16] = np.full((LETTER_ROWS, states), UNKNOWN, np.uint16)
        self.bad: NDArray[np.uint8] = np.zeros((LETTER_ROWS, states), np.uint8)
        self.other: NDArray[np.uint8] = np.full(LETTER_ROWS, NO_LETTER, np.uint8)
        self.near: dict[int, int] = {}
        self.unchanged: NDArray[np.uint8] = np.zeros((LETTER_ROWS, MAX_PACKED + 1), np.uint8)
        self.quiet: NDArray[np.uint64] = np.zeros(states, np.uint64)
        self.unsettled: NDArray[np.uint8] = np.zeros(states, np.uint8)
        self.transformers: NDArray[np.uint16] = np.zeros((MAX_TRANSFORMERS, states), np.uint16)
        self.then: NDArray[np.uint16] = np.full((MAX_TRANSFORMERS, LETTER_ROWS), UNKNOWN, np.uint16)
        self.step[NO_LETTER] = np.arange(states)

    def number(self, letter: "AnyLetter | AnySetting") -> int:
        """The row of a letter, or of the letter that changes to a setting."""
        raise NotImplementedError

    def plain(self, row: int) -> Letter | None:
        """The letter of an access in `coldline.rules.alphabet`, for a row; None if it is none."""
        raise NotImplementedError

    def after(self, state: int, row: int) -> int:
        """The state after a letter."""
        raise NotImplementedError

    def after_deferred(self, state: int, transformer: int) -> int:
        """The state after the letters of a transformer."""
        raise NotImplementedError

    def with_letter(self, transformer: int, letter: int) -> int:
        """The number of `transformer` followed by `letter`; `UNKNOWN` if there are too many transformers."""
        raise NotImplementedError

    def forget_transformers(self) -> None:
        """Forget all transformers; call it when nothing is deferred."""
        raise NotImplementedError


class CompleteTables(Tables):
    """The tables of an automaton that is known whole.

    Parameters
    ----------
    automaton : Automaton
        The byte automaton.
    """

    def __init__(self, automaton: Automaton) -> None:
        table = np.array(automaton.step, np.uint16)
        super().__init__(len(table))
        self.start = automaton.start
        identity = np.arange(self.states, dtype=np.uint16)
        self.step[:] = identity
        self.step[: len(Letter)] = table.T
        self.bad[list(READS)] = np.array(automaton.bad, np.uint8).T
        for letter, other in (*OTHER.items(), *PERHAPS.items()):
            self.other[letter] = other
        for row in range(QUIET_LETTERS):
            still = (self.step[row] == identity) & (self.step[self.other[row]] == identity)
            if row < len(Letter):
                self.unchanged[row, : self.states] = np.where(still, UNCHANGED | self.bad[row], 0)
            still &= self.bad[row] == 0
            self.quiet |= still.astype(np.uint64) << np.uint64(row)
        self.forget_transformers()

    def number(self, letter: "AnyLetter | AnySetting") -> int:
        """See `Tables.number`."""
        if isinstance(letter, Setting):
            return Letter.of_setting(letter)
        assert isinstance(letter, Letter)
        return letter

    def plain(self, row: int) -> Letter | None:
        """See `Tables.plain`."""
        return Letter(row)

    def after(self, state: int, row: int) -> int:
        """See `Tables.after`."""
        return int(self.step[row, state])

    def after_deferred(self, state: int, transformer: int) -> int:
        """See `Tables.after_deferred`."""
        return int(self.transformers[transformer, state])

    def forget_transformers(self) -> None:
        """See `Tables.forget_transformers`."""
        self.transformers[NOTHING_DEFERRED] = np.arange(self.states)
        self.then[:] = UNKNOWN
        self._numbers = {self.transformers[NOTHING_DEFERRED].tobytes(): NOTHING_DEFERRED}

    def with_letter(self, transformer: int, letter: int) -> int:
        """See `Tables.with_letter`."""
        longer = int(self.then[transformer, letter])
        if longer == UNKNOWN:
            function = self.step[letter][self.transformers[transformer]]
            longer = self._numbers.setdefault(function.tobytes(), len(self._numbers))
            if longer == MAX_TRANSFORMERS:
                del self._numbers[function.tobytes()]
                return UNKNOWN
            self.transformers[longer] = function
            self.then[transformer, letter] = longer
        return longer
