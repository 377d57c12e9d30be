# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of dense pages: finding them, making them, and what befalls all lines of one; compiled."""

from typing import Any

from coldline.coherence import mixtures
from coldline.coherence.compiled import frame, lines
from coldline.coherence.compiled.lines import NO_LETTER, OWN, advance, free, put, share
from coldline.coherence.follow import FETCH_BITS
from coldline.coherence.memory import CHUNK
from coldline.native import (
    compiled,
    int64,
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

_0, _1, _2, _3, _8, _12, _16, _32 = (uint64(number) for number in (0, 1, 2, 3, 8, 12, 16, 32))
_CHUNK = uint64(CHUNK)
_CHUNK_BITS = uint64(CHUNK.bit_length() - 1)
_CACHED = uint64(frame.CACHED_PAGES - 1)
_MEMO = uint64(frame.MEMO - 1)
_FOUND, _FOUND_BYTES = uint64(frame.FOUND), uint64(frame.FOUND_DTYPE.itemsize)
_THINK, _CROWDED, _FULL, _GROW = (
    uint64(status) for status in (frame.THINK, frame.CROWDED, frame.FULL, frame.GROW)
)
_LIVE, _LIMIT = uint64(8 * mixtures.LIVE), uint64(8 * mixtures.LIMIT)
_QUIET = uint64(8 * mixtures.QUIET)
_FIRST_OWN, _FRESH = uint64(mixtures.FIRST_OWN), uint64(8 * mixtures.FRESH)
_FETCHED = uint64(FETCH_BITS)
_GOLDEN = uint64(0x9E3779B97F4A7C15)
NOWHERE = uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def crowded(f: Any) -> bool:
    """Whether there are as many records of lines' own as there should be."""
    return load64(f.pool + _LIVE) >= load64(f.pool + _LIMIT)


@compiled
def report(f: Any, line: int, address: int, flags: int, is_fetch: bool) -> bool:
    """Note that line number `line` may be read wrongly, as the frame says; False where there is no room."""
    bits = flags << _FETCHED if is_fetch else flags
    known = uint64(load8(f.reported + line))
    if not f.distinct or f.asking or bits & ~known:
        extends = False
        last = f.found + (f.founds - _1) * _FOUND_BYTES
        bad = f.stale_low | f.stale_high << _16 | f.lost_low << _32 | f.lost_high << uint64(48)
        if f.founds and load64(last) == f.at and load64(last + uint64(24)) == bad:
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
            f.founds += _1
        if not f.asking:
            store8(f.reported + line, known | bits)
    f.counted += _1
    return True


@compiled
def forget_bad(f: Any) -> None:
    """Nothing of a line has been found wrong yet."""
    f.stale_low = f.stale_high = f.lost_low = f.lost_high = _0


@compiled
def flags_of_bad(f: Any) -> int:
    """`Hazard` flags of what has been found wrong with a line."""
    flags = _0
    if f.stale_high:
        flags |= lines._STALE
    if f.lost_high:
        flags |= lines._LOST
    return flags


@compiled
def _mixed(f: Any, line: int, value: int, word: int, letter: int) -> None:
    """`letter` after `word` befalls all of a line that is a mixture; what is wrong is left in the frame."""
    memo = f.memo + (((value ^ word << _8 ^ letter << uint64(5)) & _MEMO) << _3)
    key = value << uint64(48) | word << _32 | letter << _16
    forget_bad(f)
    if value != OWN and not f.asking:
        known = load64(memo)
        if known & ~uint64(0xFFFF) == key and known & uint64(0xFFFF):
            store16(f.values + (line << _1), known - _1)
            return
    node = uint64(load32(f.own + (line << _2))) if value == OWN else value
    count = advance(f, node, word, letter, _0, _1 << f.line_bits)
    if f.asking:
        return
    if value == OWN or count == _1:
        put(f, line, value, count)
    else:
        shared = share(f, count)
        if shared == OWN:
            put(f, line, value, count)
            return
        store16(f.values + (line << _1), shared)
    if value != OWN and not f.stale_high and not f.lost_high:
        store64(memo, key | uint64(load16(f.values + (line << _1))) + _1)


@compiled
def through(f: Any, row: int, letter: int, is_fetch: bool) -> bool:
    """Let what was put off, and then `letter`, befall all lines of a row, from line `f.done` on.

    False where it stopped on the way: `f.status` says why, `f.done` where. Where there is no letter, it stops
    before the first line or not at all.
    """
    if crowded(f):
        f.status = _CROWDED
        return False
    word = uint64(load16(f.put_off + (row << _1)))
    states, per_page = f.states, f.per_page
    word_row = f.words + (word * states << _1)
    step_row = f.step + (letter * states << _1)
    bad_row = f.bad + letter * states
    first = row * per_page
    page = load64(f.page_of + (row << _3)) << _12
    whole = _1 << f.line_bits
    asking = f.asking
    for index in range(f.done, per_page):
        line = first + uint64(index)
        at = f.values + (line << _1)
        value = uint64(load16(at))
        if value < states:
            before = uint64(load16(word_row + (value << _1)))
            flags = uint64(load8(bad_row + before))
            if flags:
                forget_bad(f)
                lines.note(f, flags, _0, whole)
                if not report(f, line, page + (uint64(index) << f.line_bits), flags, is_fetch):
                    f.status, f.done = _FULL, uint64(index)
                    return False
            if not asking:
                store16(at, uint64(load16(step_row + (before << _1))))
        else:
            if f.founds == _FOUND:
                f.status, f.done = _FULL, uint64(index)
                return False
            _mixed(f, line, value, word, letter)
            flags = flags_of_bad(f)
            if flags:
                report(f, line, page + (uint64(index) << f.line_bits), flags, is_fetch)
    if not asking:
        store16(f.put_off + (row << _1), _0)
    f.done = _0
    return True


@compiled
def _range_of(f: Any, page: int) -> int:
    """The number of the range that a page is in."""
    low, high = _0, f.ranges
    while high - low > _1:
        middle = (low + high) >> _1
        if load64(f.range_starts + (middle << _3)) <= page:
            low = middle
        else:
            high = middle
    return low


@compiled
def _make_chunk(f: Any, chunk: int, slot: int) -> int:
    """Make a chunk of pages dense; its first row."""
    row = f.used_rows
    for each in range(CHUNK):
        page = (chunk << _CHUNK_BITS) + uint64(each)
        known = f.range_values + (_range_of(f, page) << uint64(4))
        store64(f.page_of + ((row + uint64(each)) << _3), page)
        store32(f.classes + ((row + uint64(each)) << _2), load64(known))
        state = load64(known + _8)
        at = f.values + ((row + uint64(each)) * f.per_page << _1)
        for index in range(f.per_page):
            store16(at + (uint64(index) << _1), state)
    store64(f.index + (slot << uint64(4)), chunk + _1)
    store64(f.index + (slot << uint64(4)) + _8, row)
    f.used_rows += _CHUNK
    return row


@compiled
def row_of(f: Any, page: int) -> int:
    """The row of a page, which is made dense where it is not, with nothing put off any more.

    `NOWHERE` where that must wait: `f.status` says for what.
    """
    cached = f.cached + ((page & _CACHED) << uint64(4))
    if load64(cached) == page:
        return load64(cached + _8)
    chunk = page >> _CHUNK_BITS
    slot = ((chunk * _GOLDEN) >> _32) & f.index_mask
    while True:
        known = load64(f.index + (slot << uint64(4)))
        if known == chunk + _1 or known == _0:
            break
        slot = (slot + _1) & f.index_mask
    if known == _0:
        if f.told:
            f.status = _THINK
            return NOWHERE
        if _2 * ((f.used_rows >> _CHUNK_BITS) + _1) > f.index_mask + _1:
            f.status = _GROW
            return NOWHERE
        row = _make_chunk(f, chunk, slot)
    else:
        row = load64(f.index + (slot << uint64(4)) + _8)
    row += page & (_CHUNK - _1)
    if load16(f.put_off + (row << _1)):
        done = f.done
        f.done = _0
        settled = through(f, row, NO_LETTER, False)
        f.done = done
        if not settled:
            return NOWHERE
    store64(cached, page)
    store64(cached + _8, row)
    return row


@compiled
def forget_page(f: Any, page: int) -> None:
    """Something was put off for a page: look again before its lines are next touched."""
    cached = f.cached + ((page & _CACHED) << uint64(4))
    if load64(cached) == page:
        store64(cached, NOWHERE)


@compiled
def join_equals(f: Any) -> None:
    """Make equal records of lines' own one shared record, as far as there are numbers."""
    for number in range(_FIRST_OWN, load64(f.pool + _FRESH)):
        node = uint64(number)
        owner = load64(lines.node_at(f, node) + _QUIET) >> _32
        if owner:
            count = advance(f, node, _0, NO_LETTER, _0, _1 << f.line_bits)
            shared = share(f, count)
            if shared == OWN:
                return
            store16(f.values + ((owner - _1) << _1), shared)
            free(f, node)
