# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte automaton as arrays, and what several letters in a row make of a byte.

A letter that befalls every byte and checks nothing need not be followed at once: it is deferred. Letters that were
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
"""Stands for no letter at all: in a row of letters, and for what an access is to the rest of its line."""

LETTER_ROWS = 32
"""Rows of tables by letter; a power of two above the letters that there are."""

STALE, LOST = int(Hazard.STALE), int(Hazard.LOST)

NOTHING_DEFERRED = 0
"""The transformer that changes nothing."""

MAX_TRANSFORMERS = 4096
UNKNOWN = 0xFFFF


class Transitions:
    """What each letter makes of a byte in each state.

    Parameters
    ----------
    automaton : Automaton
        The byte's.

    Attributes
    ----------
    states : int
        How many states there are.
    step : ndarray of uint16, shape (LETTER_ROWS, states)
        The next state; the same one for `NO_LETTER`.
    bad : ndarray of uint8, shape (LETTER_ROWS, states)
        What a read may find wrong, as `Hazard` flags.
    other : ndarray of uint8, shape (LETTER_ROWS,)
        What a letter that befalls some bytes of a line is to the rest of them.
    quiet : ndarray of uint32, shape (states,)
        A bit for each letter that changes nothing and finds nothing wrong where a byte is in the state,
        whether it befalls this byte or another one of its line.
    transformers : ndarray of uint16, shape (MAX_TRANSFORMERS, states)
        What letters that were deferred make of a byte in each state.
    then : ndarray of uint16, shape (MAX_TRANSFORMERS, LETTER_ROWS)
        The number of the transformer with one letter more; `UNKNOWN` where it has not been worked out.
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
        """Start anew, where nothing is deferred any more."""
        self.transformers[NOTHING_DEFERRED] = np.arange(self.states)
        self.then[:] = UNKNOWN
        self._numbers = {self.transformers[NOTHING_DEFERRED].tobytes(): NOTHING_DEFERRED}

    def with_letter(self, transformer: int, letter: int) -> int:
        """The number of `transformer` with `letter` after it; `UNKNOWN` where there are too many transformers."""
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
