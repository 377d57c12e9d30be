# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of one line whose bytes are not all in one state; compiled.

`f` is the record of `frame`. A line's next parts are put together in the frame's scratch, and then take the place of
its old ones.
"""

from typing import Any

from coldline.coherence import mixtures, transitions
from coldline.native import (
    compiled,
    leading_zeros,
    load8,
    load16,
    load32,
    load64,
    store16,
    store32,
    store64,
    trailing_zeros,
    uint64,
)

_0, _1, _2, _3, _8, _16, _32, _63, _64 = (uint64(number) for number in (0, 1, 2, 3, 8, 16, 32, 63, 64))
_ONES = uint64(0xFFFFFFFFFFFFFFFF)
_LOW = uint64(0xFFFFFFFF)
_STATE = uint64(0xFFFF)
_PARTS = uint64(mixtures.PARTS)
_NEXT, _QUIET, _STATES, _HASH, _BYTES = (
    uint64(8 * word)
    for word in (mixtures.NEXT, mixtures.QUIET, mixtures.STATES, mixtures.HASH, mixtures.BYTES)
)
_FREE, _FRESH, _LIVE, _SHARED = (
    uint64(8 * register) for register in (mixtures.FREE, mixtures.FRESH, mixtures.LIVE, mixtures.SHARED)
)
_INDEX_MASK = uint64(mixtures.SHARED_INDEX - 1)
_GOLDEN = uint64(0x9E3779B97F4A7C15)
OWN = uint64(mixtures.OWN)
NO_LETTER = uint64(transitions.NO_LETTER)
_STALE, _LOST = uint64(transitions.STALE), uint64(transitions.LOST)


@compiled
def node_at(f: Any, number: int) -> int:
    """The address of a node."""
    return f.nodes + uint64(number) * f.node_bytes


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
def advance(f: Any, node: int, word: int, letter: int, low: int, high: int) -> int:
    """Scratch: what `letter` on bytes `low` to `high` makes of a record, after the letters of `word`.

    What may be read wrongly is noted in the frame. Returns the number of parts.
    """
    own_row = f.step + (letter * f.states << _1)
    other_row = f.step + (uint64(load8(f.other + letter)) * f.states << _1)
    bad_row = f.bad + letter * f.states
    word_row = f.words + (word * f.states << _1)
    masks = f.mask_words
    count = _0
    while node:
        at = node_at(f, node)
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
        node = head >> _32
    return count


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
    pool = f.pool
    store64(pool + _LIVE, load64(pool + _LIVE) + _1)
    node = load64(pool + _FREE)
    if node:
        store64(pool + _FREE, load64(node_at(f, node) + _NEXT) >> _32)
    else:
        node = load64(pool + _FRESH)
        store64(pool + _FRESH, node + _1)
    return node


@compiled
def free(f: Any, node: int) -> None:
    """Give back a node and those after it."""
    pool = f.pool
    while node:
        at = node_at(f, node)
        following = load64(at + _NEXT) >> _32
        store64(at + _NEXT, load64(pool + _FREE) << _32)
        store64(at + _QUIET, _0)
        store64(pool + _FREE, node)
        store64(pool + _LIVE, load64(pool + _LIVE) - _1)
        node = following


@compiled
def _write(f: Any, node: int, count: int, owner: int) -> None:
    """Write scratch into the record that begins at `node`; it grows and shrinks as need be."""
    at = node_at(f, node)
    store64(at + _QUIET, _quiet(f, count) | owner << _32)
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
            if following:
                free(f, following)
            return
        if not following:
            following = _allocate(f)
            fresh = node_at(f, following)
            store64(fresh + _NEXT, _0)
            store64(fresh + _QUIET, _0)
        store64(at + _NEXT, some | following << _32)
        at = node_at(f, following)


@compiled
def put(f: Any, line: int, value: int, count: int) -> None:
    """Make scratch the parts of line number `line`, whose value was `value`."""
    at = f.values + (line << _1)
    own_at = f.own + (line << _2)
    if count == _1:
        if value == OWN:
            free(f, uint64(load32(own_at)))
        store16(at, uint64(load16(f.scratch_states)))
        return
    if value == OWN:
        node = uint64(load32(own_at))
    else:
        node = _allocate(f)
        store64(node_at(f, node) + _NEXT, _0)
        store32(own_at, node)
        store16(at, OWN)
    _write(f, node, count, line + _1)


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
def _is(f: Any, node: int, count: int) -> bool:
    """Whether a record's parts are those of scratch, in the same order."""
    masks = f.mask_words
    part = _0
    while node:
        at = node_at(f, node)
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
        node = head >> _32
    return part == count


@compiled
def share(f: Any, count: int) -> int:
    """The value of a shared record with the parts of scratch; `OWN` where there are no numbers left."""
    _sort(f, count)
    code = _hash(f, count)
    slot = code & _INDEX_MASK
    while True:
        at = f.shared_index + (slot << _1)
        value = uint64(load16(at))
        if value == _0:
            break
        if load64(node_at(f, value) + _HASH) == code and _is(f, value, count):
            return value
        slot = (slot + _1) & _INDEX_MASK
    value = load64(f.pool + _SHARED)
    if value == OWN:
        return OWN
    store64(f.pool + _SHARED, value + _1)
    store16(at, value)
    node = node_at(f, value)
    store64(node + _NEXT, _0)
    store64(node + _HASH, code)
    _write(f, value, count, _0)
    return value
