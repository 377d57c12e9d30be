# SPDX-License-Identifier: GPL-2.0-or-later
"""Appends the events of operations that are added to the guest's code. Imported only to compile.

A block's fetch is one event, which comes before those of its instructions. Where an operation is added within a
block, the fetch is cut in two: the instructions before it are fetched before it, those after it are fetched after it.
"""

from typing import Any

from coldline.events.appending import emit
from coldline.events.batch import InstructionState
from coldline.events.op import Op
from coldline.frontends.unicorn.additions import (
    EVENT,
    FETCH_AT,
    FIRST_AT,
    LAST_AT,
    NUMBER_AT,
    PC_AT,
    REACHED_AT,
    RECORD,
    ROW,
    UNTIL_AT,
    WANTED_AT,
)
from coldline.frontends.unicorn.barriers import append_barriers
from coldline.jit.intrinsics import compiled, int64, load64, store64, uint64
from coldline.mmu.memory import page_index
from coldline.mmu.view import ADDRESS_MASK, NOWHERE, TAG_SHIFT
from coldline.support.units import PAGE_SIZE

_PAGE_BITS = PAGE_SIZE.bit_length() - 1
_ROW, _RECORD, _EVENT = uint64(ROW.size), uint64(RECORD.size), uint64(EVENT.size)
_PC, _NUMBER = uint64(PC_AT), uint64(NUMBER_AT)
_WANTED, _REACHED = uint64(WANTED_AT), uint64(REACHED_AT)
_FIRST, _LAST, _UNTIL = uint64(FIRST_AT), uint64(LAST_AT), uint64(UNTIL_AT)
_FETCH_NUMBER = uint64(FETCH_AT)
_FETCH, _IVAC, _CIVAC = int(Op.FETCH), int(Op.DC_IVAC), int(Op.DC_CIVAC)
_IC_IVAU, _IC_IALLU, _IC_IALLUIS = int(Op.IC_IVAU), int(Op.IC_IALLU), int(Op.IC_IALLUIS)
_UNKNOWN = int(InstructionState.UNKNOWN)


@compiled
def _record(s: Any, row: Any) -> Any:
    return s.addition_records + load64(row + _NUMBER) * _RECORD


@compiled
def _next_cut(s: Any, start: Any, end: Any) -> Any:
    """The first address from `start` on before which an operation is now to be added, or `end`.

    The instructions from `start` to `end` begin in one page.
    """
    if not s.addition_pages >> (start >> uint64(_PAGE_BITS) & uint64(63)) & uint64(1):
        return end
    for index in range(s.additions):
        row = s.addition_rows + uint64(index) * _ROW
        pc = load64(row + _PC)
        if start <= pc and pc < end:
            record = _record(s, row)
            if load64(record + _REACHED) + uint64(1) == load64(record + _WANTED):
                end = pc
    return end


@compiled
def _choose_block(s: Any) -> None:
    """Have added what is for the block whose fetch is the next event."""
    number = s.handed_over + s.count - s.inserted + uint64(1)
    if number < s.next_choice:
        return
    s.next_choice = uint64(NOWHERE)
    for index in range(s.additions):
        record = _record(s, s.addition_rows + uint64(index) * _ROW)
        fetch = load64(record + _FETCH_NUMBER)
        if fetch == number:
            store64(record + _WANTED, load64(record + _REACHED) + uint64(1))
        elif fetch > number:
            s.next_choice = min(s.next_choice, fetch)


@compiled
def append_fetch(s: Any, tagged: int, address: int, size: int) -> None:
    """Append the event of the fetch of a block in RAM: up to the first operation that is to be added in it."""
    if s.additions:
        _choose_block(s)
        s.cut_from, s.cut_tagged = uint64(address), uint64(tagged)
        s.cut_end = uint64(address) + uint64(size)
        size = int64(_next_cut(s, s.cut_from, s.cut_end)) - address
    if size:
        emit(s, tagged & ADDRESS_MASK, size, _FETCH, int64(s.agent_of_tag[tagged >> TAG_SHIFT]), 0)


@compiled
def _append_rest(s: Any, at: Any) -> None:
    """Append the fetch of the rest of the block, up to the next operation that is to be added in it."""
    if at < s.cut_from or at >= s.cut_end:
        return
    tagged = int64(s.cut_tagged) + (int64(at) - int64(s.cut_from))
    if page_index(s, tagged & ADDRESS_MASK) < 0:
        return
    s.at_virtual, s.at_physical = at, uint64(tagged & ADDRESS_MASK)
    size = int64(_next_cut(s, at + uint64(1), s.cut_end)) - int64(at)
    if at != s.cut_from:
        s.inserted += uint64(1)
    emit(s, tagged & ADDRESS_MASK, size, _FETCH, int64(s.agent_of_tag[tagged >> TAG_SHIFT]), 0)


@compiled
def _append_event(s: Any, event: Any) -> None:
    """Append the event of an operation, as `maintain` does for one of the guest's own."""
    op, address = int64(load64(event)), load64(event + uint64(8))
    size = load64(event + uint64(16))
    if op in (_IC_IALLU, _IC_IALLUIS):
        s.stale_low, s.stale_high = uint64(0), uint64(NOWHERE)
    elif op == _IC_IVAU:
        s.stale_low = min(s.stale_low, address)
        s.stale_high = max(s.stale_high, address + size)
    elif op == _IVAC and s.upgrades and s.el == 1:
        op = _CIVAC
    s.sweep = uint64(0)
    s.inserted += uint64(1)
    emit(s, int64(address), int64(size), op, 0, 0)


@compiled
def reach(s: Any, at: Any) -> None:
    """Count that the instruction at virtual address `at` is reached; append the operations that are added there."""
    append_barriers(s, at)
    added = False
    for index in range(s.additions):
        row = s.addition_rows + uint64(index) * _ROW
        if load64(row + _PC) != at:
            continue
        record = _record(s, row)
        until = load64(record + _UNTIL)
        if until and s.handed_over + s.count >= until:
            continue
        reached = load64(record + _REACHED) + uint64(1)
        store64(record + _REACHED, reached)
        if reached == load64(record + _WANTED):
            added = True
            s.at_state = uint64(_UNKNOWN)
            for number in range(load64(record + _FIRST), load64(record + _LAST)):
                _append_event(s, s.addition_events + uint64(number) * _EVENT)
            s.at_state = s.instruction_set
    if added:
        _append_rest(s, at)
