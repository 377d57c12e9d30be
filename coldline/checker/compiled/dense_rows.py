# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of dense pages: finds them, makes them and prefetches them; compiled."""

from typing import Any

from coldline.checker.compiled import frame
from coldline.checker.compiled.lines import NO_LETTER
from coldline.checker.compiled.marks import mark_if_unsettled
from coldline.checker.compiled.pages import through
from coldline.checker.compiled.values import OWN, owned_at, set_pair, value_of
from coldline.checker.state import partitions
from coldline.checker.state.dense_chunks import CHUNK
from coldline.checker.state.memory import LEAF_BITS
from coldline.events.layout import EVENT_SIZE
from coldline.jit.intrinsics import compiled, load16, load32, load64, prefetch, store32, store64, uint64
from coldline.support.hashing import GOLDEN
from coldline.support.units import PAGE_SIZE

_0, _1, _2, _3, _4, _8, _12 = (uint64(number) for number in (0, 1, 2, 3, 4, 8, 12))
_INTERPRET, _GROW = (uint64(status) for status in (frame.INTERPRET, frame.GROW))
_GOLDEN = uint64(GOLDEN)
_CHUNK = uint64(CHUNK)
_CHUNK_BITS = uint64(CHUNK.bit_length() - 1)
_LEAF_BITS = uint64(LEAF_BITS)
_LEAF_MASK = uint64((1 << LEAF_BITS) - 1)
_CACHED = uint64(frame.CACHED_PAGES - 1)
_AHEAD = uint64(frame.EVENTS_AHEAD - 1)
_EVENT = uint64(EVENT_SIZE)
_BLOCKS = uint64(8 * partitions.BLOCKS)
_PAGES_A_BLOCK = uint64(frame.PAGES_A_BLOCK)
_OFFSET = uint64(PAGE_SIZE - 1)
_LINES_AHEAD = uint64(frame.LINES_AHEAD)
_RECORDS_AHEAD = uint64(frame.RECORDS_AHEAD)
NO_ROW = uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def _range_of(f: Any, page: int) -> int:
    """The number of the range that contains a page."""
    low, high = _0, f.ranges
    while high - low > _1:
        middle = (low + high) >> _1
        if load64(f.range_starts + (middle << _3)) <= page:
            low = middle
        else:
            high = middle
    return low


@compiled
def _make_chunk(f: Any, chunk: int) -> int:
    """Make a chunk of pages dense; return its first row."""
    row = f.used_rows
    store64(f.chunk_of + (row >> _CHUNK_BITS << _3), chunk)
    for each in range(CHUNK):
        page = (chunk << _CHUNK_BITS) + uint64(each)
        known = f.range_values + (_range_of(f, page) << uint64(4))
        store64(f.pages + ((row + uint64(each)) << _3), load64(known))
        state = load64(known + _8)
        first = (row + uint64(each)) * f.per_page
        for pair in range(f.per_page >> _1):
            set_pair(f, first + (uint64(pair) << _1), state | state << _12)
        if f.orders:
            mark_if_unsettled(f, row + uint64(each), state)
    f.used_rows += _CHUNK
    return row


@compiled
def _leaf_of(f: Any, key: int) -> int:
    """The address of the directory's entry for a leaf, or of the free entry where it belongs."""
    bits = f.directory_bits
    slot = (key * _GOLDEN) >> (uint64(64) - bits)
    while True:
        at = f.directory + (slot << uint64(4))
        known = load64(at)
        if known == key + _1 or known == _0:
            return at
        slot = (slot + _1) & ((_1 << bits) - _1)


@compiled
def _known_row(f: Any, page: int) -> int:
    """The row of a dense page, else `NO_ROW`."""
    chunk = page >> _CHUNK_BITS
    entry = _leaf_of(f, chunk >> _LEAF_BITS)
    if load64(entry) == _0:
        return NO_ROW
    at = f.leaves + (((load64(entry + _8) << _LEAF_BITS) + (chunk & _LEAF_MASK)) << _2)
    known = uint64(load32(at))
    return ((known - _1) << _CHUNK_BITS) + (page & (_CHUNK - _1)) if known else NO_ROW


@compiled
def _new_row(f: Any, page: int) -> int:
    """Make a page dense and return its row; `NO_ROW` as for `dense_row_of`."""
    chunk = page >> _CHUNK_BITS
    entry = _leaf_of(f, chunk >> _LEAF_BITS)
    if load64(entry) == _0:
        if _4 * (f.leaves_used + _1) > _1 << f.directory_bits:
            f.status = _GROW
            return NO_ROW
        store64(entry, (chunk >> _LEAF_BITS) + _1)
        store64(entry + _8, f.leaves_used)
        f.leaves_used += _1
    if f.told:
        f.status = _INTERPRET
        return NO_ROW
    if f.used_rows == f.most_rows:
        f.status = _GROW
        return NO_ROW
    row = _make_chunk(f, chunk)
    at = f.leaves + (((load64(entry + _8) << _LEAF_BITS) + (chunk & _LEAF_MASK)) << _2)
    store32(at, (row >> _CHUNK_BITS) + _1)
    return row + (page & (_CHUNK - _1))


@compiled
def dense_row_of(f: Any, page: int) -> int:
    """Return the row of a page, after making the page dense and applying its deferred letters.

    Return `NO_ROW` if something must be done first: `f.status` says what.
    """
    cached = f.cached + ((page & _CACHED) << _4)
    if load64(cached) == page:
        return load64(cached + _8)
    f.missed += _1
    ahead = f.ahead + ((f.at & _AHEAD) << _4)
    row = load64(ahead + _8) if load64(ahead) == page else NO_ROW
    if row == NO_ROW:
        row = _known_row(f, page)
        if row == NO_ROW:
            row = _new_row(f, page)
            if row == NO_ROW:
                return NO_ROW
    if load16(f.pages + (row << _3) + _2):
        done = f.done
        f.done = _0
        settled = through(f, row, NO_LETTER, False)
        f.done = done
        if not settled:
            return NO_ROW
    store64(cached, page)
    store64(cached + _8, row)
    return row


@compiled
def look_ahead(f: Any, at: int) -> None:
    """Prefetch what events after number `at` will look up: first lines, and later the lines' own records, if many
    have one; the shared records are in the cache anyway.

    Prefetches overlap in memory's latency. They are issued for one event at a time, as a processor drops prefetches
    that come too fast.
    """
    number = at + _LINES_AHEAD
    if number < f.events:
        start = load64(f.rows + number * _EVENT)
        page = start >> _12
        row = _known_row(f, page)
        ahead = f.ahead + ((number & _AHEAD) << _4)
        store64(ahead, page)
        store64(ahead + _8, row)
        if row != NO_ROW:
            line = row * f.per_page + ((start & _OFFSET) >> f.line_bits)
            prefetch(f.values + line + (line >> _1))
            prefetch(f.pages + (row << _3))
    number = at + _RECORDS_AHEAD
    if number < f.events and load64(f.pool + _BLOCKS) * _PAGES_A_BLOCK > f.used_rows:
        start = load64(f.rows + number * _EVENT)
        ahead = f.ahead + ((number & _AHEAD) << _4)
        row = load64(ahead + _8)
        if load64(ahead) == start >> _12 and row != NO_ROW:
            index = (start & _OFFSET) >> f.line_bits
            if value_of(f, row * f.per_page + index) == OWN:
                prefetch(owned_at(f, row, index) + _8)


@compiled
def forget_cached_page(f: Any, page: int) -> None:
    """Drop a page from the table of last used pages, as letters were deferred for it."""
    cached = f.cached + ((page & _CACHED) << uint64(4))
    if load64(cached) == page:
        store64(cached, NO_ROW)
