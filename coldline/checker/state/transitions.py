# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte automaton as arrays, and what several letters in a row make of a byte.

A letter that befalls every byte and checks nothing need not be followed at once: it is put off, and letters
that were put off one after another are one function from states to states. There are few such functions, so
each has a number.
"""

from typing import TYPE_CHECKING

import numpy as np

from coldline.rules.automaton import READS, Automaton
from coldline.rules.letters import OTHER, Letter
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_LETTER = 31
"""Stands for no letter at all: in a row of letters, and for what an access is to the rest of its line."""

LETTERS = 32
"""Rows of tables by letter; a power of two above the letters that there are."""

STALE, LOST = int(Hazard.STALE), int(Hazard.LOST)

NOTHING_PUT_OFF = 0
MAX_WORDS = 4096
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
    step : ndarray of uint16, shape (LETTERS, states)
        The next state; the same one for `NO_LETTER`.
    bad : ndarray of uint8, shape (LETTERS, states)
        What a read may find wrong, as `Hazard` flags.
    other : ndarray of uint8, shape (LETTERS,)
        What a letter that befalls some bytes of a line is to the rest of them.
    quiet : ndarray of uint32, shape (states,)
        A bit for each letter that changes nothing and finds nothing wrong where a byte is in the state,
        whether it befalls this byte or another one of its line.
    words : ndarray of uint16, shape (MAX_WORDS, states)
        What letters that were put off make of a byte. Number `NOTHING_PUT_OFF` is none at all.
    then : ndarray of uint16, shape (MAX_WORDS, LETTERS)
        The number of the words that are one letter longer; `UNKNOWN` where nobody has asked yet.
    """

    def __init__(self, automaton: Automaton) -> None:
        table = np.array(automaton.step, np.uint16)
        self.states = len(table)
        self.start = automaton.start
        identity = np.arange(self.states, dtype=np.uint16)
        self.step: NDArray[np.uint16] = np.tile(identity, (LETTERS, 1))
        self.step[: len(Letter)] = table.T
        self.bad: NDArray[np.uint8] = np.zeros((LETTERS, self.states), np.uint8)
        self.bad[list(READS)] = np.array(automaton.bad, np.uint8).T
        self.other: NDArray[np.uint8] = np.full(LETTERS, NO_LETTER, np.uint8)
        for letter, other in OTHER.items():
            self.other[letter] = other
        self.quiet: NDArray[np.uint32] = np.zeros(self.states, np.uint32)
        for row in range(LETTERS):
            still = (self.step[row] == identity) & (self.step[self.other[row]] == identity)
            still &= self.bad[row] == 0
            self.quiet |= still.astype(np.uint32) << np.uint32(row)
        self.words: NDArray[np.uint16] = np.zeros((MAX_WORDS, self.states), np.uint16)
        self.then: NDArray[np.uint16] = np.full((MAX_WORDS, LETTERS), UNKNOWN, np.uint16)
        self.forget_words()

    def forget_words(self) -> None:
        """Start anew, where nothing is put off any more."""
        self.words[NOTHING_PUT_OFF] = np.arange(self.states)
        self.then[:] = UNKNOWN
        self._numbers = {self.words[NOTHING_PUT_OFF].tobytes(): NOTHING_PUT_OFF}

    def put_off(self, word: int, letter: int) -> int:
        """The number of `word` with `letter` after it; `UNKNOWN` where there are too many words."""
        longer = int(self.then[word, letter])
        if longer == UNKNOWN:
            function = self.step[letter][self.words[word]]
            longer = self._numbers.setdefault(function.tobytes(), len(self._numbers))
            if longer == MAX_WORDS:
                del self._numbers[function.tobytes()]
                return UNKNOWN
            self.words[longer] = function
            self.then[word, letter] = longer
        return longer
