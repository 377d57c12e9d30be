# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps lines whose bytes are not all in one state.

A line is kept as *parts*: for each state that any of its bytes is in, a mask of those bytes. An access to some bytes
of a line splits parts. A letter for the whole line joins them again. There are seldom more than four.

The value of a line in `Memory` is a number. A number below the automaton's number of states is the state of all its
bytes. `OWN` means that the line has its own record, which changes with the line, in a block for the lines of its
page. Any other number is a shared record, which never changes and which all lines with these parts can have. Lines
begin with own records. When there are many of those, equal ones are replaced with shared ones. So lines with few
different contents cost twelve bits each, and lines that are all different cost 64 bytes more each, however often they
change.
"""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.memory import Memory
from coldline.checker.state.packing import MAX_PACKED
from coldline.checker.state.reserved_arrays import reserve
from coldline.checker.state.transitions import QUIET_LETTERS, Tables
from coldline.errors import TraceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN = MAX_PACKED
"""The value of a line that has its own record."""

PARTS = 4
"""Parts in a node; a record is a node and the nodes linked to it."""

# A node is 64-bit words: its number of parts, and the number of the next node in the upper half; the letters that
# change nothing; its parts' states; a hash of the whole record; its parts' bytes.
NEXT, QUIET, STATES, HASH, BYTES = range(5)

# Indexes of the pool's registers in its array: the first freed node, and the first that was never used; the same two
# for shared records' numbers, and for blocks; the number of blocks in use, and the number of blocks from which equal
# records are searched for.
FREE, FRESH, FREE_SHARED, SHARED, FREE_BLOCK, FRESH_BLOCK, BLOCKS, CROWD = range(8)

FIRST_MORE = MAX_PACKED + 1
"""Nodes below this number are shared records; from here on are nodes linked to others."""

SHARED_INDEX = 1 << 13
_MOST_BYTES = 1 << 30

NO_BLOCK = 0
LEAST_CROWD = 1 << 9
"""With fewer blocks than this, equal records are never searched for."""

_CROWD_SHARE = 512
"""Equal records are searched for if there is at least one block for this many dense pages."""

SLACK = 1 << 11
"""The most nodes that one event at one page may need, as it has no more parts than bytes."""

Parts = dict[int, int]
"""The bytes in each state, as a mask: bit n is byte n of the line."""


class Partitions:
    """The records of lines whose bytes differ.

    Parameters
    ----------
    transitions : Tables
        The byte automaton.
    memory : Memory
        The memory of the lines.
    line : int
        Bytes of a line.

    Attributes
    ----------
    words : int
        64-bit words of a mask of a line's bytes.
    nodes : ndarray of uint64, shape (nodes, words of a node)
        The shared records by their numbers, and the nodes linked to records.
    owned : ndarray of uint64, shape (blocks, lines_per_page, words of a node)
        The lines' own records, by `Memory.blocks` of their page.
    rows_of : ndarray of uint32, shape (blocks,)
        The row of each block; for a free block, the next free one.
    pool : ndarray of uint64
        Registers, by the names above.
    shared_index : ndarray of uint16, shape (SHARED_INDEX,)
        Open-addressing hash table of the shared records; 0 in a free slot.
    """

    def __init__(self, transitions: Tables, memory: Memory, line: int) -> None:
        self._transitions = transitions
        self._memory = memory
        self._line = line
        self.words = max(1, line // 64)
        self._node = BYTES + PARTS * self.words
        most_nodes = _MOST_BYTES // (8 * self._node)
        self._most_blocks = most_nodes // memory.lines_per_page
        shape = (self._most_blocks, memory.lines_per_page, self._node)
        self.nodes: NDArray[np.uint64] = reserve(most_nodes * self._node, np.uint64).reshape(-1, self._node)
        self.owned: NDArray[np.uint64] = reserve(math.prod(shape), np.uint64).reshape(shape)
        self.rows_of: NDArray[np.uint32] = reserve(self._most_blocks, np.uint32)
        self.pool: NDArray[np.uint64] = np.zeros(8, np.uint64)
        self.pool[[FRESH, SHARED, FRESH_BLOCK, CROWD]] = FIRST_MORE, transitions.states, 1, LEAST_CROWD
        self.shared_index: NDArray[np.uint16] = reserve(SHARED_INDEX, np.uint16)

    @property
    def crowded(self) -> bool:
        """Whether there are so many blocks that equal records should be searched for."""
        return bool(self.pool[BLOCKS] >= self.pool[CROWD]) or self._out_of_nodes

    @property
    def _out_of_nodes(self) -> bool:
        return int(self.pool[FRESH]) + SLACK >= len(self.nodes)

    def parts(self, row: int, index: int) -> Parts:
        """The parts of a line."""
        value = self._memory.value(row, index)
        if value < self._transitions.states:
            return {value: (1 << self._line) - 1}
        node = self.owned[self._memory.blocks[row], index] if value == OWN else self.nodes[value]
        found = dict(self._parts_of(node.tolist()))
        while following := int(node[NEXT]) >> 32:
            node = self.nodes[following]
            found.update(self._parts_of(node.tolist()))
        return found

    def put(self, row: int, index: int, parts: Parts) -> None:
        """Set the parts of a line."""
        if len(parts) == 1:
            (state,) = parts
            self._memory.set_value(row, index, state)
            return
        if self._memory.blocks[row] == NO_BLOCK:
            self._give_block(row)
        record = self.owned[self._memory.blocks[row], index]
        self._free(int(record[NEXT]) >> 32)
        self._write(record, list(parts.items()))
        self._memory.set_value(row, index, OWN)

    @property
    def out_of_numbers(self) -> bool:
        """Whether no number is left for another shared record."""
        return bool(self.pool[SHARED] == OWN and self.pool[FREE_SHARED] == 0)

    def forget_unused(self, lines: "NDArray[np.uint64]") -> None:
        """Free the numbers of shared records that no line has any more.

        Parameters
        ----------
        lines : ndarray of uint64, shape (OWN + 1,)
            The number of lines with each value.
        """
        first, end = self._transitions.states, int(self.pool[SHARED])
        index, free = [0] * SHARED_INDEX, 0
        for number in range(first, end):
            if lines[number]:
                slot = int(self.nodes[number, HASH]) % SHARED_INDEX
                while index[slot]:
                    slot = (slot + 1) % SHARED_INDEX
                index[slot] = number
            else:
                self._free(int(self.nodes[number, NEXT]) >> 32)
                self.nodes[number, NEXT] = free << 32
                free = number
        self.pool[FREE_SHARED] = free
        self.shared_index[:] = index

    def make_room(self, blocks: int, joined: int, made: int) -> None:
        """Set the number of blocks at which equal records are searched for again, after a search.

        Parameters
        ----------
        blocks : int
            The number of blocks before the search.
        joined : int
            The number of lines that had their own records.
        made : int
            The number of shared records that were made for them.

        Raises
        ------
        TraceError
            If there are still too many records.
        """
        kept = int(self.pool[BLOCKS])
        crowd = max(LEAST_CROWD, self._memory.rows // _CROWD_SHARE, 2 * kept)
        if 2 * made > joined and 4 * joined > blocks * self._memory.lines_per_page:
            crowd = max(crowd, 2 * blocks)  # full blocks of lines unlike any other: no use to search soon
        crowd = min(crowd, self._most_blocks - 1)
        if kept >= crowd or self._out_of_nodes:
            lines = kept * self._memory.lines_per_page
            raise TraceError(
                "",
                f"too many lines, up to {lines:,}, have bytes in different states, each line in its own way",
            )
        self.pool[CROWD] = crowd

    def _give_block(self, row: int) -> None:
        block = int(self.pool[FREE_BLOCK])
        if block:
            self.pool[FREE_BLOCK] = self.rows_of[block]
        else:
            block = int(self.pool[FRESH_BLOCK])
            self.pool[FRESH_BLOCK] += 1
        self.pool[BLOCKS] += 1
        self.rows_of[block] = row
        self._memory.blocks[row] = block

    def _parts_of(self, row: list[int]) -> Iterator[tuple[int, int]]:
        for part in range(row[NEXT] & 0xFFFFFFFF):
            masks = row[BYTES + part * self.words : BYTES + (part + 1) * self.words]
            yield row[STATES] >> 16 * part & 0xFFFF, sum(word << 64 * i for i, word in enumerate(masks))

    def _write(self, record: "NDArray[np.uint64]", parts: list[tuple[int, int]]) -> None:
        quiet = (1 << QUIET_LETTERS) - 1
        for state, _ in parts:
            quiet &= int(self._transitions.quiet[state])
        following = 0
        for start in reversed(range(0, len(parts), PARTS)):
            some = parts[start : start + PARTS]
            row = [0] * self._node
            row[NEXT] = len(some) | following << 32
            for part, (state, mask) in enumerate(some):
                row[STATES] |= state << 16 * part
                for word in range(self.words):
                    row[BYTES + part * self.words + word] = mask >> 64 * word & 0xFFFFFFFFFFFFFFFF
            if start:
                following = self._allocate()
                self.nodes[following] = row
            else:
                row[QUIET] = quiet
                record[:] = row

    def _allocate(self) -> int:
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
            self.pool[FREE] = node
            node = following


def merged(pairs: Iterable[tuple[int, int]]) -> Parts:
    """Parts from pairs of state and mask, in which a state may occur more than once."""
    parts: Parts = {}
    for state, mask in pairs:
        if mask:
            parts[state] = parts.get(state, 0) | mask
    return parts
