# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of one line whose bytes are not all in one state; compiled.

A line's next parts are put together in the frame's scratch, for `records` to keep.
"""

from typing import Any

from coldline.checker.compiled.values import node_at
from coldline.checker.state import partitions, transitions
from coldline.jit.intrinsics import (
    compiled,
    leading_zeros,
    load8,
    load16,
    load64,
    store16,
    store64,
    trailing_zeros,
    uint64,
)

_0, _1, _3, _8, _16, _32, _64 = (uint64(number) for number in (0, 1, 3, 8, 16, 32, 64))
_NEXT, _STATES, _BYTES = (uint64(8 * word) for word in (partitions.NEXT, partitions.STATES, partitions.BYTES))
_ONES = uint64(0xFFFFFFFFFFFFFFFF)
_LOW = uint64(0xFFFFFFFF)
_STATE = uint64(0xFFFF)
_STALE = uint64(transitions.STALE)
_LOST = uint64(transitions.LOST)
NO_LETTER = uint64(transitions.NO_LETTER)


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
def forget_bad(f: Any) -> None:
    """Nothing of a line has been found wrong yet."""
    f.stale_low = f.stale_high = f.lost_low = f.lost_high = _0


@compiled
def flags_of_bad(f: Any) -> int:
    """`Hazard` flags of what has been found wrong with a line."""
    flags = _0
    if f.stale_high:
        flags |= _STALE
    if f.lost_high:
        flags |= _LOST
    return flags


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
def advance(f: Any, at: int, transformer: int, letter: int, low: int, high: int) -> int:
    """Scratch: what `letter` on bytes `low` to `high` makes of the record at `at`, after `transformer`.

    What may be read wrongly is noted in the frame. Returns the number of parts.
    """
    own_row = f.step + (letter * f.states << _1)
    other_row = f.step + (uint64(load8(f.other + letter)) * f.states << _1)
    bad_row = f.bad + letter * f.states
    before_row = f.transformers + (transformer * f.states << _1)
    masks = f.mask_words
    count = _0
    while True:
        head = load64(at + _NEXT)
        states = load64(at + _STATES)
        bytes_at = at + _BYTES
        for _ in range(head & _LOW):
            state = uint64(load16(before_row + ((states & _STATE) << _1)))
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
