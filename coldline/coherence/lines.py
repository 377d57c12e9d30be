# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of whole lines: a second automaton above the bytes', built as far as a trace needs it.

A line's *shape* is the automaton state of each of its bytes, as runs of equal bytes. Shapes are numbered as
they turn up, and so are the transitions between them: each is worked out once, from the byte automaton, and
is a table look-up from then on. Most lines have one of the shapes whose bytes all agree.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.coherence.automaton import READS, Automaton
from coldline.coherence.rules import OTHER, Hazard, Letter

if TYPE_CHECKING:
    from numpy.typing import NDArray

Runs = tuple[tuple[int, int], ...]
"""A shape: runs of bytes as (end offset in the line, automaton state), ends rising to the line's size."""

UNKNOWN = -1
BAD_SHIFT = 28
BAD = 3 << BAD_SHIFT
"""In a table's entry, the `Hazard` flags of the transition: what the read that it is may find wrong."""

_MEMO_START = 1 << 12


class Badness(NamedTuple):
    """Where in a line a read may go wrong in one way: offsets in bytes, `end` exclusive."""

    hazard: Hazard
    start: int
    end: int


class Lines:
    """Shapes of lines and the transitions between them.

    Parameters
    ----------
    automaton : Automaton
        The bytes'.
    line : int
        Bytes of a line.

    Attributes
    ----------
    cold : int
        The shape of a line that nothing has touched.
    whole : ndarray of int32, shape (letters, shapes)
        Where a letter that befalls every byte leads, with `BAD`; `UNKNOWN` where nobody has asked yet.
    memo : ndarray of uint64, shape (a power of two, 2)
        The same for letters that befall some bytes of a line: an open-addressing hash table from `memo_key`.
    learned : int
        How many transitions have been worked out.
    """

    def __init__(self, automaton: Automaton, line: int) -> None:
        self.automaton = automaton
        self.line = line
        self.shapes: list[Runs] = []
        self.whole: NDArray[np.int32] = np.full((len(Letter), 64), UNKNOWN, np.int32)
        self.memo: NDArray[np.uint64] = np.zeros((_MEMO_START, 2), np.uint64)
        self.learned = 0
        self._memo_used = 0
        self._numbers: dict[Runs, int] = {}
        self._bad: dict[tuple[int, Letter, int, int], tuple[Badness, ...]] = {}
        self.cold = self._intern(((line, automaton.start),))

    def step(self, shape: int, letter: Letter, start: int = 0, end: int | None = None) -> int:
        """Where `letter` on bytes `start` to `end` leads from `shape`, with `BAD` where the read may go wrong."""
        end = self.line if end is None else end
        if start == 0 and end == self.line:
            value = int(self.whole[letter, shape])
            if value == UNKNOWN:
                value = self._work_out(shape, letter, start, end)
                self.whole[letter, shape] = value
            return value
        key = memo_key(shape, letter, start, end)
        slot = self._probe(key)
        if int(self.memo[slot, 0]) != key:
            value = self._work_out(shape, letter, start, end)
            self._memo_add(key, value)
            return value
        return int(self.memo[slot, 1])

    def steps(self, shapes: "NDArray[np.int32]", letter: Letter) -> "NDArray[np.int32]":
        """`step` for many whole lines at once, any shape of array."""
        targets: NDArray[np.int32] = self.whole[letter][shapes]
        if targets.size and targets.min() == UNKNOWN:
            for shape in np.unique(shapes[targets == UNKNOWN]):
                self.step(int(shape), letter)
            targets = self.whole[letter][shapes]
        return targets

    def badness(
        self, shape: int, letter: Letter, start: int = 0, end: int | None = None
    ) -> tuple[Badness, ...]:
        """What may go wrong where `letter` reads bytes `start` to `end` of a line of `shape`."""
        end = self.line if end is None else end
        key = (shape, letter, start, end)
        if key not in self._bad:
            self._bad[key] = self._find_bad(shape, letter, start, end)
        return self._bad[key]

    def restore(self, shapes: "list[Runs]", whole: "NDArray[np.int32]", memo: "NDArray[np.uint64]") -> None:
        """Take over what other `Lines` of the same automaton and size knew: see `coldline.coherence.learned`."""
        if shapes[: len(self.shapes)] != self.shapes:
            return
        size = max(64, 1 << len(shapes).bit_length())
        self.whole = np.full((len(Letter), size), UNKNOWN, np.int32)
        self.whole[:, : len(shapes)] = whole
        self.shapes = shapes
        self._numbers = {runs: number for number, runs in enumerate(shapes)}
        self.memo = memo
        self._memo_used = int(np.count_nonzero(memo[:, 0]))
        self.learned = int(np.count_nonzero(whole != UNKNOWN)) + self._memo_used

    def _work_out(self, shape: int, letter: Letter, start: int, end: int) -> int:
        self.learned += 1
        other = OTHER.get(letter)
        runs = []
        for run_start, run_end, state in self._cut(shape, start, end):
            now = letter if start <= run_start < end else other
            runs.append((run_end, state if now is None else self.automaton.step[state][now]))
        target = self._intern(_merge(runs))
        hazards = sum(bad.hazard for bad in self.badness(shape, letter, start, end))
        return target | hazards << BAD_SHIFT

    def _find_bad(self, shape: int, letter: Letter, start: int, end: int) -> tuple[Badness, ...]:
        if letter not in READS:
            return ()
        column = READS.index(letter)
        found: dict[Hazard, Badness] = {}
        for run_start, run_end, state in self._cut(shape, start, end):
            flags = self.automaton.bad[state][column] if start <= run_start < end else 0
            for hazard in (Hazard.LOST, Hazard.STALE):
                if flags & hazard:
                    first = found[hazard].start if hazard in found else run_start
                    found[hazard] = Badness(hazard, first, run_end)
        return tuple(found[hazard] for hazard in (Hazard.LOST, Hazard.STALE) if hazard in found)

    def _cut(self, shape: int, start: int, end: int) -> list[tuple[int, int, int]]:
        """The runs of a shape as (start, end, state), cut so that none crosses `start` or `end`."""
        pieces = []
        previous = 0
        for run_end, state in self.shapes[shape]:
            for cut in (start, end):
                if previous < cut < run_end:
                    pieces.append((previous, cut, state))
                    previous = cut
            pieces.append((previous, run_end, state))
            previous = run_end
        return pieces

    def _intern(self, runs: Runs) -> int:
        number = self._numbers.get(runs)
        if number is None:
            number = self._numbers[runs] = len(self.shapes)
            if number >= 1 << BAD_SHIFT:
                raise MemoryError("more line shapes than can be numbered")
            self.shapes.append(runs)
            if number == self.whole.shape[1]:
                self.whole = np.concatenate([self.whole, np.full_like(self.whole, UNKNOWN)], axis=1)
        return number

    def _probe(self, key: int) -> int:
        mask = len(self.memo) - 1
        slot = memo_hash(key) & mask
        while int(self.memo[slot, 0]) not in (0, key):
            slot = (slot + 1) & mask
        return slot

    def _memo_add(self, key: int, value: int) -> None:
        if self._memo_used * 2 >= len(self.memo):
            old = self.memo[self.memo[:, 0] != 0].tolist()
            self.memo = np.zeros((2 * len(self.memo), 2), np.uint64)
            for known, target in old:
                self.memo[self._probe(known)] = known, target
        self.memo[self._probe(key)] = key, value
        self._memo_used += 1


def memo_key(shape: int, letter: int, start: int, end: int) -> int:
    """One number for a transition; never 0, because an access ends past its start."""
    return shape << 28 | letter << 23 | start << 12 | end


def memo_hash(key: int) -> int:
    """Where a key's probe starts, before the mask: the upper half of a multiplication by 2^64 / phi."""
    return ((key * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) >> 32


def _merge(runs: list[tuple[int, int]]) -> Runs:
    merged: list[tuple[int, int]] = []
    for end, state in runs:
        if merged and merged[-1][1] == state:
            merged[-1] = (end, state)
        else:
            merged.append((end, state))
    return tuple(merged)
