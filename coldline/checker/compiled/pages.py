# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies a letter to all lines of a page, and notes their hazards; compiled."""

from typing import Any

from coldline.checker.compiled import frame
from coldline.checker.compiled.lines import advance, flags_of_bad, forget_bad, is_quiet, note
from coldline.checker.compiled.marks import mark_by_record, mark_by_scratch, mark_if_unsettled, row_lacks
from coldline.checker.compiled.records import crowded, put, share
from coldline.checker.compiled.values import KNOWN, OWN, look_up_eight, node_at, owned_at, set_value, value_of
from coldline.checker.state import partitions
from coldline.checker.state.dense_chunks import CHUNK
from coldline.checker.state.memory import FETCH_BITS
from coldline.jit.intrinsics import (
    compiled,
    load8,
    load16,
    load32,
    load64,
    store8,
    store16,
    store32,
    store64,
    uint64,
)
from coldline.support.units import PAGE_SIZE

_0, _1, _2, _3, _7, _8, _16, _32 = (uint64(number) for number in (0, 1, 2, 3, 7, 8, 16, 32))
_CROWDED, _FULL = (uint64(status) for status in (frame.CROWDED, frame.FULL))
_SHARED = uint64(8 * partitions.SHARED)
_PAGE_BITS = uint64(PAGE_SIZE.bit_length() - 1)
_CHUNK = uint64(CHUNK)
_CHUNK_BITS = uint64(CHUNK.bit_length() - 1)
_FOUND = uint64(frame.FOUND)
_FOUND_BYTES = uint64(frame.FOUND_DTYPE.itemsize)
_FETCHED = uint64(FETCH_BITS)


@compiled
def page_of(f: Any, row: int) -> int:
    """The page of a row."""
    chunk = load64(f.chunk_of + (row >> _CHUNK_BITS << _3))
    return (chunk << _CHUNK_BITS) + (row & (_CHUNK - _1))


@compiled
def count_known(f: Any, line: int, flags: int, is_fetch: bool) -> bool:
    """Count a hazard of line number `line` if it need not be noted again; return False if it has to be noted."""
    bits = flags << _FETCHED if is_fetch else flags
    if f.distinct == _0 or f.asking or bits & ~uint64(load8(f.reported + line)):
        return False
    f.counted += _1
    return True


@compiled
def note_hazard(f: Any, line: int, address: int, flags: int, is_fetch: bool) -> bool:
    """Note a hazard of line number `line`, with the bytes from the frame; return False if there is no room."""
    bits = flags << _FETCHED if is_fetch else flags
    known = uint64(load8(f.reported + line))
    if not f.distinct or f.asking or bits & ~known:
        extends = False
        last = f.found + (f.founds - _1) * _FOUND_BYTES
        bad = f.stale_low | f.stale_high << _16 | f.lost_low << _32 | f.lost_high << uint64(48)
        leak = f.leak_low | f.leak_high << _32
        same = load64(last + uint64(24)) == bad and load64(last + uint64(32)) == leak
        if f.founds and load64(last) == f.at and same:
            extends = load64(last + _8) + (load64(last + _16) << f.line_bits) == address
        if extends:
            store64(last + _16, load64(last + _16) + _1)
        else:
            if f.founds == _FOUND:
                return False
            new = f.found + f.founds * _FOUND_BYTES
            store64(new, f.at)
            store64(new + _8, address)
            store64(new + _16, _1)
            store64(new + uint64(24), bad)
            store64(new + uint64(32), leak)
            f.founds += _1
        if not f.asking:
            store8(f.reported + line, known | bits)
    f.counted += _1
    return True


@compiled
def _remember(f: Any, transformer: int, letter: int) -> None:
    """Clear the memo, unless it is for this transformer and letter; it maps lines' values to their new values."""
    key = transformer << _8 | letter | _1 << _32
    if f.memo_of == key:
        return
    f.memo_of = key
    for value in range(f.memo_end):
        store32(f.memo + (uint64(value) << _2), _0)
    f.memo_end = load64(f.pool + _SHARED)


@compiled
def _through_parts(f: Any, row: int, index: int, value: int, transformer: int, letter: int) -> None:
    """Apply `transformer` and then `letter` to a whole line whose bytes differ; hazards are noted in the frame."""
    record = owned_at(f, row, index) if value == OWN else node_at(f, value)
    if f.orders and transformer == _0 and is_quiet(f, record, letter):
        mark_by_record(f, row, record)
        return
    count = advance(f, record, transformer, letter, _0, _1 << f.line_bits)
    if f.asking:
        return
    if f.orders:
        mark_by_scratch(f, row, count)
    shared = OWN
    if value != OWN and count != _1:
        shared = share(f, count, True)
    if shared == OWN:
        put(f, row, index, value, count)
    else:
        set_value(f, row * f.per_page + index, shared)


@compiled
def through_known(f: Any, row: int, letter: int) -> int:
    """Apply the deferred letters, and then `letter`, to the lines of a row, up to the first one without a memo.

    Nothing in the frame is changed, so that several threads may do this at once, each with other rows. Return the
    number of the first line that is left; the number of lines in a page if none is.
    """
    transformer = uint64(load16(f.pages + (row << _3) + _2))
    if f.memo_of != transformer << _8 | letter | _1 << _32:
        return _0
    first, index = row * f.per_page, _0
    while index + _8 <= f.per_page:
        if not look_up_eight(f, first + index, f.memo, True):
            return index
        index += _8
    while index < f.per_page:
        known = uint64(load32(f.memo + (value_of(f, first + index) << _2)))
        if known == _0:
            return index
        set_value(f, first + index, known & OWN)
        index += _1
    store16(f.pages + (row << _3) + _2, _0)
    return index


@compiled
def through(f: Any, row: int, letter: int, is_fetch: bool) -> bool:
    """Apply the deferred letters, and then `letter`, to all lines of a row, from line `f.done` on.

    Return False if it stopped on the way: `f.status` says why, `f.done` where. Without a letter it can stop only
    before the first line. A transition that has not been worked out stops it before its next line.
    """
    if crowded(f):
        f.status = _CROWDED
        return False
    transformer = uint64(load16(f.pages + (row << _3) + _2))
    if f.orders and row_lacks(f, row, transformer, letter):
        return False
    _remember(f, transformer, letter)
    states, per_page, asking, memo = f.states, f.per_page, f.asking, f.memo
    remembers = f.orders == _0
    first = row * per_page
    index = f.done
    while index < per_page:
        eight = remembers and index & _7 == _0 and index + _8 <= per_page
        if eight and look_up_eight(f, first + index, memo, not asking):
            index += _8
            continue
        value = value_of(f, first + index)
        known = uint64(load32(memo + (value << _2)))
        if known and remembers:
            if not asking:
                set_value(f, first + index, known & OWN)
            index += _1
            continue
        if f.founds == _FOUND:
            f.status, f.done = _FULL, index
            return False
        forget_bad(f)
        if value < states:
            before = uint64(load16(f.transformers + ((transformer * states + value) << _1)))
            flags = uint64(load8(f.bad + letter * states + before))
            if flags:
                note(f, flags, _0, _1 << f.line_bits)
            if not asking:
                now = uint64(load16(f.step + ((letter * states + before) << _1)))
                set_value(f, first + index, now)
                if not remembers:
                    mark_if_unsettled(f, row, now)
        else:
            _through_parts(f, row, index, value, transformer, letter)
            flags = flags_of_bad(f)
        if flags:
            note_hazard(
                f,
                first + index,
                (page_of(f, row) << _PAGE_BITS) + (index << f.line_bits),
                flags,
                is_fetch,
            )
        elif remembers and value < f.memo_end and not asking:
            after = value_of(f, first + index)
            if after != OWN:
                store32(memo + (value << _2), after | KNOWN)
        index += _1
    if not asking:
        store16(f.pages + (row << _3) + _2, _0)
    f.done = _0
    return True
