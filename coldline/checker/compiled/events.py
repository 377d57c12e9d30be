# SPDX-License-Identifier: GPL-2.0-or-later
"""The loops that are called from Python: over events, and over the rows of one event that touches whole pages."""

from typing import Any

from numba import carray, cfunc, from_dtype, types

from coldline.checker.compiled import frame
from coldline.checker.compiled.lines import advance, flags_of_bad, forget_bad, note, split
from coldline.checker.compiled.pages import report, through
from coldline.checker.compiled.records import count_values, crowded, join_equals, put
from coldline.checker.compiled.rows import NOWHERE, forget_page, look_ahead, row_of
from coldline.checker.compiled.values import OWN, node_at, owned_at, set_value, value_of
from coldline.checker.dispatch import LINE_OPS, SLOW, UNMAP_CODE
from coldline.checker.state import partitions
from coldline.checker.state.transitions import LETTERS, UNKNOWN
from coldline.events.event import ADDRESS_LIMIT
from coldline.events.layout import TYPE_MASK
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, int64, load8, load16, load32, load64, store16, uint64

_0, _1, _2, _3, _8, _12, _32 = (uint64(number) for number in (0, 1, 2, 3, 8, 12, 32))
_DONE, _THINK, _CROWDED, _FULL = (
    uint64(status) for status in (frame.DONE, frame.THINK, frame.CROWDED, frame.FULL)
)
_QUIET = uint64(8 * partitions.QUIET)
_WALK, _FETCH, _ZVA, _MAP, _UNMAP = (uint64(op) for op in (Op.WALK, Op.FETCH, Op.DC_ZVA, Op.MAP, Op.UNMAP))
_OPS = uint64(Op.DC_ZVA + 1)
_LINE_OPS = uint64(LINE_OPS)
_TYPES = uint64(TYPE_MASK + 1)
_MOVES = uint64(UNMAP_CODE + 1)
_UNMAP_CODE = uint64(UNMAP_CODE)
_SLOW = uint64(SLOW)
_LETTERS = uint64(LETTERS)
_UNKNOWN = uint64(UNKNOWN)
_PAGE, _OFFSET, _BLOCK = uint64(4096), uint64(4095), uint64(63)
_LIMIT = uint64(ADDRESS_LIMIT)
_EVENT = uint64(24)
_SAMPLE, _FAR = uint64(frame.SAMPLE), uint64(frame.FAR)


@compiled
def _touch(
    f: Any, row: int, index: int, address: int, letter: int, low: int, high: int, is_fetch: bool
) -> bool:
    """`letter` befalls bytes `low` to `high` of a line of a row, which is at `address`.

    False where that must wait: `f.status` says for what.
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
        mixes = not whole and own != other
        if mixes and crowded(f):
            f.status = _CROWDED
            return False
        if flags:
            forget_bad(f)
            note(f, flags, low, high)
            if not report(f, line, address, flags, is_fetch):
                f.status = _FULL
                return False
        if mixes:
            put(f, row, index, value, split(f, own, other, low, high))
        else:
            set_value(f, line, own)
        return True
    at = owned_at(f, row, index) if value == OWN else node_at(f, value)
    if load64(at + _QUIET) >> letter & _1:
        return True
    if crowded(f):
        f.status = _CROWDED
        return False
    forget_bad(f)
    count = advance(f, at, _0, letter, low, high)
    flags = flags_of_bad(f)
    if flags and not report(f, line, address, flags, is_fetch):
        f.status = _FULL
        return False
    put(f, row, index, value, count)
    return True


@compiled
def _letter(f: Any, row: int, agent: int, op: int) -> int:
    """What an agent's access is to the lines of a row."""
    page_class = uint64(load16(f.pages + (row << _3)))
    return uint64(load8(f.letters + (page_class * f.agents + agent) * _OPS + op))


@compiled
def _move(f: Any, row: int, page: int, agent: int, code: int) -> bool:
    """Map or unmap a page; False where that needs thought."""
    page_at = f.pages + (row << _3)
    old = uint64(load16(page_at))
    new = int64(load32(f.moves + (((old * f.agents + agent) * _MOVES + code) << _2)))
    if new == int64(0xFFFFFFFF):
        return False
    letter = uint64(load8(f.settings + uint64(new)))
    if letter != uint64(load8(f.settings + old)):
        word = uint64(load16(f.then + ((uint64(load16(page_at + _2)) * _LETTERS + letter) << _1)))
        if word == _UNKNOWN:
            return False
        store16(page_at + _2, word)
        forget_page(f, page)
    store16(page_at, uint64(new))
    return True


@compiled
def _take(f: Any) -> None:
    """Take events from number `f.at` on, and bytes of it from `f.done` on, until one needs thought."""
    events, rows = f.events, f.rows
    line_bits, per_page, states = f.line_bits, f.per_page, f.states
    quiet, letters, pages = f.quiet, f.letters, f.pages
    agents, agent_of, cached = f.agents, f.agent_of, f.cached
    size_of_line = _1 << line_bits
    line_mask = size_of_line - _1
    at = f.at
    f.status = _DONE
    far, sample = False, at + _SAMPLE
    while at < events:
        if at >= sample:
            far, f.missed = f.missed >= _FAR, _0
            sample = at + _SAMPLE
        if far:
            look_ahead(f, at)
        event = rows + at * _EVENT
        word = load64(event + uint64(16))
        op = (word >> uint64(48)) & uint64(0xFF)
        start = load64(event)
        end = start + load64(event + _8)
        agent = load64(agent_of + ((word >> _32 & uint64(0xFFFF)) << _3))
        page = start >> _12
        f.at = at
        if end <= start or end > _LIMIT:
            f.status = _THINK
            break
        last = (end - _1) >> _12
        if op >= _LINE_OPS:
            moves = (op == _MAP or op == _UNMAP) and end - start == _PAGE and start & _OFFSET == _0
            if not moves:
                f.status = _THINK
                break
            row = row_of(f, page)
            if row == NOWHERE:
                break
            if not _move(f, row, page, agent, word >> uint64(56) if op == _MAP else _UNMAP_CODE):
                f.status = _THINK
                break
            at += _1
            continue
        fixed = _SLOW
        if op > _ZVA:
            fixed = uint64(load8(f.maintenance + op))
            start &= ~line_mask
            end = (end + line_mask) & ~line_mask
        elif op == _WALK:
            fixed = uint64(load8(f.walks + agent * _TYPES + ((word >> uint64(56)) & (_TYPES - _1))))
        elif op == _ZVA:
            start &= ~_BLOCK
            end = (end + _BLOCK) & ~_BLOCK
        by_alias = op <= _ZVA and op != _WALK
        if last != page:
            # Every page is asked before any has changed.
            if last != page + _1 or end > (last + _1) << _12:
                f.status = _THINK
                break
            row = row_of(f, last)
            if row == NOWHERE:
                break
            if by_alias and _letter(f, row, agent, op) == _SLOW:
                f.status = _THINK
                break
        base = (start & ~line_mask) + f.done
        while base < end:
            page = base >> _12
            slot = cached + ((page & uint64(frame.CACHED_PAGES - 1)) << uint64(4))
            if load64(slot) == page:
                row = load64(slot + _8)
            else:
                row = row_of(f, page)
                if row == NOWHERE:
                    break
            letter = fixed
            if by_alias:
                page_class = uint64(load16(pages + (row << _3)))
                letter = uint64(load8(letters + (page_class * agents + agent) * _OPS + op))
            if letter == _SLOW:
                f.status = _THINK
                break
            index = (base & _OFFSET) >> line_bits
            value = value_of(f, row * per_page + index)
            if value >= states or load32(quiet + (value << _2)) >> letter & _1 == _0:
                low = start - base if start > base else _0
                high = end - base if end - base < size_of_line else size_of_line
                if not _touch(f, row, index, base, letter, low, high, op == _FETCH):
                    break
            base += size_of_line
        if f.status != _DONE:
            f.done = base - (start & ~line_mask)
            break
        f.done = _0
        at += _1
    f.at = at


_POINTER = types.CPointer(from_dtype(frame.FRAME))


@cfunc(types.void(_POINTER))
def take(frame_at: Any) -> None:
    """Take events: see `_take`."""
    f = carray(frame_at, (1,))[0]
    _take(f)


@cfunc(types.void(_POINTER, types.uintp, types.uint64, types.uint64, types.uint64))
def sweep(frame_at: Any, rows: int, count: int, letter: int, is_fetch: int) -> None:
    """Let `letter` befall all lines of `count` rows; `f.row_at` is the row to go on at."""
    f = carray(frame_at, (1,))[0]
    f.status = _DONE
    while f.row_at < uint64(count):
        if not through(f, load64(uint64(rows) + (f.row_at << _3)), uint64(letter), is_fetch != 0):
            return
        f.row_at += _1


@cfunc(types.void(_POINTER))
def join(frame_at: Any) -> None:
    """Join equal records: see `join_equals`."""
    f = carray(frame_at, (1,))[0]
    join_equals(f)


@cfunc(types.void(_POINTER, types.uintp))
def count(frame_at: Any, counts: int) -> None:
    """Count the lines with each value: see `count_values`."""
    f = carray(frame_at, (1,))[0]
    count_values(f, uint64(counts))


EXPORTS = {"take": take, "sweep": sweep, "join": join, "count": count}
