# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop that makes events of lines whose shapes are known; compiled."""

from typing import Any

from coldline.events.layout import EVENT_SIZE, REST_AT, SIZE_AT
from coldline.jit.byte_masks import mask_below, mask_equal, mask_same
from coldline.jit.intrinsics import (
    compiled,
    load8,
    load64,
    store64,
    trailing_zeros,
    uint64,
)
from coldline.trace.compiled import frame
from coldline.trace.compiled.digits import WRONG, hexadecimal, number

_0, _1, _2, _3, _8, _32, _64 = (uint64(value) for value in (0, 1, 2, 3, 8, 32, 64))
_FINISHED, _NOT_KNOWN, _NO_ROOM = (
    uint64(status) for status in (frame.FINISHED, frame.NOT_KNOWN, frame.NO_ROOM)
)
_EVENT, _SIZE_AT, _WORD_OF_EVENT = uint64(EVENT_SIZE), uint64(SIZE_AT), uint64(REST_AT)
_SHAPE_BITS = uint64(frame.SHAPE_BYTES.bit_length() - 1)
_SLOTS, _SLOT_SHIFT = uint64(frame.SHAPES - 1), uint64(64 - (frame.SHAPES.bit_length() - 1))
_TAIL_AT, _LENGTHS_AT, _WORD_AT = uint64(frame.TAIL_AT), uint64(frame.LENGTHS_AT), uint64(frame.WORD_AT)
_TAIL_SHIFT, _KIND_SHIFT = uint64(frame.TAIL_SHIFT), uint64(frame.KIND_SHIFT)
_LONGEST = uint64(frame.LONGEST_PART)
_WITH_RANGE, _WITHOUT_EVENT = uint64(frame.WITH_RANGE), uint64(frame.WITHOUT_EVENT)
_SPACE, _COMMENT, _NEW_LINE, _RETURN, _ZERO, _X = (uint64(ord(each)) for each in " #\n\r0x")
_FACTORS = (
    uint64(0x9E3779B97F4A7C15),
    uint64(0xC2B2AE3D27D4EB4F),
    uint64(0xD6E8FEB86659FD93),
    uint64(0xA0761D6478BD642F),
    uint64(0xE7037ED1A0B428DB),
)
_ALL = uint64((1 << 64) - 1)


@compiled
def _bits(count: int) -> int:
    """A word whose lowest `count` bits are set; `count` is below 64."""
    return (_1 << count) - _1


@compiled
def _ends(at: int, length: int, first: int, last: int) -> int:
    """A hash of the first and the last 8 bytes of some text."""
    if length < _8:
        return (load64(at) & _bits(length << _3)) * first
    return load64(at) * first + load64(at + length - _8) * last


@compiled
def find_slot(f: Any, head: int, tail: int, lengths: int) -> int:
    """The address of the slot of a shape, or of the empty one where it belongs.

    Parameters
    ----------
    f : record
        The frame.
    head, tail : int
        The addresses of the text before the numbers, and of the text after them.
    lengths : int
        Their lengths, as a slot has them; the kind in it does not count.
    """
    head_length = lengths & _bits(_TAIL_SHIFT)
    tail_length = lengths >> _TAIL_SHIFT & _bits(_TAIL_SHIFT)
    mixed = _ends(head, head_length, _FACTORS[0], _FACTORS[1]) + lengths * _FACTORS[4]
    if tail_length != _0:
        mixed += _ends(tail, tail_length, _FACTORS[2], _FACTORS[3])
    slot = mixed >> _SLOT_SHIFT
    while True:
        at = f.shapes + (slot << _SHAPE_BITS)
        kept = load64(at + _LENGTHS_AT)
        if kept == _0:
            return at
        if (
            kept & _bits(_KIND_SHIFT) == lengths
            and ~mask_same(head, at) & _bits(head_length) == _0
            and (tail_length == _0 or ~mask_same(tail, at + _TAIL_AT) & _bits(tail_length) == _0)
        ):
            return at
        slot = (slot + _1) & _SLOTS


@compiled
def _line_end(at: int, most: int) -> int:
    """How many bytes a comment at an address and the end of its line take; 0 if they are more than `most`."""
    passed = _0
    while passed < most:
        found = mask_equal(at + passed, _NEW_LINE) | mask_equal(at + passed, _RETURN)
        if found != _0:
            return passed + trailing_zeros(found)
        passed += _32
    return most


@compiled
def make_events(f: Any) -> None:
    """Make events of lines, from `f.at` on, up to a line whose shape is not known: `f.status` says what ended it."""
    at, end, count = f.at, f.end, f.count
    f.status = _FINISHED
    while at < end:
        if count == f.room:
            f.status = _NO_ROOM
            break
        text = f.text + at
        stops = mask_below(text, _SPACE) | mask_equal(text, _COMMENT)
        stops |= (mask_below(text + _32, _SPACE) | mask_equal(text + _32, _COMMENT)) << _32
        if stops == _0:
            f.status = _NOT_KNOWN
            break
        stop = trailing_zeros(stops)
        length = stop
        byte = uint64(load8(text + stop))
        if byte == _COMMENT:
            length += _line_end(text + stop, f.longest)
            if length >= f.longest:
                f.status = _NOT_KNOWN
                break
            byte = uint64(load8(text + length))
        if byte == _RETURN:
            length += _1
            byte = uint64(load8(text + length))
        if byte != _NEW_LINE:
            f.status = _NOT_KNOWN
            break
        if stop == _0:
            at += length + _1
            f.line += _1
            continue
        inside = _bits(stop)
        spaces = (mask_equal(text, _SPACE) | mask_equal(text + _32, _SPACE) << _32) & inside
        zeros = (mask_equal(text, _ZERO) | mask_equal(text + _32, _ZERO) << _32) & inside
        crosses = (mask_equal(text, _X) | mask_equal(text + _32, _X) << _32) & inside
        begins = spaces & (zeros >> _1) & (crosses >> _2)
        address = size = _0
        lengths = stop
        tail = text
        if begins != _0:
            head_length = trailing_zeros(begins)
            digits = head_length + _3
            later = spaces & (_ALL << digits)
            if later == _0:
                f.status = _NOT_KNOWN
                break
            digits_end = trailing_zeros(later)
            later &= later - _1
            size_end = stop
            if later != _0:
                size_end = trailing_zeros(later)
            address = hexadecimal(text + digits, digits_end - digits)
            size = number(text + digits_end + _1, size_end - digits_end - _1)
            if address == WRONG or size == WRONG or head_length > _LONGEST or stop - size_end > _LONGEST:
                f.status = _NOT_KNOWN
                break
            tail = text + size_end
            lengths = head_length | (stop - size_end) << _TAIL_SHIFT
        elif stop > _LONGEST:
            f.status = _NOT_KNOWN
            break
        slot = find_slot(f, text, tail, lengths)
        kind = load64(slot + _LENGTHS_AT) >> _KIND_SHIFT
        if kind == _0 or (kind == _WITH_RANGE) != (begins != _0):
            f.status = _NOT_KNOWN
            break
        if kind != _WITHOUT_EVENT:
            line = f.line
            if line > f.last_line:
                line = _0
            row = f.rows + count * _EVENT
            store64(row, address)
            store64(row + _SIZE_AT, size)
            store64(row + _WORD_OF_EVENT, load64(slot + _WORD_AT) | line)
            count += _1
        at += length + _1
        f.line += _1
    f.at, f.count = at, count


@compiled
def put_shape(f: Any, head: int, tail: int, lengths: int, word: int) -> None:
    """Keep a shape: see `find_slot`; `lengths` has its kind, and `word` is the last word of its events."""
    slot = find_slot(f, head, tail, lengths & _bits(_KIND_SHIFT))
    for place in range(0, frame.LONGEST_PART, 8):
        store64(slot + uint64(place), load64(head + uint64(place)))
        store64(slot + _TAIL_AT + uint64(place), load64(tail + uint64(place)))
    store64(slot + _WORD_AT, word)
    store64(slot + _LENGTHS_AT, lengths)
