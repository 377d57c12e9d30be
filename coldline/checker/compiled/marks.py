# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks the pages whose lines a barrier may change, and finds transitions that are not worked out; compiled.

See `coldline.checker.state.marks` and `coldline.checker.state.learned_tables`.
"""

from typing import Any

from coldline.checker.compiled import frame
from coldline.checker.compiled.values import OWN, node_at, owned_at, value_of
from coldline.checker.state import partitions
from coldline.checker.state.marks import MARKS
from coldline.checker.state.transitions import UNKNOWN
from coldline.jit.intrinsics import (
    compiled,
    load8,
    load16,
    load32,
    load64,
    store8,
    store32,
    store64,
    uint64,
)

_0, _1, _2, _16, _32 = (uint64(number) for number in (0, 1, 2, 16, 32))
_NEXT, _STATES = (uint64(8 * word) for word in (partitions.NEXT, partitions.STATES))
_LOW, _STATE = uint64(0xFFFFFFFF), uint64(0xFFFF)
_UNKNOWN = uint64(UNKNOWN)
_LEARN = uint64(frame.LEARN)


@compiled
def mark_row(f: Any, row: int, barriers: int) -> None:
    """Mark a page as one that some barriers may change."""
    before = uint64(load8(f.marked + row))
    new = barriers & ~before
    if not new:
        return
    store8(f.marked + row, before | new)
    if not before:
        count = load64(f.mark_count)
        store32(f.marks + (count << _2), row)
        store64(f.mark_count, count + _1)
    for number in range(MARKS):
        count_at = f.mark_count + uint64(8 * (number + 1))
        store64(count_at, load64(count_at) + (new >> uint64(number) & _1))


@compiled
def take_marked(f: Any, number: int) -> None:
    """Take the rows that barrier `number` may change, and clear their marks: see `Marks.take`."""
    kept, taken = _0, _0
    for each in range(load64(f.mark_count)):
        row = uint64(load32(f.marks + (uint64(each) << _2)))
        mark = uint64(load8(f.marked + row))
        if mark >> number & _1 == _0:
            store32(f.marks + (kept << _2), row)
            kept += _1
            continue
        store32(f.taken_rows + (taken << _2), row)
        taken += _1
        store8(f.marked + row, _0)
        for bit in range(MARKS):
            count_at = f.mark_count + uint64(8 * (bit + 1))
            store64(count_at, load64(count_at) - (mark >> uint64(bit) & _1))
    store64(f.mark_count, kept)
    f.barrier_rows, f.barrier_row_at = taken, _0


@compiled
def mark_if_unsettled(f: Any, row: int, state: int) -> None:
    """Mark a page that has bytes in `state`, which barriers may change."""
    mark_row(f, row, uint64(load8(f.unsettled + state)))


@compiled
def mark_by_scratch(f: Any, row: int, count: int) -> None:
    """Mark a page that has a line with the parts of scratch, if a barrier changes it."""
    for part in range(count):
        mark_if_unsettled(f, row, uint64(load16(f.scratch_states + (uint64(part) << _1))))


@compiled
def mark_by_record(f: Any, row: int, at: int) -> None:
    """Mark a page that has a line with the record at `at`, if a barrier changes it."""
    while True:
        head, states = load64(at + _NEXT), load64(at + _STATES)
        for _ in range(head & _LOW):
            mark_if_unsettled(f, row, states & _STATE)
            states >>= _16
        if head >> _32 == _0:
            return
        at = node_at(f, head >> _32)


@compiled
def scratch_lacks(f: Any, count: int) -> bool:
    """Whether a transition that led to scratch has not been worked out."""
    found = False
    for part in range(count):
        found |= uint64(load16(f.scratch_states + (uint64(part) << _1))) == _UNKNOWN
    return found


@compiled
def lacks(f: Any, row: int, index: int, letter: int) -> bool:
    """Say in the frame which transition of a line has to be worked out; always true, for callers to return."""
    f.status = _LEARN
    f.learn_row, f.learn_index, f.learn_letter = row, index, letter
    return True


@compiled
def _is_known(f: Any, state: int, transformer: int, letter: int) -> bool:
    before = uint64(load16(f.transformers + ((transformer * f.states + state) << _1)))
    if before == _UNKNOWN:
        return False
    return uint64(load16(f.step + ((letter * f.states + before) << _1))) != _UNKNOWN


@compiled
def row_lacks(f: Any, row: int, transformer: int, letter: int) -> bool:
    """Whether a transition of any line of a page has to be worked out, which the frame then says."""
    for each in range(f.per_page):
        index = uint64(each)
        value = value_of(f, row * f.per_page + index)
        if value < f.states:
            if not _is_known(f, value, transformer, letter):
                return lacks(f, row, index, letter)
            continue
        at = owned_at(f, row, index) if value == OWN else node_at(f, value)
        while True:
            head = load64(at + _NEXT)
            states = load64(at + _STATES)
            for _ in range(head & _LOW):
                if not _is_known(f, states & _STATE, transformer, letter):
                    return lacks(f, row, index, letter)
                states >>= _16
            if head >> _32 == _0:
                break
            at = node_at(f, head >> _32)
    return False
