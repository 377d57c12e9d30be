# SPDX-License-Identifier: GPL-2.0-or-later
"""The records of lines whose bytes are not all in one state; compiled: see `coldline.checker.state.partitions`."""

from typing import Any

from coldline.checker.compiled.lines import NO_LETTER, advance
from coldline.checker.compiled.values import OWN, node_at, owned_at, pair_of, set_value, value_of
from coldline.checker.state import partitions
from coldline.jit.intrinsics import compiled, load16, load32, load64, store16, store32, store64, uint64
from coldline.support.hashing import GOLDEN

_0, _1, _2, _3, _4, _8, _12, _16, _32 = (uint64(number) for number in (0, 1, 2, 3, 4, 8, 12, 16, 32))
_NEXT, _QUIET, _STATES, _HASH, _BYTES = (
    uint64(8 * word)
    for word in (partitions.NEXT, partitions.QUIET, partitions.STATES, partitions.HASH, partitions.BYTES)
)
_FREE, _FRESH, _FREE_SHARED, _SHARED = (
    uint64(8 * word)
    for word in (partitions.FREE, partitions.FRESH, partitions.FREE_SHARED, partitions.SHARED)
)
_FREE_BLOCK, _FRESH_BLOCK, _BLOCKS, _CROWD = (
    uint64(8 * word)
    for word in (partitions.FREE_BLOCK, partitions.FRESH_BLOCK, partitions.BLOCKS, partitions.CROWD)
)
_LOW = uint64(0xFFFFFFFF)
_ONES = uint64(0xFFFFFFFFFFFFFFFF)
_STATE = uint64(0xFFFF)
_PARTS = uint64(partitions.PARTS)
_INDEX_MASK = uint64(partitions.SHARED_INDEX - 1)
_GOLDEN = uint64(GOLDEN)


@compiled
def _give_block(f: Any, row: int) -> None:
    """Give a page a block for its lines' own records, unless it has one."""
    at = f.pages + (row << _3) + _4
    if load32(at):
        return
    pool = f.pool
    block = load64(pool + _FREE_BLOCK)
    if block:
        store64(pool + _FREE_BLOCK, uint64(load32(f.rows_of + (block << _2))))
    else:
        block = load64(pool + _FRESH_BLOCK)
        store64(pool + _FRESH_BLOCK, block + _1)
    store64(pool + _BLOCKS, load64(pool + _BLOCKS) + _1)
    store32(f.rows_of + (block << _2), row)
    store32(at, block)


@compiled
def take_block(f: Any, block: int) -> None:
    """Free a block whose page no longer has a line with its own record."""
    row = uint64(load32(f.rows_of + (block << _2)))
    for index in range(f.per_page):
        at = owned_at(f, row, uint64(index))
        _free(f, load64(at + _NEXT) >> _32)
        store64(at + _NEXT, _0)
    pool = f.pool
    store32(f.pages + (row << _3) + _4, _0)
    store32(f.rows_of + (block << _2), load64(pool + _FREE_BLOCK))
    store64(pool + _FREE_BLOCK, block)
    store64(pool + _BLOCKS, load64(pool + _BLOCKS) - _1)


@compiled
def _allocate(f: Any) -> int:
    node = load64(f.pool + _FREE)
    if node:
        store64(f.pool + _FREE, load64(node_at(f, node) + _NEXT) >> _32)
    else:
        node = load64(f.pool + _FRESH)
        store64(f.pool + _FRESH, node + _1)
    return node


@compiled
def _free(f: Any, node: int) -> None:
    while node:
        at = node_at(f, node)
        following = load64(at + _NEXT) >> _32
        store64(at + _NEXT, load64(f.pool + _FREE) << _32)
        store64(f.pool + _FREE, node)
        node = following


@compiled
def _quiet(f: Any, count: int) -> int:
    quiet = _ONES
    for part in range(count):
        state = uint64(load16(f.scratch_states + (uint64(part) << _1)))
        quiet &= load64(f.quiet + (state << _3))
    return quiet


@compiled
def _write(f: Any, at: int, count: int) -> None:
    """Write scratch into the record at `at`, which grows or shrinks as needed."""
    store64(at + _QUIET, _quiet(f, count))
    masks = f.mask_words
    part = _0
    while True:
        some = count - part
        if some > _PARTS:
            some = _PARTS
        states = _0
        target = at + _BYTES
        for each in range(some):
            number = part + uint64(each)
            states |= uint64(load16(f.scratch_states + (number << _1))) << (uint64(each) << uint64(4))
            source = f.scratch_masks + (number * masks << _3)
            for word in range(masks):
                store64(target, load64(source + (uint64(word) << _3)))
                target += _8
        store64(at + _STATES, states)
        part += some
        following = load64(at + _NEXT) >> _32
        if part == count:
            store64(at + _NEXT, some)
            _free(f, following)
            return
        if not following:
            following = _allocate(f)
            store64(node_at(f, following) + _NEXT, _0)
        store64(at + _NEXT, some | following << _32)
        at = node_at(f, following)


@compiled
def _sort(f: Any, count: int) -> None:
    """Sort scratch by states, so that equal lines have equal records."""
    masks = f.mask_words
    first = _1
    while first < count:
        at = first
        while at:
            here, before = f.scratch_states + (at << _1), f.scratch_states + ((at - _1) << _1)
            one, other = load16(before), load16(here)
            if one <= other:
                break
            store16(before, other)
            store16(here, one)
            for word in range(masks):
                low = f.scratch_masks + ((((at - _1) * masks) + uint64(word)) << _3)
                high = low + (masks << _3)
                held = load64(low)
                store64(low, load64(high))
                store64(high, held)
            at -= _1
        first += _1


@compiled
def _hash(f: Any, count: int) -> int:
    code = count
    for part in range(count):
        code = (code ^ uint64(load16(f.scratch_states + (uint64(part) << _1)))) * _GOLDEN
        code ^= code >> _32
    for word in range(count * f.mask_words):
        code = (code ^ load64(f.scratch_masks + (uint64(word) << _3))) * _GOLDEN
        code ^= code >> _32
    return code


@compiled
def _is(f: Any, at: int, count: int) -> bool:
    """Whether the record at `at` has the parts of scratch, in the same order."""
    masks = f.mask_words
    part = _0
    while True:
        head = load64(at + _NEXT)
        states = load64(at + _STATES)
        some = head & _LOW
        if part + some > count:
            return False
        for each in range(some):
            number = part + uint64(each)
            if uint64(load16(f.scratch_states + (number << _1))) != states & _STATE:
                return False
            states >>= _16
        for word in range(some * masks):
            mine = load64(f.scratch_masks + ((part * masks + uint64(word)) << _3))
            if mine != load64(at + _BYTES + (uint64(word) << _3)):
                return False
        part += some
        if head >> _32 == _0:
            return part == count
        at = node_at(f, head >> _32)


@compiled
def share(f: Any, count: int, makes: bool) -> int:
    """The value of the shared record with the parts of scratch.

    Return `OWN` if there is none, and either none is to be made or no number is left.
    """
    _sort(f, count)
    code = _hash(f, count)
    slot = code & _INDEX_MASK
    while True:
        at = f.shared_index + (slot << _1)
        value = uint64(load16(at))
        if value == _0:
            break
        if load64(node_at(f, value) + _HASH) == code and _is(f, node_at(f, value), count):
            return value
        slot = (slot + _1) & _INDEX_MASK
    if not makes:
        return OWN
    value = load64(f.pool + _FREE_SHARED)
    if value:
        store64(f.pool + _FREE_SHARED, load64(node_at(f, value) + _NEXT) >> _32)
    else:
        value = load64(f.pool + _SHARED)
        if value == OWN:
            return OWN
        store64(f.pool + _SHARED, value + _1)
    f.made += _1
    store16(at, value)
    node = node_at(f, value)
    store64(node + _NEXT, _0)
    store64(node + _HASH, code)
    _write(f, node, count)
    return value


@compiled
def put(f: Any, row: int, index: int, value: int, count: int) -> None:
    """Store scratch as the parts of a line, whose value was `value`.

    A line that has its own record keeps it, as it changes often. Any other line gets a shared record if an equal
        one exists, as such a line is mostly equal to others.
    """
    new = uint64(load16(f.scratch_states))
    if count != _1:
        new = OWN if value == OWN else share(f, count, False)
        if new == OWN:
            _give_block(f, row)
            _write(f, owned_at(f, row, index), count)
    set_value(f, row * f.per_page + index, new)


@compiled
def crowded(f: Any) -> bool:
    """Whether blocks of own records, or nodes, have reached their limit."""
    return load64(f.pool + _BLOCKS) >= load64(f.pool + _CROWD) or load64(f.pool + _FRESH) >= f.last_node


@compiled
def count_values(f: Any, counts: int) -> None:
    """Add the number of lines with each value to `counts`."""
    for pair in range(f.used_rows * f.per_page >> _1):
        both = pair_of(f, uint64(pair) << _1)
        one, other = counts + ((both & OWN) << _3), counts + (both >> _12 << _3)
        store64(one, load64(one) + _1)
        store64(other, load64(other) + _1)


@compiled
def join_equals(f: Any) -> None:
    """Replace lines' own records with shared ones where they are equal, as far as numbers are left.

    `f.joined` becomes the number of lines that had records of their own.
    """
    count, f.made = _0, _0
    for number in range(_1, load64(f.pool + _FRESH_BLOCK)):
        block = uint64(number)
        row = uint64(load32(f.rows_of + (block << _2)))
        if uint64(load32(f.pages + (row << _3) + _4)) != block:
            continue  # the block is free
        kept = False
        for each in range(f.per_page):
            line = row * f.per_page + uint64(each)
            if value_of(f, line) == OWN:
                count += _1
                record = owned_at(f, row, uint64(each))
                shared = share(f, advance(f, record, _0, NO_LETTER, _0, _1 << f.line_bits), True)
                kept = kept or shared == OWN
                set_value(f, line, shared)
        if not kept:
            take_block(f, block)
    f.joined = count
