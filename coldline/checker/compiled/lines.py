# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies a letter to one line whose bytes are not all in one state; compiled.

A line's new parts are collected in the frame's scratch, from which `records` stores them.
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
_NEXT, _QUIET, _STATES, _BYTES = (
    uint64(8 * word) for word in (partitions.NEXT, partitions.QUIET, partitions.STATES, partitions.BYTES)
)
_ONES = uint64(0xFFFFFFFFFFFFFFFF)
_LOW = uint64(0xFFFFFFFF)
_STATE = uint64(0xFFFF)
_STALE = uint64(transitions.STALE)
_QUIET_LETTERS = uint64(transitions.QUIET_LETTERS)
_LOST = uint64(transitions.LOST)
_LEAK = uint64(transitions.LEAK)
NO_LETTER = uint64(transitions.NO_LETTER)


@compiled
def bytes_of(word: int, low: int, high: int) -> int:
    """The mask of bytes `low` to `high` of a line: its word number `word`."""
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
    """Note in the frame that bytes `low` to `high` of the line may be read wrongly."""
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
    if flags & _LEAK:
        if f.leak_high == _0 or low < f.leak_low:
            f.leak_low = uint64(low)
        if high > f.leak_high:
            f.leak_high = uint64(high)


@compiled
def forget_bad(f: Any) -> None:
    """Clear what the frame notes of a line's hazards."""
    f.stale_low = f.stale_high = f.lost_low = f.lost_high = f.leak_low = f.leak_high = _0


@compiled
def flags_of_bad(f: Any) -> int:
    """The hazards that the frame notes of a line, as `Hazard` flags."""
    flags = _0
    if f.stale_high:
        flags |= _STALE
    if f.lost_high:
        flags |= _LOST
    if f.leak_high:
        flags |= _LEAK
    return flags


@compiled
def _add(f: Any, count: int, state: int, word: int, mask: int) -> int:
    """Add bytes to the scratch part of `state`; return the number of parts."""
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
    """Apply `transformer` to the record at `at`, then `letter` to its bytes `low` to `high`, into scratch.

    Hazards are noted in the frame. Return the number of parts. A transition that has not been worked out leaves
    `UNKNOWN` as the state of a part.
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
def is_quiet(f: Any, at: int, letter: int) -> bool:
    """Whether a letter changes nothing in the record at `at`, and finds no hazard.

    By the rules of order, more may have become quiet since the record was written: as transitions were worked out.
    """
    if letter >= _QUIET_LETTERS:
        return False
    quiet = load64(at + _QUIET)
    if quiet >> letter & _1 == _0 and f.orders:
        quiet, node = _ONES, at
        while True:
            head, states = load64(node + _NEXT), load64(node + _STATES)
            for _ in range(head & _LOW):
                quiet &= load64(f.quiet + ((states & _STATE) << _3))
                states >>= _16
            if head >> _32 == _0:
                break
            node = node_at(f, head >> _32)
        store64(at + _QUIET, quiet)
    return quiet >> letter & _1 != _0


@compiled
def split(f: Any, own: int, other: int, low: int, high: int) -> int:
    """Set scratch to a line whose bytes `low` to `high` are in state `own` and the others in state `other`."""
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
