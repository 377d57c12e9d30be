# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines whose bytes are not all in one state.

A *mixture* is a line's *parts*: which of its bytes are in which state. An access to some bytes of a line splits
parts, what befalls the line as a whole joins them again, and there are seldom more than four.

What memory holds of a line is a number. Below the automaton's states, all bytes are in that one. `OWN` says that
the line has a record of its own, which changes as the line does. Any other number is a record too, one that
lines with the same parts share and that never changes: lines begin with records of their own, and when there are
many of those, equal ones become one. So a guest whose lines have few shapes costs two bytes a line, and lines
that are each different cost 64 bytes more, at whatever speed they change.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from coldline.coherence.memory import MAX_LINES
from coldline.coherence.reserve import clear, reserve
from coldline.coherence.transitions import LETTERS, Transitions
from coldline.errors import TraceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN = 0xFFFF
"""The value of a line that has a record of its own."""

PARTS = 4
"""Parts in a node; a record is a chain of nodes."""

# A node is 64-bit words: how many parts it has, and the next node in the upper half; the letters that change
# nothing, and the line that owns it in the upper half; its parts' states; a hash of the whole; its parts' bytes.
NEXT, QUIET, STATES, HASH, BYTES = range(5)

NO_OWNER = 0
"""In the upper half of word `QUIET`; otherwise 1 + the number of a line in `Memory.values`, flat."""

# Where the pool's registers are in its array
FREE, FRESH, LIVE, LIMIT, SHARED = range(5)

FIRST_OWN = 1 << 16
"""Nodes below are the ones that lines share; their number is the line's value."""

CROWD = 1 << 16
"""Nodes of lines' own that are no reason to look for equal ones."""

SLACK = 1 << 11
"""Nodes that may be taken beyond the limit: more than all lines of a page can come to."""

SHARED_INDEX = 1 << 17
_MOST_BYTES = 1 << 30
_MOST_NODES = 1 << 24

Parts = dict[int, int]
"""State to the bytes that are in it, as a mask: bit n is byte n of the line."""


class Mixtures:
    """The records of lines whose bytes differ.

    Parameters
    ----------
    transitions : Transitions
        The bytes'.
    line : int
        Bytes of a line.

    Attributes
    ----------
    words : int
        64-bit words of a mask of a line's bytes.
    nodes : ndarray of uint64, shape (nodes, words of a node)
        All records.
    own : ndarray of uint32, shape (lines,)
        The record of each line whose value is `OWN`.
    pool : ndarray of uint64
        Which nodes are free, by the names above: the first of the free ones, the first that was never used, how
        many are in use, how many of those are a crowd, the next number for a shared one.
    shared_index : ndarray of uint16, shape (SHARED_INDEX,)
        Open-addressing hash table of the shared records; 0 where there is none.
    """

    def __init__(self, transitions: Transitions, line: int) -> None:
        self._transitions = transitions
        self._line = line
        self.words = max(1, line // 64)
        node = BYTES + PARTS * self.words
        self.most = min(_MOST_NODES, _MOST_BYTES // (8 * node))
        self.nodes: NDArray[np.uint64] = reserve(self.most * node, np.uint64).reshape(self.most, node)
        self.own: NDArray[np.uint32] = reserve(MAX_LINES, np.uint32)
        self.pool: NDArray[np.uint64] = np.zeros(8, np.uint64)
        self.pool[[FRESH, LIMIT, SHARED]] = FIRST_OWN, CROWD, max(transitions.states, 1)
        self.shared_index: NDArray[np.uint16] = reserve(SHARED_INDEX, np.uint16)

    @property
    def crowded(self) -> bool:
        """Whether it is time to look for equal records."""
        return bool(self.pool[LIVE] >= self.pool[LIMIT])

    def parts(self, value: int, at: int) -> Parts:
        """The parts of the line that is number `at` and has `value`."""
        if value < self._transitions.states:
            return {value: (1 << self._line) - 1}
        node = int(self.own[at]) if value == OWN else value
        found: Parts = {}
        while node:
            row = self.nodes[node].tolist()
            for part in range(row[NEXT] & 0xFFFFFFFF):
                masks = row[BYTES + part * self.words : BYTES + (part + 1) * self.words]
                mask = sum(word << 64 * i for i, word in enumerate(masks))
                found[row[STATES] >> 16 * part & 0xFFFF] = mask
            node = row[NEXT] >> 32
        return found

    def put(self, values: "NDArray[np.uint16]", at: int, parts: Parts) -> None:
        """Make `parts` those of line `at` of `values`, which is flat."""
        if values[at] == OWN:
            self._free(int(self.own[at]))
        if len(parts) == 1:
            (values[at],) = parts
        else:
            self.own[at] = self._record(list(parts.items()), at)
            values[at] = OWN

    def sweep(self, values: "NDArray[np.uint16]") -> None:
        """Forget shared records that none of `values` is any more, where their numbers are used up."""
        first, end = self._transitions.states, int(self.pool[SHARED])
        if end < OWN:
            return
        used = np.bincount(values.ravel(), minlength=OWN + 1)[first:OWN] > 0
        for node in (first + np.flatnonzero(~used)).tolist():
            self._free(int(self.nodes[node, NEXT]) >> 32)
        kept = first + np.flatnonzero(used)
        numbers = np.arange(OWN + 1, dtype=np.uint16)
        numbers[kept] = np.arange(first, first + len(kept))
        values[:] = numbers[values]
        self.nodes[first : first + len(kept)] = self.nodes[kept]
        self.pool[SHARED] = first + len(kept)
        index = [0] * SHARED_INDEX
        for number, code in enumerate(self.nodes[first : first + len(kept), HASH].tolist(), start=first):
            slot = code % SHARED_INDEX
            while index[slot]:
                slot = (slot + 1) % SHARED_INDEX
            index[slot] = number
        self.shared_index[:] = index

    def make_room(self) -> None:
        """After equal records were joined: what is a crowd now.

        Raises
        ------
        TraceError
            If there are more records than there may be.
        """
        live = int(self.pool[LIVE])
        if live == 0:
            clear(self.own)
        self.pool[LIMIT] = min(max(CROWD, 2 * live), self.most - FIRST_OWN - SLACK)
        if live >= self.pool[LIMIT]:
            raise TraceError("", f"more than {live:,} lines whose bytes differ, each in its own way")

    def _record(self, parts: list[tuple[int, int]], at: int) -> int:
        quiet = (1 << LETTERS) - 1
        for state, _ in parts:
            quiet &= int(self._transitions.quiet[state])
        following = 0
        for start in reversed(range(0, len(parts), PARTS)):
            node = self._allocate()
            some = parts[start : start + PARTS]
            row = [0] * self.nodes.shape[1]
            row[NEXT] = len(some) | following << 32
            for part, (state, mask) in enumerate(some):
                row[STATES] |= state << 16 * part
                for word in range(self.words):
                    row[BYTES + part * self.words + word] = mask >> 64 * word & 0xFFFFFFFFFFFFFFFF
            if start == 0:
                row[QUIET] = quiet | (at + 1) << 32
            self.nodes[node] = row
            following = node
        return following

    def _allocate(self) -> int:
        self.pool[LIVE] += 1
        node = int(self.pool[FREE])
        if node:
            self.pool[FREE] = int(self.nodes[node, NEXT]) >> 32
        else:
            node = int(self.pool[FRESH])
            self.pool[FRESH] += 1
        return node

    def _free(self, node: int) -> None:
        while node:
            following = int(self.nodes[node, NEXT]) >> 32
            self.nodes[node, NEXT] = int(self.pool[FREE]) << 32
            self.nodes[node, QUIET] = NO_OWNER << 32
            self.pool[FREE] = node
            self.pool[LIVE] -= 1
            node = following


def merged(pairs: Iterable[tuple[int, int]]) -> Parts:
    """Parts from pairs of state and mask, in which a state may stand more than once."""
    parts: Parts = {}
    for state, mask in pairs:
        if mask:
            parts[state] = parts.get(state, 0) | mask
    return parts
