# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of dense pages: finding them, making them, and what befalls all lines of one; compiled."""

from typing import Any

from coldline.coherence import mixtures
from coldline.coherence.compiled import frame, lines
from coldline.coherence.compiled.lines import (
    NO_LETTER,
    OWN,
    advance,
    pair_of,
    put,
    set_pair,
    set_value,
    share,
    value_of,
)
from coldline.coherence.follow import FETCH_BITS
from coldline.coherence.memory import CHUNK, LEAF_BITS
from coldline.coherence.reserve import GOLDEN
from coldline.native import (
    compiled,
    load8,
    load16,
    load32,
    load64,
    prefetch,
    store8,
    store16,
    store32,
    store64,
    uint64,
)

_0, _1, _2, _3, _4, _8, _12, _16, _32 = (uint64(number) for number in (0, 1, 2, 3, 4, 8, 12, 16, 32))
_CHUNK = uint64(CHUNK)
_CHUNK_BITS = uint64(CHUNK.bit_length() - 1)
_LEAF_BITS, _LEAF_MASK = uint64(LEAF_BITS), uint64((1 << LEAF_BITS) - 1)
_CACHED, _AHEAD = uint64(frame.CACHED_PAGES - 1), uint64(frame.EVENTS_AHEAD - 1)
_SHARED = uint64(8 * mixtures.SHARED)
_FOUND, _FOUND_BYTES = uint64(frame.FOUND), uint64(frame.FOUND_DTYPE.itemsize)
_THINK, _CROWDED, _FULL, _GROW = (
    uint64(status) for status in (frame.THINK, frame.CROWDED, frame.FULL, frame.GROW)
)
_BLOCKS, _CROWD = uint64(8 * mixtures.BLOCKS), uint64(8 * mixtures.CROWD)
_FRESH, _FRESH_BLOCK = uint64(8 * mixtures.FRESH), uint64(8 * mixtures.FRESH_BLOCK)
_FETCHED = uint64(FETCH_BITS)
_GOLDEN = uint64(GOLDEN)
_EVENT, _OFFSET = uint64(24), uint64(4095)
_LINES_AHEAD, _RECORDS_AHEAD = uint64(frame.LINES_AHEAD), uint64(frame.RECORDS_AHEAD)
NOWHERE = uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def crowded(f: Any) -> bool:
    """Whether there are as many records of lines' own as there should be, or as many nodes as there may be."""
    return load64(f.pool + _BLOCKS) >= load64(f.pool + _CROWD) or load64(f.pool + _FRESH) >= f.last_node


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
def _remember(f: Any, word: int, letter: int) -> None:
    """Make the memo one of what `letter` after `word` makes of lines."""
    key = word << _8 | letter | _1 << _32
    if f.memo_of == key:
        return
    f.memo_of = key
    for value in range(f.memo_end):
        store32(f.memo + (uint64(value) << _2), _0)
    f.memo_end = load64(f.pool + _SHARED)


@compiled
def _mixed(f: Any, row: int, index: int, value: int, word: int, letter: int) -> None:
    """`letter` after `word` befalls all of a line that is a mixture; what is wrong is left in the frame."""
    record = lines.owned_at(f, row, index) if value == OWN else lines.node_at(f, value)
    count = advance(f, record, word, letter, _0, _1 << f.line_bits)
    if f.asking:
        return
    shared = OWN
    if value != OWN and count != _1:
        shared = share(f, count, True)
    if shared == OWN:
        put(f, row, index, value, count)
    else:
        set_value(f, row * f.per_page + index, shared)


@compiled
def through(f: Any, row: int, letter: int, is_fetch: bool) -> bool:
    """Let what was put off, and then `letter`, befall all lines of a row, from line `f.done` on.

    False where it stopped on the way: `f.status` says why, `f.done` where. Where there is no letter, it stops
    before the first line or not at all.
    """
    if crowded(f):
        f.status = _CROWDED
        return False
    word = uint64(load16(f.pages + (row << _3) + _2))
    _remember(f, word, letter)
    states, per_page, asking, memo = f.states, f.per_page, f.asking, f.memo
    first = row * per_page
    index = f.done
    while index < per_page:
        if index & _1 == _0:
            both = pair_of(f, first + index)
            known = uint64(load32(memo + ((both & OWN) << _2)))
            other = uint64(load32(memo + (both >> _12 << _2)))
            if known and other:
                if not asking:
                    set_pair(f, first + index, known & OWN | (other & OWN) << _12)
                index += _2
                continue
        value = value_of(f, first + index)
        known = uint64(load32(memo + (value << _2)))
        if known:
            if not asking:
                set_value(f, first + index, known & OWN)
            index += _1
            continue
        if f.founds == _FOUND:
            f.status, f.done = _FULL, index
            return False
        forget_bad(f)
        if value < states:
            before = uint64(load16(f.words + ((word * states + value) << _1)))
            flags = uint64(load8(f.bad + letter * states + before))
            if flags:
                lines.note(f, flags, _0, _1 << f.line_bits)
            if not asking:
                set_value(f, first + index, uint64(load16(f.step + ((letter * states + before) << _1))))
        else:
            _mixed(f, row, index, value, word, letter)
            flags = flags_of_bad(f)
        if flags:
            report(
                f,
                first + index,
                (page_of(f, row) << _12) + (index << f.line_bits),
                flags,
                is_fetch,
            )
        elif value < f.memo_end and not asking:
            after = value_of(f, first + index)
            if after != OWN:
                store32(memo + (value << _2), after | _1 << _16)
        index += _1
    if not asking:
        store16(f.pages + (row << _3) + _2, _0)
    f.done = _0
    return True


@compiled
def page_of(f: Any, row: int) -> int:
    """Which page a row is."""
    chunk = load64(f.chunk_of + (row >> _CHUNK_BITS << _3))
    return (chunk << _CHUNK_BITS) + (row & (_CHUNK - _1))


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
def _make_chunk(f: Any, chunk: int) -> int:
    """Make a chunk of pages dense; its first row."""
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
    f.used_rows += _CHUNK
    return row


@compiled
def _leaf_of(f: Any, key: int) -> int:
    """The address of the directory's entry for a leaf, or of where it would be."""
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
    """The row of a dense page, else `NOWHERE`."""
    chunk = page >> _CHUNK_BITS
    entry = _leaf_of(f, chunk >> _LEAF_BITS)
    if load64(entry) == _0:
        return NOWHERE
    at = f.leaves + (((load64(entry + _8) << _LEAF_BITS) + (chunk & _LEAF_MASK)) << _2)
    known = uint64(load32(at))
    return ((known - _1) << _CHUNK_BITS) + (page & (_CHUNK - _1)) if known else NOWHERE


@compiled
def _new_row(f: Any, page: int) -> int:
    """The row of a page that is made dense now, or `NOWHERE` as `row_of`."""
    chunk = page >> _CHUNK_BITS
    entry = _leaf_of(f, chunk >> _LEAF_BITS)
    if load64(entry) == _0:
        if _4 * (f.leaves_used + _1) > _1 << f.directory_bits:
            f.status = _GROW
            return NOWHERE
        store64(entry, (chunk >> _LEAF_BITS) + _1)
        store64(entry + _8, f.leaves_used)
        f.leaves_used += _1
    if f.told:
        f.status = _THINK
        return NOWHERE
    if f.used_rows == f.most_rows:
        f.status = _GROW
        return NOWHERE
    row = _make_chunk(f, chunk)
    at = f.leaves + (((load64(entry + _8) << _LEAF_BITS) + (chunk & _LEAF_MASK)) << _2)
    store32(at, (row >> _CHUNK_BITS) + _1)
    return row + (page & (_CHUNK - _1))


@compiled
def row_of(f: Any, page: int) -> int:
    """The row of a page, which is made dense where it is not, with nothing put off any more.

    `NOWHERE` where that must wait: `f.status` says for what.
    """
    cached = f.cached + ((page & _CACHED) << _4)
    if load64(cached) == page:
        return load64(cached + _8)
    f.missed += _1
    ahead = f.ahead + ((f.at & _AHEAD) << _4)
    row = load64(ahead + _8) if load64(ahead) == page else NOWHERE
    if row == NOWHERE:
        row = _known_row(f, page)
        if row == NOWHERE:
            row = _new_row(f, page)
            if row == NOWHERE:
                return NOWHERE
    if load16(f.pages + (row << _3) + _2):
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
def look_ahead(f: Any, at: int) -> None:
    """Ask for what events after number `at` will look up: first for lines, and later for their records.

    Memory takes its time, and can be waited for many times at once. It is asked one event at a time, as it forgets
    what it is asked for too often.
    """
    number = at + _LINES_AHEAD
    if number < f.events:
        start = load64(f.rows + number * _EVENT)
        page = start >> _12
        row = _known_row(f, page)
        ahead = f.ahead + ((number & _AHEAD) << _4)
        store64(ahead, page)
        store64(ahead + _8, row)
        if row != NOWHERE:
            line = row * f.per_page + ((start & _OFFSET) >> f.line_bits)
            prefetch(f.values + line + (line >> _1))
            prefetch(f.pages + (row << _3))
    number = at + _RECORDS_AHEAD
    if number < f.events:
        start = load64(f.rows + number * _EVENT)
        ahead = f.ahead + ((number & _AHEAD) << _4)
        row = load64(ahead + _8)
        if load64(ahead) == start >> _12 and row != NOWHERE:
            index = (start & _OFFSET) >> f.line_bits
            value = value_of(f, row * f.per_page + index)
            if value == OWN:
                prefetch(lines.owned_at(f, row, index) + _8)
            elif value >= f.states:
                prefetch(lines.node_at(f, value) + _8)


@compiled
def forget_page(f: Any, page: int) -> None:
    """Something was put off for a page: look again before its lines are next touched."""
    cached = f.cached + ((page & _CACHED) << uint64(4))
    if load64(cached) == page:
        store64(cached, NOWHERE)


@compiled
def count_values(f: Any, counts: int) -> None:
    """Add to `counts` how many lines have each value."""
    for pair in range(f.used_rows * f.per_page >> _1):
        both = pair_of(f, uint64(pair) << _1)
        one, other = counts + ((both & OWN) << _3), counts + (both >> _12 << _3)
        store64(one, load64(one) + _1)
        store64(other, load64(other) + _1)


@compiled
def join_equals(f: Any) -> None:
    """Let lines with records of their own share equal ones, as far as there are numbers for those.

    `f.joined` is how many lines had records of their own.
    """
    count, f.made = _0, _0
    for number in range(_1, load64(f.pool + _FRESH_BLOCK)):
        block = uint64(number)
        row = uint64(load32(f.rows_of + (block << _2)))
        if uint64(load32(f.pages + (row << _3) + _4)) != block:
            continue  # it is free
        kept = False
        for each in range(f.per_page):
            line = row * f.per_page + uint64(each)
            if value_of(f, line) == OWN:
                count += _1
                record = lines.owned_at(f, row, uint64(each))
                shared = share(f, advance(f, record, _0, NO_LETTER, _0, _1 << f.line_bits), True)
                kept = kept or shared == OWN
                set_value(f, line, shared)
        if not kept:
            lines.take_block(f, block)
    f.joined = count
