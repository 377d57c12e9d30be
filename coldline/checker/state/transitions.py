# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte automaton as arrays, and the combined effect of several letters on a byte.

A letter that applies to every byte and has no check need not be applied at once: it is deferred. Letters that were
deferred one after another are one *transformer*, a function from states to states. There are few such functions, so
each has a number.
"""

from typing import TYPE_CHECKING

import numpy as np

from coldline.rules.alphabet import OTHER, Letter
from coldline.rules.automaton import READS, Automaton
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_LETTER = 31
"""Stands for no letter, as the letter to apply, or as an access's letter for the rest of its line."""

LETTER_ROWS = 32
"""Rows of tables indexed by letter; a power of two above the number of letters."""

STALE, LOST = int(Hazard.STALE), int(Hazard.LOST)

NOTHING_DEFERRED = 0
"""The transformer that changes nothing."""

MAX_TRANSFORMERS = 4096
UNKNOWN = 0xFFFF


class Transitions:
    """The effect of each letter on a byte in each state.

    Parameters
    ----------
    automaton : Automaton
        The byte automaton.

    Attributes
    ----------
    states : int
        The number of states.
    step : ndarray of uint16, shape (LETTER_ROWS, states)
        The next state; the same state for `NO_LETTER`.
    bad : ndarray of uint8, shape (LETTER_ROWS, states)
        The hazards of a read, as `Hazard` flags.
    other : ndarray of uint8, shape (LETTER_ROWS,)
        The letter for the other bytes of the line when a letter applies to some of them.
    quiet : ndarray of uint32, shape (states,)
        A bit for each letter that changes nothing and has no hazard if a byte is in the state, whether the letter
        applies to this byte or to another one of its line.
    transformers : ndarray of uint16, shape (MAX_TRANSFORMERS, states)
        The next state by deferred letters, for a byte in each state.
    then : ndarray of uint16, shape (MAX_TRANSFORMERS, LETTER_ROWS)
        The number of the transformer with one more letter; `UNKNOWN` if it has not been computed.
    """

    def __init__(self, automaton: Automaton) -> None:
        table = np.array(automaton.step, np.uint16)
        self.states = len(table)
        self.start = automaton.start
        identity = np.arange(self.states, dtype=np.uint16)
        self.step: NDArray[np.uint16] = np.tile(identity, (LETTER_ROWS, 1))
        self.step[: len(Letter)] = table.T
        self.bad: NDArray[np.uint8] = np.zeros((LETTER_ROWS, self.states), np.uint8)
        self.bad[list(READS)] = np.array(automaton.bad, np.uint8).T
        self.other: NDArray[np.uint8] = np.full(LETTER_ROWS, NO_LETTER, np.uint8)
        for letter, other in OTHER.items():
            self.other[letter] = other
        self.quiet: NDArray[np.uint32] = np.zeros(self.states, np.uint32)
        for row in range(LETTER_ROWS):
            still = (self.step[row] == identity) & (self.step[self.other[row]] == identity)
            still &= self.bad[row] == 0
            self.quiet |= still.astype(np.uint32) << np.uint32(row)
        self.transformers: NDArray[np.uint16] = np.zeros((MAX_TRANSFORMERS, self.states), np.uint16)
        self.then: NDArray[np.uint16] = np.full((MAX_TRANSFORMERS, LETTER_ROWS), UNKNOWN, np.uint16)
        self.forget_transformers()

    def forget_transformers(self) -> None:
        """Forget all transformers; call it when nothing is deferred."""
        self.transformers[NOTHING_DEFERRED] = np.arange(self.states)
        self.then[:] = UNKNOWN
        self._numbers = {self.transformers[NOTHING_DEFERRED].tobytes(): NOTHING_DEFERRED}

    def with_letter(self, transformer: int, letter: int) -> int:
        """The number of `transformer` followed by `letter`; `UNKNOWN` if there are too many transformers."""
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
