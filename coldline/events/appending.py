# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiled functions that append events to a record's words, and unpack words into rows.

`s` is a record with `coldline.events.words.FIELDS`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.events.batch import INSTRUCTION_SIZE, InstructionState
from coldline.events.layout import (
    AGENT_SHIFT,
    ATTRIBUTES_SHIFT,
    BATCH_PART_BITS,
    BATCH_PARTS,
    EVENT_SIZE,
    EVERYWHERE_SLOT,
    GRANULE_BITS,
    GRANULE_SLOTS,
    MUCH,
    OP_MASK,
    OP_SHIFT,
    PAGE_SLOTS,
    REST_AT,
    SIZE_AT,
)
from coldline.events.op import Kind, Op
from coldline.events.words import ESCAPE, ESCAPE_WORDS, LONGEST, MOST_NOTES, NOTE_SIZE, WORDS, Word
from coldline.jit.intrinsics import compiled, int64, load8, load64, store8, store64, stream64, uint64
from coldline.support.units import PAGE_SIZE

_SIZE, _OP, _AGENT, _ATTRIBUTES = Word.SIZE.lsb, Word.OP.lsb, Word.AGENT.lsb, Word.ATTRIBUTES.lsb
_ADDRESS = Word.ADDRESS.mask
_MOST_ATTRIBUTES = Word.ATTRIBUTES.mask >> Word.ATTRIBUTES.lsb
_AGENT_ONES = Word.AGENT.mask >> Word.AGENT.lsb
_MAP, _UNMAP = int(Op.MAP), int(Op.UNMAP)
_DESCRIPTOR = int(Op.DESCRIPTOR)
_EVERYWHERE = sum(1 << op for op in Op if op.traits.everywhere or not op.has_range)
_ON_PAGES = sum(1 << op for op in Op if op.kind is Kind.ALIAS or op in (Op.FETCH, Op.WALK))
_PAGE_BITS = PAGE_SIZE.bit_length() - 1
_UNKNOWN = int(InstructionState.UNKNOWN)

NOW_INVALID = 0x100
"""In place of the attributes of a new alias: the old one's descriptor is invalid now."""

NOW_CHANGED = 0x200
"""Beside the attributes of the new alias: its descriptor has these now, and the old alias is ending."""

_OF_ALIAS = 0xFF


@compiled
def append(s: Any, address: int, size: int, op: int, agent: int, attributes: int) -> None:
    """Append an event in the form of `coldline.events.words`; events that do not fit are counted."""
    if s.fill + uint64(ESCAPE_WORDS) > uint64(WORDS):
        s.overflow += uint64(1)
        return
    at = s.events + s.fill * uint64(8)
    less = size - 1
    if uint64(less) < uint64(LONGEST) and uint64(attributes) <= uint64(_MOST_ATTRIBUTES):
        more = less << _SIZE | op << _OP | agent << _AGENT | attributes << _ATTRIBUTES
        stream64(at, uint64(address | more))
        s.fill += uint64(1)
    else:
        stream64(at, uint64(ESCAPE << _OP))
        stream64(at + uint64(8), uint64(address))
        stream64(at + uint64(16), uint64(size))
        stream64(
            at + uint64(24), uint64(agent << AGENT_SHIFT | op << OP_SHIFT | attributes << ATTRIBUTES_SHIFT)
        )
        s.fill += uint64(ESCAPE_WORDS)
    if s.instruction_rows:
        row = s.instruction_rows + s.count * uint64(INSTRUCTION_SIZE)
        store64(row, s.at_virtual)
        store64(row + uint64(8), s.at_physical)
        store64(row + uint64(16), s.at_state)
    s.count += uint64(1)


@compiled
def note_instruction(s: Any) -> None:
    """Note the instruction of the event that was appended last, if such are noted."""
    if s.notes and s.noted < uint64(MOST_NOTES):
        note = s.notes + s.noted * uint64(NOTE_SIZE)
        store64(note, s.count - uint64(1))
        store64(note + uint64(8), s.at_virtual)
        store64(note + uint64(16), s.at_physical)
        store64(note + uint64(24), s.at_state)
        s.noted += uint64(1)


@compiled
def forget_notes(s: Any) -> None:
    """Forget the notes of events that are not in the buffer any more."""
    while s.noted and load64(s.notes + (s.noted - uint64(1)) * uint64(NOTE_SIZE)) >= s.count:
        s.noted -= uint64(1)


@compiled
def locate_from(s: Any, first: Any, noted: Any, physical: Any, state: Any) -> None:
    """Set the instruction of the events from number `first` on: they were appended before its translation.

    So were the notes from number `noted` on.
    """
    if s.instruction_rows:
        for number in range(first, s.count):
            row = s.instruction_rows + uint64(number) * uint64(INSTRUCTION_SIZE)
            store64(row + uint64(8), physical)
            store64(row + uint64(16), state)
    for number in range(noted, s.noted):
        note = s.notes + uint64(number) * uint64(NOTE_SIZE)
        store64(note + uint64(16), physical)
        store64(note + uint64(24), state)


@compiled
def _mark_slot(marks: Any, slot: Any, part: Any) -> None:
    at = marks + slot
    store8(at, np.uint8(load8(at) | np.uint8(part)))


@compiled
def _mark(marks: Any, address: Any, size: Any, op: Any, part: Any) -> None:
    """Mark the granules of an event with the bit of its part, and its pages if other pages matter to it."""
    if uint64(_EVERYWHERE) >> op & uint64(1) or size >= uint64(MUCH):
        _mark_slot(marks, uint64(EVERYWHERE_SLOT), part)
        return
    last = address + size - uint64(1)
    granule = address >> uint64(GRANULE_BITS)
    while granule <= last >> uint64(GRANULE_BITS):
        _mark_slot(marks, granule & uint64(GRANULE_SLOTS - 1), part)
        granule += uint64(1)
    if uint64(_ON_PAGES) >> op & uint64(1):
        page = address >> uint64(_PAGE_BITS)
        while page <= last >> uint64(_PAGE_BITS):
            _mark_slot(marks, uint64(GRANULE_SLOTS) + (page & uint64(PAGE_SLOTS - 1)), part)
            page += uint64(1)


@compiled
def unpack(words: Any, events: int, rows: Any, marks: Any) -> None:
    """Unpack a number of events at an address into rows of `EVENT_DTYPE` at another; mark their memory at a third.

    The marks are those of `coldline.events.footprints`; there are none if their address is 0.
    """
    for index in range(events):
        part = uint64(1) << min(uint64(index) >> uint64(BATCH_PART_BITS), uint64(BATCH_PARTS - 1))
        word = load64(words)
        op = word >> uint64(_OP) & uint64(ESCAPE)
        if op == uint64(ESCAPE):
            store64(rows, load64(words + uint64(8)))
            store64(rows + uint64(SIZE_AT), load64(words + uint64(16)))
            store64(rows + uint64(REST_AT), load64(words + uint64(24)))
            if marks:
                rest = load64(words + uint64(24))
                number = rest >> uint64(OP_SHIFT) & uint64(OP_MASK)
                _mark(marks, load64(words + uint64(8)), load64(words + uint64(16)), number, part)
            words += uint64(8 * ESCAPE_WORDS)
        else:
            address = word & uint64(_ADDRESS)
            less = word >> uint64(_SIZE) & uint64(LONGEST - 1)
            store64(rows, address)
            store64(rows + uint64(SIZE_AT), uint64(1) + less)
            if marks:
                _mark(marks, address, uint64(1) + less, op, part)
            agent = word >> uint64(_AGENT) & uint64(_AGENT_ONES)
            attributes = word >> uint64(_ATTRIBUTES)
            store64(
                rows + uint64(REST_AT),
                agent << uint64(AGENT_SHIFT)
                | op << uint64(OP_SHIFT)
                | attributes << uint64(ATTRIBUTES_SHIFT),
            )
            words += uint64(8)
        rows += uint64(EVENT_SIZE)


@compiled
def append_held_change(s: Any) -> None:
    """Append the alias change that was held back, if there is one."""
    size = int64(s.held_size)
    if size:
        state, s.at_state = s.at_state, uint64(_UNKNOWN)
        s.held_size = uint64(0)
        agent, address = int64(s.held_agent), int64(s.held_address)
        if s.held_after == uint64(NOW_INVALID):
            append(s, address, size, _DESCRIPTOR, agent, 0)
            s.at_state = state
            return
        if s.held_after & uint64(NOW_CHANGED):
            append(s, address, size, _DESCRIPTOR, agent, int64(s.held_after) & _OF_ALIAS)
            s.at_state = state
            return
        if s.held_before:
            append(s, address, size, _UNMAP, agent, 0)
        if s.held_after:
            append(s, address, size, _MAP, agent, int64(s.held_after))
        s.at_state = state


@compiled
def emit(s: Any, address: int, size: int, op: int, agent: int, attributes: int) -> None:
    """Append an event, after any alias change that it could notice."""
    if s.held_size:
        reach = uint64(address) + uint64(size) - s.held_address
        if reach < s.held_size + uint64(size) or size == 0:
            append_held_change(s)
    append(s, address, size, op, agent, attributes)


@compiled
def hold_change(s: Any, address: Any, size: Any, agent: int, before: int, attributes: Any) -> None:
    """Append a change of an agent's alias of a range; changes of adjacent ranges are held back and joined.

    `before` says whether there was an alias; `attributes` are those of the new one, 0 for none, `NOW_INVALID` if the
    old one is ending, and with `NOW_CHANGED` if there is a new one beside it. A guest maps page by page. A change is
    held back until an event touches any of its pages. That changes no set of states, as whatever speculation may do
    in that time it may also do at its end.
    """
    same = s.held_agent == uint64(agent) and s.held_before == uint64(before) and s.held_after == attributes
    if s.held_size and same and address == s.held_address + s.held_size:
        s.held_size += size
    elif s.held_size and same and address + size == s.held_address:
        s.held_address = address
        s.held_size += size
    else:
        append_held_change(s)
        s.held_agent, s.held_before, s.held_after = uint64(agent), uint64(before), attributes
        s.held_address, s.held_size = address, size
