# SPDX-License-Identifier: GPL-2.0-or-later
"""The loops that Python calls: over events, and over the rows of one event that touches whole pages; compiled."""

from typing import Any

from numba import carray, cfunc, from_dtype, types

from coldline.checker.compiled import frame
from coldline.checker.compiled.dense_rows import NO_ROW, dense_row_of, look_ahead
from coldline.checker.compiled.lines import advance, flags_of_bad, forget_bad, is_quiet, note, split
from coldline.checker.compiled.marks import (
    lacks,
    mark_by_scratch,
    mark_if_unsettled,
    scratch_lacks,
)
from coldline.checker.compiled.moves import move, move_code, take_barrier, walk_changes
from coldline.checker.compiled.pages import count_known, note_hazard
from coldline.checker.compiled.records import count_values, crowded, join_equals, put
from coldline.checker.compiled.row_loops import step_known, step_rows
from coldline.checker.compiled.still_events import take_still
from coldline.checker.compiled.values import OWN, node_at, owned_at, set_value, value_of
from coldline.checker.state.marks import BARRIER_OPS
from coldline.checker.state.transitions import QUIET_LETTERS, UNKNOWN
from coldline.events.event import ADDRESS_LIMIT
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
from coldline.jit.intrinsics import compiled, load8, load16, load64, store64, uint64
from coldline.support.units import PAGE_SIZE

_0, _1, _2, _3, _8 = (uint64(number) for number in (0, 1, 2, 3, 8))
_DONE, _INTERPRET, _CROWDED, _FULL = (
    uint64(status) for status in (frame.DONE, frame.INTERPRET, frame.CROWDED, frame.FULL)
)
_ACCESS, _ZERO, _MAINTAIN_THROUGH, _READ_TABLE = (
    uint64(action) for action in (frame.ACCESS, frame.ZERO, frame.MAINTAIN_THROUGH, frame.READ_TABLE)
)
_MAINTAIN, _MOVE, _BARRIER = (uint64(action) for action in (frame.MAINTAIN, frame.MOVE, frame.BARRIER))
_FIRST_BARRIER = uint64(BARRIER_OPS[0])
_FETCH = uint64(Op.FETCH)
_OPS = uint64(len(Op))
_ATTRIBUTES = uint64(ATTRIBUTES_MASK + 1)
_TO_INTERPRETER = uint64(frame.TO_INTERPRETER)
_QUIET_LETTERS = uint64(QUIET_LETTERS)
_UNKNOWN = uint64(UNKNOWN)
_PAGE, _OFFSET = uint64(PAGE_SIZE), uint64(PAGE_SIZE - 1)
_PAGE_BITS = uint64(PAGE_SIZE.bit_length() - 1)
_LIMIT = uint64(ADDRESS_LIMIT)
_EVENT, _SIZE_AT, _REST_AT = uint64(EVENT_SIZE), uint64(SIZE_AT), uint64(REST_AT)
_OP_SHIFT, _AGENT_SHIFT, _ATTRIBUTES_SHIFT = uint64(OP_SHIFT), uint64(AGENT_SHIFT), uint64(ATTRIBUTES_SHIFT)
_OP_MASK, _AGENT_MASK = uint64(OP_MASK), uint64(AGENT_MASK)
_SAMPLE, _FAR = uint64(frame.SAMPLE), uint64(frame.FAR)


@compiled
def _touch(
    f: Any, row: int, index: int, address: int, letter: int, low: int, high: int, is_fetch: bool
) -> bool:
    """Apply `letter` to bytes `low` to `high` of a line of a row; the line is at `address`.

    Return False if something must be done first: `f.status` says what.
    """
    line = row * f.per_page + index
    value = value_of(f, line)
    states = f.states
    whole = high - low == _1 << f.line_bits
    if value < states:
        own = uint64(load16(f.step + ((letter * states + value) << _1)))
        rest = uint64(load8(f.other + letter))
        other = uint64(load16(f.step + ((rest * states + value) << _1)))
        flags = uint64(load8(f.bad + letter * states + value))
        if own == _UNKNOWN or (not whole and other == _UNKNOWN):
            return not lacks(f, row, index, letter)
        mixes = not whole and own != other
        if mixes and crowded(f):
            f.status = _CROWDED
            return False
        if flags and not count_known(f, line, flags, is_fetch):
            forget_bad(f)
            note(f, flags, low, high)
            if not note_hazard(f, line, address, flags, is_fetch):
                f.status = _FULL
                return False
        if mixes:
            put(f, row, index, value, split(f, own, other, low, high))
            if f.orders:
                mark_if_unsettled(f, row, other)
        else:
            set_value(f, line, own)
        if f.orders:
            mark_if_unsettled(f, row, own)
        return True
    at = owned_at(f, row, index) if value == OWN else node_at(f, value)
    if is_quiet(f, at, letter):
        return True
    if crowded(f):
        f.status = _CROWDED
        return False
    forget_bad(f)
    count = advance(f, at, _0, letter, low, high)
    if f.orders and scratch_lacks(f, count):
        return not lacks(f, row, index, letter)
    flags = flags_of_bad(f)
    if flags and not note_hazard(f, line, address, flags, is_fetch):
        f.status = _FULL
        return False
    if f.orders:
        mark_by_scratch(f, row, count)
    put(f, row, index, value, count)
    return True


@compiled
def _letter(f: Any, row: int, agent: int, op: int) -> int:
    """The letter of an agent's access to the lines of a row."""
    page_class = uint64(load16(f.pages + (row << _3)))
    return uint64(load8(f.letters + (page_class * f.agents + agent) * _OPS + op))


@compiled
def _take(f: Any) -> None:
    """Apply events until one is for the interpreter; start at event `f.at`, from its byte `f.done` on."""
    events, rows = f.events, f.rows
    line_bits, per_page, states = f.line_bits, f.per_page, f.states
    quiet, actions, letters, pages = f.quiet, f.actions, f.letters, f.pages
    agents, agent_of, cached = f.agents, f.agent_of, f.cached
    size_of_line = _1 << line_bits
    line_mask = size_of_line - _1
    at = f.at
    f.status = _DONE
    letter = _0
    far, sample = False, at + _SAMPLE
    while at < events:
        if at >= sample:
            far, f.missed = f.missed >= _FAR, _0
            sample = at + _SAMPLE
        if far:
            look_ahead(f, at)
        if f.done == _0 and not far:
            stop = sample if sample < events else events
            at = take_still(f, at, stop)
            if at == stop:
                continue
        event = rows + at * _EVENT
        word = load64(event + _REST_AT)
        op = word >> _OP_SHIFT & _OP_MASK
        action = uint64(load8(actions + op))
        start = load64(event)
        end = start + load64(event + _SIZE_AT)
        agent = load64(agent_of + ((word >> _AGENT_SHIFT & _AGENT_MASK) << _3))
        page = start >> _PAGE_BITS
        f.at = at
        if action == _BARRIER:
            number = op - _FIRST_BARRIER
            marked = load64(f.mark_count + ((number + _1) << _3))
            if f.unsettled_ranges >> number & _1 == _0:
                letter = uint64(load8(f.barriers + agent * _OPS + op))
                if letter != _TO_INTERPRETER:
                    if marked == _0 and f.barrier_rows == _0:
                        at += _1  # it completes nothing
                        continue
                    if not take_barrier(f, number, agent, letter):
                        break
                    count_at = f.by_letter + (letter << _3)
                    store64(count_at, load64(count_at) + _1)
                    at += _1
                    continue
        if end <= start or end > _LIMIT:
            f.status = _INTERPRET
            break
        last = (end - _1) >> _PAGE_BITS
        if action >= _MOVE or action < _ACCESS:
            if action != _MOVE or end - start != _PAGE or start & _OFFSET != _0:
                f.status = _INTERPRET
                break
            row = dense_row_of(f, page)
            if row == NO_ROW:
                break
            if not move(f, row, page, agent, move_code(op, word >> _ATTRIBUTES_SHIFT)):
                f.status = _INTERPRET
                break
            at += _1
            continue
        fixed = _TO_INTERPRETER
        if action == _MAINTAIN or action == _MAINTAIN_THROUGH:
            fixed = uint64(load8(f.maintenance + op))
            block = load64(f.units + (op << _3)) - _1
            start &= ~block
            end = (end + block) & ~block
        elif action == _READ_TABLE:
            attributes = agent * _ATTRIBUTES + (word >> _ATTRIBUTES_SHIFT & (_ATTRIBUTES - _1))
            fixed = uint64(load8(f.walks + attributes))
            if f.orders and (last > page + _1 or walk_changes(f, attributes, page, last, agent)):
                if f.status == _DONE:
                    f.status = _INTERPRET
                break
        elif action == _ZERO:
            block = load64(f.units + (op << _3)) - _1
            start &= ~block
            end = (end + block) & ~block
        by_alias = action <= _MAINTAIN_THROUGH
        if last != page:
            # Check every page before changing any.
            if last != page + _1 or end > (last + _1) << _PAGE_BITS:
                f.status = _INTERPRET
                break
            row = dense_row_of(f, last)
            if row == NO_ROW:
                break
            if by_alias and _letter(f, row, agent, op) == _TO_INTERPRETER:
                f.status = _INTERPRET
                break
        base = (start & ~line_mask) + f.done
        while base < end:
            page = base >> _PAGE_BITS
            slot = cached + ((page & uint64(frame.CACHED_PAGES - 1)) << uint64(4))
            if load64(slot) == page:
                row = load64(slot + _8)
            else:
                row = dense_row_of(f, page)
                if row == NO_ROW:
                    break
            letter = fixed
            if by_alias:
                page_class = uint64(load16(pages + (row << _3)))
                letter = uint64(load8(letters + (page_class * agents + agent) * _OPS + op))
            if letter == _TO_INTERPRETER:
                f.status = _INTERPRET
                break
            index = (base & _OFFSET) >> line_bits
            value = value_of(f, row * per_page + index)
            if (
                value >= states
                or letter >= _QUIET_LETTERS
                or load64(quiet + (value << _3)) >> letter & _1 == _0
            ):
                low = start - base if start > base else _0
                high = end - base if end - base < size_of_line else size_of_line
                if not _touch(f, row, index, base, letter, low, high, op == _FETCH):
                    break
            base += size_of_line
        if f.status != _DONE:
            f.done = base - (start & ~line_mask)
            break
        f.done = _0
        count_at = f.by_letter + (letter << _3)
        store64(count_at, load64(count_at) + _1)
        at += _1
    f.at = at


_POINTER = types.CPointer(from_dtype(frame.FRAME))


@cfunc(types.void(_POINTER))
def take(frame_at: Any) -> None:
    """Apply events: see `_take`."""
    f = carray(frame_at, (1,))[0]
    _take(f)


@cfunc(types.void(_POINTER))
def join(frame_at: Any) -> None:
    """Join equal records: see `join_equals`."""
    f = carray(frame_at, (1,))[0]
    join_equals(f)


@cfunc(types.void(_POINTER, types.uintp))
def count_lines(frame_at: Any, counts: int) -> None:
    """Count the lines with each value: see `count_values`."""
    f = carray(frame_at, (1,))[0]
    count_values(f, uint64(counts))


EXPORTS = {
    "take": take,
    "step_rows": step_rows,
    "step_known": step_known,
    "join": join,
    "count_lines": count_lines,
}
