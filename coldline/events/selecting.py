# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled program that selects events from words, as `coldline.events.footprints.selected` does from columns.

Only the events that are selected become columns. Imported only to compile.
"""

from typing import Any

from numba import cfunc, types

from coldline.events.footprints import BEGINS, EVERYWHERE, ON_PAGES
from coldline.events.layout import (
    AGENT_MASK,
    AGENT_SHIFT,
    ATTRIBUTES_SHIFT,
    EVENT_SIZE,
    GRANULE_BITS,
    GRANULE_SLOTS,
    OP_MASK,
    OP_SHIFT,
    PAGE_SLOTS,
    REST_AT,
    SIZE_AT,
)
from coldline.events.words import ESCAPE, ESCAPE_WORDS, LONGEST, Word
from coldline.jit.intrinsics import load8, load64, store64, uint64
from coldline.support.units import PAGE_SIZE

_SIZE, _OP, _AGENT, _ATTRIBUTES = Word.SIZE.lsb, Word.OP.lsb, Word.AGENT.lsb, Word.ATTRIBUTES.lsb
_ADDRESS = Word.ADDRESS.mask
_AGENT_ONES = Word.AGENT.mask >> Word.AGENT.lsb
_PAGE_BITS = PAGE_SIZE.bit_length() - 1
_EVERYWHERE, _ON_PAGES, _BEGINS = (
    sum(1 << op for op, is_one in enumerate(ops) if is_one) for ops in (EVERYWHERE, ON_PAGES, BEGINS)
)


@cfunc(types.int64(types.uintp, types.int64, types.uintp, types.uintp, types.uintp, types.uintp))
def select(words: int, events: int, slots: int, starts: int, rows: int, indices: int) -> int:
    """Unpack those of a number of events that are selected into rows of `EVENT_DTYPE`; return how many they are.

    `words`, `slots`, `starts`, `rows` and `indices` are addresses: of the words, of the two tables of
    `coldline.events.footprints.selected`, and where the rows of the events and their indices go.
    """
    found, begun = 0, uint64(0)
    for index in range(events):
        word: Any = load64(words)
        op = word >> uint64(_OP) & uint64(ESCAPE)
        if op == uint64(ESCAPE):
            address, size = load64(words + uint64(8)), load64(words + uint64(16))
            rest = load64(words + uint64(24))
            op = rest >> uint64(OP_SHIFT) & uint64(OP_MASK)
            words += uint64(8 * ESCAPE_WORDS)
        else:
            address = word & uint64(_ADDRESS)
            size = uint64(1) + (word >> uint64(_SIZE) & uint64(LONGEST - 1))
            agent = word >> uint64(_AGENT) & uint64(_AGENT_ONES)
            attributes = word >> uint64(_ATTRIBUTES)
            rest = (
                agent << uint64(AGENT_SHIFT) | op << uint64(OP_SHIFT) | attributes << uint64(ATTRIBUTES_SHIFT)
            )
            words += uint64(8)
        bit = uint64(1) << op
        chosen = load8(starts + (address >> uint64(GRANULE_BITS) & uint64(GRANULE_SLOTS - 1))) != 0
        chosen |= uint64(_EVERYWHERE) & bit != uint64(0) or size > uint64(1 << GRANULE_BITS)
        if uint64(_ON_PAGES) & bit:
            pages = slots + uint64(GRANULE_SLOTS)
            chosen |= load8(pages + (address >> uint64(_PAGE_BITS) & uint64(PAGE_SLOTS - 1))) != 0
            chosen |= load8(pages + (address + size >> uint64(_PAGE_BITS) & uint64(PAGE_SLOTS - 1))) != 0
        if uint64(_BEGINS) & bit:
            which = rest >> uint64(AGENT_SHIFT) & uint64(AGENT_MASK)
            if not begun >> which & uint64(1):
                begun |= uint64(1) << which  # a batch of words has the few agents of one core
                chosen = True
        if chosen:
            store64(rows, address)
            store64(rows + uint64(SIZE_AT), size)
            store64(rows + uint64(REST_AT), rest)
            store64(indices, uint64(index))
            rows += uint64(EVENT_SIZE)
            indices += uint64(8)
            found += 1
    return found


EXPORTS = {"select": select}
