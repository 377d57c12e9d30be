# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of one line whose bytes are not all in one state; compiled.

`f` is the record of `frame`. A line's next parts are put together in the frame's scratch, and then take the place of
its old ones.
"""

from typing import Any

from coldline.coherence import mixtures, transitions
from coldline.coherence.reserve import GOLDEN
from coldline.native import (
    compiled,
    leading_zeros,
    load8,
    load16,
    load32,
    load64,
    store8,
    store16,
    store32,
    store64,
    trailing_zeros,
    uint64,
)

_0, _1, _2, _3, _4, _8, _16, _32, _64 = (uint64(number) for number in (0, 1, 2, 3, 4, 8, 16, 32, 64))
_ONES = uint64(0xFFFFFFFFFFFFFFFF)
_LOW = uint64(0xFFFFFFFF)
_STATE = uint64(0xFFFF)
_PARTS = uint64(mixtures.PARTS)
_NEXT, _QUIET, _STATES, _HASH, _BYTES = (
    uint64(8 * word)
    for word in (mixtures.NEXT, mixtures.QUIET, mixtures.STATES, mixtures.HASH, mixtures.BYTES)
)
_FREE, _FRESH, _FREE_SHARED, _SHARED = (
    uint64(8 * name) for name in (mixtures.FREE, mixtures.FRESH, mixtures.FREE_SHARED, mixtures.SHARED)
)
_FREE_BLOCK, _FRESH_BLOCK, _BLOCKS = (
    uint64(8 * name) for name in (mixtures.FREE_BLOCK, mixtures.FRESH_BLOCK, mixtures.BLOCKS)
)
_INDEX_MASK = uint64(mixtures.SHARED_INDEX - 1)
_GOLDEN = uint64(GOLDEN)
OWN = uint64(mixtures.OWN)
NO_LETTER = uint64(transitions.NO_LETTER)
_STALE, _LOST = uint64(transitions.STALE), uint64(transitions.LOST)


@compiled
def value_of(f: Any, line: int) -> int:
    """A line's value: see `coldline.coherence.packing`."""
    return (uint64(load16(f.values + line + (line >> _1))) >> ((line & _1) << _2)) & OWN


@compiled
def set_value(f: Any, line: int, value: int) -> None:
    """Make `value` a line's."""
    at = f.values + line + (line >> _1)
    shift = (line & _1) << _2
    store16(at, uint64(load16(at)) & ~(OWN << shift) | value << shift)


@compiled
def pair_of(f: Any, line: int) -> int:
    """The values of two lines, of which the first has an even number: 24 bits."""
    at = f.values + line + (line >> _1)
    return uint64(load16(at)) | uint64(load8(at + _2)) << _16


@compiled
def set_pair(f: Any, line: int, values: int) -> None:
    """Make 24 bits the values of two lines, of which the first has an even number."""
    at = f.values + line + (line >> _1)
    store16(at, values & uint64(0xFFFF))
    store8(at + _2, values >> _16)


@compiled
def node_at(f: Any, number: int) -> int:
    """The address of a node, or of the shared record that is a line's value."""
    return f.nodes + number * f.node_bytes


@compiled
def owned_at(f: Any, row: int, index: int) -> int:
    """The address of a line's own record, in a page that has a block."""
    block = uint64(load32(f.pages + (row << _3) + _4))
    return f.owned + (block * f.per_page + index) * f.node_bytes


@compiled
def _give_block(f: Any, row: int) -> None:
    """Give a page a block for its lines' own records, where it has none."""
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
    """Take back a block whose page has no line with a record of its own any more."""
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
def bytes_of(word: int, low: int, high: int) -> int:
    """Bytes `low` to `high` of a line, as the mask's word number `word`."""
    base = word << uint64(6)
    first = low - base if low > base else _0
    end = high - base if high > base else _0
    if end > _64:
        end = _64
    if first >= end:
        return _0
    return (_ONES >> (_64 - (end - first))) << first


@compiled
def note(f: Any, flags: int, low: int, high: int) -> None:
    """Bytes `low` to `high` may be read wrongly: widen what the frame says of the line."""
    if flags & _STALE:
        if f.stale_high == _0 or low < f.stale_low:
            f.stale_low = uint64(low)
        if high > f.stale_high:
            f.stale_high = uint64(high)
    if flags & _LOST:
        if f.lost_high == _0 or low < f.lost_low:
            f.lost_low = uint64(low)
        if high > f.lost_high:
            f.lost_high = uint64(high)


@compiled
def _add(f: Any, count: int, state: int, word: int, mask: int) -> int:
    """Put bytes into the scratch part of `state`; how many parts there are then."""
    masks = f.mask_words
    part = _0
    while part < count:
        if uint64(load16(f.scratch_states + (part << _1))) == state:
            break
        part += _1
    at = f.scratch_masks + (part * masks << _3)
    if part == count:
        store16(f.scratch_states + (part << _1), state)
        for each in range(masks):
            store64(at + (uint64(each) << _3), _0)
        count += _1
    at += word << _3
    store64(at, load64(at) | mask)
    return count


@compiled
def advance(f: Any, at: int, word: int, letter: int, low: int, high: int) -> int:
    """Scratch: what `letter` on bytes `low` to `high` makes of the record at `at`, after the letters of `word`.

    What may be read wrongly is noted in the frame. Returns the number of parts.
    """
    own_row = f.step + (letter * f.states << _1)
    other_row = f.step + (uint64(load8(f.other + letter)) * f.states << _1)
    bad_row = f.bad + letter * f.states
    word_row = f.words + (word * f.states << _1)
    masks = f.mask_words
    count = _0
    while True:
        head = load64(at + _NEXT)
        states = load64(at + _STATES)
        bytes_at = at + _BYTES
        for _ in range(head & _LOW):
            state = uint64(load16(word_row + ((states & _STATE) << _1)))
            states >>= _16
            flags = uint64(load8(bad_row + state))
            own = uint64(load16(own_row + (state << _1)))
            other = uint64(load16(other_row + (state << _1)))
            for each in range(masks):
                number = uint64(each)
                mask = load64(bytes_at)
                bytes_at += _8
                inside = mask & bytes_of(number, low, high)
                outside = mask ^ inside
                if inside:
                    count = _add(f, count, own, number, inside)
                    if flags:
                        base = number << uint64(6)
                        note(f, flags, base + trailing_zeros(inside), base + _64 - leading_zeros(inside))
                if outside:
                    count = _add(f, count, other, number, outside)
        if head >> _32 == _0:
            return count
        at = node_at(f, head >> _32)


@compiled
def split(f: Any, own: int, other: int, low: int, high: int) -> int:
    """Scratch: a line whose bytes `low` to `high` are in one state and the others in another one."""
    count = _0
    whole = _1 << f.line_bits
    for each in range(f.mask_words):
        word = uint64(each)
        inside = bytes_of(word, low, high)
        outside = bytes_of(word, _0, whole) ^ inside
        if inside:
            count = _add(f, count, own, word, inside)
        if outside:
            count = _add(f, count, other, word, outside)
    return count


@compiled
def _quiet(f: Any, count: int) -> int:
    quiet = _LOW
    for part in range(count):
        state = uint64(load16(f.scratch_states + (uint64(part) << _1)))
        quiet &= uint64(load32(f.quiet + (state << _2)))
    return quiet


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
def _write(f: Any, at: int, count: int) -> None:
    """Write scratch into the record at `at`; it grows and shrinks as need be."""
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
    """Put scratch in the order of states, so that equal lines look equal."""
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
    """Whether the parts of the record at `at` are those of scratch, in the same order."""
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

    `OWN` where there is none, and none is to be made or there are no numbers left.
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
    """Make scratch the parts of a line, whose value was `value`.

    A line that has a record of its own keeps it: it changes often. Another one gets a shared record if there is
    one that fits, for such a line mostly looks like others.
    """
    new = uint64(load16(f.scratch_states))
    if count != _1:
        new = OWN if value == OWN else share(f, count, False)
        if new == OWN:
            _give_block(f, row)
            _write(f, owned_at(f, row, index), count)
    set_value(f, row * f.per_page + index, new)
