# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop that writes events whose kinds are known; compiled."""

from typing import Any

from coldline.events.layout import AGENT_SHIFT, EVENT_SIZE, REST_AT, SIZE_AT
from coldline.jit.intrinsics import compiled, load64, store64, uint64
from coldline.trace.compiled import frame
from coldline.trace.compiled.digits import put_hexadecimal

_0, _1, _8 = (uint64(value) for value in (0, 1, 8))
_FINISHED, _NOT_KNOWN, _NO_ROOM = (
    uint64(status) for status in (frame.FINISHED, frame.NOT_KNOWN, frame.NO_ROOM)
)
_EVENT, _SIZE_AT, _LAST_AT, _KIND_SHIFT = (
    uint64(value) for value in (EVENT_SIZE, SIZE_AT, REST_AT, AGENT_SHIFT)
)
_SLOT, _SLOTS, _SLOT_SHIFT = (
    uint64(value) for value in (frame.KIND_BYTES, frame.KINDS - 1, 64 - (frame.KINDS.bit_length() - 1))
)
_USED, _FACTOR = uint64(frame.USED), uint64(0x9E3779B97F4A7C15)
_PLACE_AT, _TEXT_LENGTHS_AT = uint64(frame.PLACE_AT), uint64(frame.TEXT_LENGTHS_AT)
_AFTER_SHIFT, _RANGE_BIT, _LENGTH = (
    uint64(value) for value in (frame.AFTER_SHIFT, frame.RANGE_BIT, (1 << frame.AFTER_SHIFT) - 1)
)
_SMALL, _NUMBERS_ROOM = uint64(frame.SMALL_SIZES), uint64(frame.NUMBERS_ROOM)
_BEFORE_HEXADECIMAL, _ITS_LENGTH = uint64(int.from_bytes(b" 0x", "little")), uint64(3)
_LENGTH_SHIFT = uint64(56)


@compiled
def _slot_of(f: Any, kind: int) -> int:
    """The address of the slot of a kind, or of the empty one where it belongs."""
    slot = kind * _FACTOR >> _SLOT_SHIFT
    while True:
        at = f.kinds + slot * _SLOT
        found = load64(at)
        if found in (kind, _0):
            return at
        slot = (slot + _1) & _SLOTS


@compiled
def _copy(to: int, text: int, length: int) -> int:
    """Copy some text, eight bytes at a time; return its end."""
    done = _0
    while done < length:
        store64(to + done, load64(text + done))
        done += _8
    return to + length


@compiled
def write_text(f: Any) -> None:
    """Write events, from number `f.at` on, up to one whose kind is not known: `f.status` says what ended it."""
    at, fill = f.at, f.fill
    f.status = _FINISHED
    while at < f.count:
        row = f.rows + at * _EVENT
        slot = _slot_of(f, load64(row + _LAST_AT) >> _KIND_SHIFT | _USED)
        if load64(slot) == _0:
            f.status = _NOT_KNOWN
            break
        lengths = load64(slot + _TEXT_LENGTHS_AT)
        before, after = lengths & _LENGTH, lengths >> _AFTER_SHIFT & _LENGTH
        if fill + before + after + _NUMBERS_ROOM > f.room:
            f.status = _NO_ROOM
            break
        text = f.texts + load64(slot + _PLACE_AT)
        to = _copy(f.text + fill, text, before)
        if lengths >> _RANGE_BIT != _0:
            to = put_hexadecimal(to, load64(row))
            size = load64(row + _SIZE_AT)
            if size < _SMALL:
                digits = load64(f.sizes + size * _8)
                store64(to, digits)
                to += digits >> _LENGTH_SHIFT
            else:
                store64(to, _BEFORE_HEXADECIMAL)
                to = put_hexadecimal(to + _ITS_LENGTH, size)
            to = _copy(to, text + before, after)
        fill = to - f.text
        at += _1
    f.at, f.fill = at, fill


@compiled
def put_kind(f: Any, kind: int, place: int, lengths: int) -> None:
    """Keep a kind of events: where its text is, and the lengths of its parts."""
    slot = _slot_of(f, kind)
    store64(slot, kind)
    store64(slot + _PLACE_AT, place)
    store64(slot + _TEXT_LENGTHS_AT, lengths)
