# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes accesses that change nothing, which are most of all events; compiled.

A processor cannot predict whether the next access is to one line or to two, and whether it finds a hazard that is
known. So there is no branch on either, and no choice that the compiler would make one of.
"""

from typing import Any

from coldline.checker.compiled import frame
from coldline.checker.compiled.values import OWN
from coldline.checker.state.memory import FETCH_BITS
from coldline.checker.state.packing import MAX_PACKED
from coldline.checker.state.transitions import UNCHANGED
from coldline.events.layout import (
    AGENT_MASK,
    AGENT_SHIFT,
    ATTRIBUTES_MASK,
    ATTRIBUTES_SHIFT,
    EVENT_SIZE,
    OP_MASK,
    OP_SHIFT,
    REST_AT,
    SIZE_AT,
)
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, load8, load16, load32, load64, store64, uint64
from coldline.support.units import PAGE_SIZE

_0, _1, _2, _3, _4, _8, _12, _15 = (uint64(number) for number in (0, 1, 2, 3, 4, 8, 12, 15))
_MOST_FLAGS = uint64(0x7FFF)
"""The hazards of two lines, in 15 bits."""
_ACCESS, _READ_TABLE = uint64(frame.ACCESS), uint64(frame.READ_TABLE)
_CACHED = uint64(frame.CACHED_PAGES - 1)
_FETCH, _FETCHED = uint64(Op.FETCH), uint64(FETCH_BITS)
_OPS = uint64(len(Op))
_ATTRIBUTES = uint64(ATTRIBUTES_MASK + 1)
_OFFSET = uint64(PAGE_SIZE - 1)
_PAGE_BITS = uint64(PAGE_SIZE.bit_length() - 1)
_EVENT, _SIZE_AT, _REST_AT = uint64(EVENT_SIZE), uint64(SIZE_AT), uint64(REST_AT)
_OP_SHIFT, _AGENT_SHIFT, _ATTRIBUTES_SHIFT = uint64(OP_SHIFT), uint64(AGENT_SHIFT), uint64(ATTRIBUTES_SHIFT)
_OP_MASK, _AGENT_MASK = uint64(OP_MASK), uint64(AGENT_MASK)
_VALUE_BITS = uint64(MAX_PACKED.bit_length())
_UNCHANGED, _HAZARDS = uint64(UNCHANGED), uint64(UNCHANGED - 1)


@compiled
def take_still(f: Any, at: int, stop: int) -> int:
    """Take events from number `at` on, up to the first that may change something or find a new hazard, or to `stop`.

    Return the number of the first that was not taken. An access is taken if it is to one line, or to two of a page
    that is in the table of last used pages, so that nothing is deferred for it.
    """
    rows, agent_of, actions, cached, pages = f.rows, f.agent_of, f.actions, f.cached, f.pages
    letters, agents, values, unchanged = f.letters, f.agents, f.values, f.unchanged
    line_bits, per_page, reported, by_letter = f.line_bits, f.per_page, f.reported, f.by_letter
    distinct = f.distinct
    known = _0
    while at < stop:
        event = rows + at * _EVENT
        start, size = load64(event), load64(event + _SIZE_AT)
        word = load64(event + _REST_AT)
        page, offset = start >> _PAGE_BITS, start & _OFFSET
        slot = cached + ((page & _CACHED) << _4)
        index, last_index = offset >> line_bits, (offset + size - _1) >> line_bits
        if load64(slot) != page or (size - _1) >> line_bits != _0 or last_index >= per_page:
            break
        row = load64(slot + _8)
        op = word >> _OP_SHIFT & _OP_MASK
        agent = load64(agent_of + ((word >> _AGENT_SHIFT & _AGENT_MASK) << _3))
        action = uint64(load8(actions + op))
        if action == _ACCESS:
            page_class = uint64(load16(pages + (row << _3)))
            letter = uint64(load8(letters + (page_class * agents + agent) * _OPS + op))
        elif action == _READ_TABLE and f.orders == _0:
            attributes = word >> _ATTRIBUTES_SHIFT & (_ATTRIBUTES - _1)
            letter = uint64(load8(f.walks + agent * _ATTRIBUTES + attributes))
        else:
            break
        line = row * per_page + index
        two = uint64(load32(values + line + (line >> _1))) >> ((line & _1) << _2)
        more = last_index - index
        outcomes = unchanged + (letter << _VALUE_BITS)
        first = uint64(load8(outcomes + (two & OWN)))
        last = uint64(load8(outcomes + (two >> (more * _12) & OWN)))
        if first & last & _UNCHANGED == _0:
            break
        first &= _HAZARDS
        last = (last & _HAZARDS) * more
        flags = first | last << _8
        any_flag = (flags + _MOST_FLAGS) >> _15
        seen = uint64(load16(reported + line * any_flag))  # without one, always the same memory
        if flags << (_FETCHED if op == _FETCH else _0) & ~(seen & distinct):
            break
        known += uint64(first != _0) + uint64(last != _0)
        count_at = by_letter + (letter << _3)
        store64(count_at, load64(count_at) + _1)
        at += _1
    f.counted += known
    return at
