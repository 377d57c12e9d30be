# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of pages' classes, walks that may come again, and barriers, in the loop over events; compiled."""

from typing import Any

from coldline.checker.compiled import frame
from coldline.checker.compiled.dense_rows import NO_ROW, dense_row_of, forget_cached_page
from coldline.checker.compiled.marks import mark_row, take_marked
from coldline.checker.compiled.pages import page_of, through
from coldline.checker.state.marks import ANY_MARK, BARRIER_OPS
from coldline.checker.state.transitions import LETTER_ROWS, UNKNOWN
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, int64, load8, load16, load32, load64, store16, uint64

_0, _1, _2, _3 = (uint64(number) for number in (0, 1, 2, 3))
_INTERPRET = uint64(frame.INTERPRET)
_MAP, _DESCRIPTOR, _TLBI = uint64(Op.MAP), uint64(Op.DESCRIPTOR), uint64(Op.TLBI)
_MOVES = uint64(frame.MOVES)
_UNMAP_CODE, _DESCRIPTOR_CODE, _TLBI_CODE, _DSB_CODE = (
    uint64(code) for code in (frame.UNMAP_CODE, frame.DESCRIPTOR_CODE, frame.TLBI_CODE, frame.DSB_CODE)
)
_ANY_MARK = uint64(ANY_MARK)
_DSB, _DSB_BIT = uint64(BARRIER_OPS.index(Op.DSB)), uint64(1 << BARRIER_OPS.index(Op.DSB))
_LETTERS = uint64(LETTER_ROWS)
_UNKNOWN = uint64(UNKNOWN)


@compiled
def move_code(op: int, attributes: int) -> int:
    """The attributes of a map, or the code of another event that changes a page's class.

    It is no code if the interpreter has to do the event: a map of two types, or a descriptor with a type.
    """
    if op == _MAP:
        return attributes if attributes < _UNMAP_CODE else _MOVES
    if op == _DESCRIPTOR:
        return _DESCRIPTOR_CODE if attributes == _0 else _MOVES
    return _TLBI_CODE if op == _TLBI else _UNMAP_CODE


@compiled
def move(f: Any, row: int, page: int, agent: int, code: int) -> bool:
    """Change the class of a page, as its mapping begins or ends; return False if the interpreter has to do it."""
    if code >= _MOVES:
        return False
    page_at = f.pages + (row << _3)
    old = uint64(load16(page_at))
    new = int64(load32(f.moves + (((old * f.agents + agent) * _MOVES + code) << _2)))
    if new == int64(0xFFFFFFFF):
        return False
    letter = uint64(load8(f.settings + uint64(new)))
    if letter != uint64(load8(f.settings + old)):
        transformer = uint64(load16(f.then + ((uint64(load16(page_at + _2)) * _LETTERS + letter) << _1)))
        if transformer == _UNKNOWN:
            return False
        store16(page_at + _2, transformer)
        forget_cached_page(f, page)
        if f.orders:
            mark_row(f, row, _ANY_MARK)
    store16(page_at, uint64(new))
    if load8(f.endings + uint64(new)):
        mark_row(f, row, _DSB_BIT)
    return True


@compiled
def walk_changes(f: Any, attributes: int, page: int, last: int, agent: int) -> bool:
    """Whether a walk changes what may come again: see `DispatchTables.comes`; also if it is not known."""
    comes = uint64(load8(f.comes + attributes))
    if comes == _0:
        return False
    for number in range(page, last + _1):
        row = dense_row_of(f, uint64(number))
        if row == NO_ROW:
            return True
        page_class = uint64(load16(f.pages + (row << _3)))
        if comes & ~uint64(load8(f.walked + page_class * f.agents + agent)):
            return True
    return False


@compiled
def _knows_endings(f: Any, agent: int) -> bool:
    """Whether it is known which class a DSB gives each page that is marked."""
    for each in range(load64(f.mark_count)):
        row = uint64(load32(f.marks + (uint64(each) << _2)))
        page_class = uint64(load16(f.pages + (row << _3)))
        if load8(f.endings + page_class):
            new = int64(load32(f.moves + (((page_class * f.agents + agent) * _MOVES + _DSB_CODE) << _2)))
            if new == int64(0xFFFFFFFF):
                return False
    return True


@compiled
def _leave_to_interpreter(f: Any) -> bool:
    """Mark again what a barrier has not got to; always false, for callers to return."""
    while f.barrier_row_at < f.barrier_rows:
        mark_row(f, uint64(load32(f.taken_rows + (f.barrier_row_at << _2))), _ANY_MARK)
        f.barrier_row_at += _1
    f.barrier_rows = f.barrier_row_at = _0
    f.status = _INTERPRET
    return False


@compiled
def take_barrier(f: Any, number: int, agent: int, letter: int) -> bool:
    """Apply the letter of barrier `number` to the rows that it may change; return False as `_touch` does.

    A DSB first gives a page its new class, if a mapping of it is ending.
    """
    if f.barrier_rows == _0:
        if number == _DSB and not _knows_endings(f, agent):
            return _leave_to_interpreter(f)
        take_marked(f, number)
    while f.barrier_row_at < f.barrier_rows:
        row = uint64(load32(f.taken_rows + (f.barrier_row_at << _2)))
        page_class = uint64(load16(f.pages + (row << _3)))
        ends = number == _DSB and f.done == _0 and load8(f.endings + page_class) != 0
        if ends and not move(f, row, page_of(f, row), agent, _DSB_CODE):
            return _leave_to_interpreter(f)
        if not through(f, row, letter, False):
            return False
        f.barrier_row_at += _1
    f.barrier_rows = f.barrier_row_at = _0
    return True
