# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop of `coldline.coherence.stream`, to be compiled; imported only for that."""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.coherence.follow import FETCH_BITS
from coldline.coherence.lines import BAD, BAD_SHIFT, UNKNOWN
from coldline.coherence.memory import CHUNK, NO_CHUNK
from coldline.coherence.stream import (
    AT,
    CACHE,
    CACHED_PAGES,
    COUNTED,
    DONE,
    END,
    FOUND,
    FULL,
    LETTER,
    LINE_AT,
    LINE_OPS,
    MISS,
    REGISTERS,
    SHAPE,
    SIZES_DTYPE,
    SLOW,
    START,
    STATUS,
    THINK,
    UNMAP_CODE,
)
from coldline.trace.columns import TYPE_MASK
from coldline.trace.events import Op

int64: Any = np.int64
uint64: Any = np.uint64

_NO_CHUNK = np.uint64(NO_CHUNK)
_CHUNK_BITS = np.uint64(CHUNK.bit_length() - 1)
_CHUNK_MASK = np.uint64(CHUNK - 1)
_AT, _LINE_AT, _STATUS, _SHAPE, _LETTER, _START, _END, _FOUND, _COUNTED = (
    np.uint64(each) for each in (AT, LINE_AT, STATUS, SHAPE, LETTER, START, END, FOUND, COUNTED)
)
_WALK, _FETCH, _ZVA = np.uint64(Op.WALK), np.uint64(Op.FETCH), np.uint64(Op.DC_ZVA)
_MAP, _UNMAP = np.uint64(Op.MAP), np.uint64(Op.UNMAP)
_OPS = np.uint64(Op.DC_ZVA + 1)
_LINE_OPS = np.uint64(LINE_OPS)
_TYPES = np.uint64(TYPE_MASK + 1)
_MOVES = np.uint64(UNMAP_CODE + 1)
_UNMAP_CODE = np.uint64(UNMAP_CODE)
_SLOW = np.uint64(SLOW)
_CACHE = np.uint64(CACHE)
_CACHE_MASK = np.uint64(CACHED_PAGES - 1)
_FULL_PAGE = np.uint64(4096)
_OFFSET = np.uint64(4095)
_BLOCK = np.uint64(63)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_0, _1, _2, _3, _12, _23, _28, _32 = (np.uint64(number) for number in (0, 1, 2, 3, 12, 23, 28, 32))
_AGENT_BITS, _OP_BITS = np.uint64(0xFFFF), np.uint64(0xFF)
_OP_SHIFT, _ATTRIBUTES_SHIFT = np.uint64(48), np.uint64(56)


def _to(kind: Any) -> Any:
    return types.CPointer(kind)


@cfunc(
    types.void(
        _to(from_dtype(SIZES_DTYPE)),
        _to(types.uint64),
        _to(types.uint64),
        _to(types.uint8),
        _to(types.uint8),
        _to(types.uint8),
        _to(types.int32),
        _to(types.uint8),
        _to(types.int32),
        _to(types.uint64),
        _to(types.int32),
        _to(types.uint8),
        _to(types.int32),
        _to(types.uint64),
        _to(types.uint64),
        _to(types.int64),
    )
)
def run(
    sizes_at: Any,
    rows_at: Any,
    agent_of_at: Any,
    accesses_at: Any,
    maintenance_at: Any,
    walks_at: Any,
    moves_at: Any,
    settings_at: Any,
    whole_at: Any,
    memo_at: Any,
    lines_at: Any,
    reported_at: Any,
    classes_at: Any,
    index_at: Any,
    registers_at: Any,
    found_at: Any,
) -> None:
    """Take events until one needs thought.

    The arguments are the arrays of `coldline.coherence.stream`, flat. All that indexes them is unsigned: an
    index that might be negative costs a test each time.
    """
    sizes = carray(sizes_at, (1,))[0]
    agents, per_page, shapes = uint64(sizes.agents), uint64(sizes.lines_per_page), uint64(sizes.shapes)
    events = uint64(sizes.events)
    rows = carray(rows_at, (sizes.events * 3,))
    agent_of = carray(agent_of_at, (sizes.agents,))
    letters = carray(accesses_at, (sizes.classes * sizes.agents * int64(_OPS),))
    maintenance = carray(maintenance_at, (LINE_OPS,))
    walks = carray(walks_at, (sizes.agents * int64(_TYPES),))
    moves = carray(moves_at, (sizes.classes * sizes.agents * int64(_MOVES),))
    settings = carray(settings_at, (sizes.classes,))
    whole = carray(whole_at, (sizes.letters * sizes.shapes,))
    memo = carray(memo_at, (sizes.memo * 2,))
    lines = carray(lines_at, (sizes.rows * sizes.lines_per_page,))
    reported = carray(reported_at, (sizes.rows * sizes.lines_per_page,))
    classes = carray(classes_at, (sizes.rows,))
    index_of = carray(index_at, (sizes.index * 2,))
    registers = carray(registers_at, (REGISTERS,))
    found = carray(found_at, (sizes.found, 6))
    line_bits, distinct = uint64(sizes.line_bits), sizes.distinct
    size_of_line = _1 << line_bits
    line_mask = size_of_line - _1
    index_mask, memo_mask = uint64(sizes.index - 1), uint64(sizes.memo - 1)
    hazards, counted = int64(registers[_FOUND]), int64(registers[_COUNTED])
    at, line_at = registers[_AT], registers[_LINE_AT]
    status = DONE
    while at < events:
        word = rows[at * _3 + _2]
        op = (word >> _OP_SHIFT) & _OP_BITS
        moves_page = op == _MAP or op == _UNMAP
        if op >= _LINE_OPS and not moves_page:
            status = THINK
            break
        start = rows[at * _3]
        end = start + rows[at * _3 + _1]
        page = start >> _12
        if end <= start or (end - _1) >> _12 != page:
            status = THINK
            break
        cached = _CACHE + ((page & _CACHE_MASK) << _1)
        if registers[cached] == page:
            row = registers[cached + _1]
        else:
            chunk = page >> _CHUNK_BITS
            slot = ((chunk * _GOLDEN) >> _32) & index_mask
            while index_of[slot << _1] != chunk and index_of[slot << _1] != _NO_CHUNK:
                slot = (slot + _1) & index_mask
            if index_of[slot << _1] != chunk:
                status = THINK
                break
            row = index_of[(slot << _1) + _1] + (page & _CHUNK_MASK)
            registers[cached] = page
            registers[cached + _1] = row
        agent = agent_of[(word >> _32) & _AGENT_BITS]
        new_class = int64(-1)
        if op <= _ZVA:
            if op == _WALK:
                letter = uint64(walks[agent * _TYPES + ((word >> _ATTRIBUTES_SHIFT) & (_TYPES - _1))])
            else:
                letter = uint64(letters[(uint64(classes[row]) * agents + agent) * _OPS + op])
                if op == _ZVA:
                    start &= ~_BLOCK
                    end = (end + _BLOCK) & ~_BLOCK
        elif moves_page:
            code = word >> _ATTRIBUTES_SHIFT if op == _MAP else _UNMAP_CODE
            old_class = uint64(classes[row])
            new_class = int64(moves[(old_class * agents + agent) * _MOVES + code])
            if new_class < 0 or end - start != _FULL_PAGE:
                status = THINK
                break
            letter = uint64(settings[uint64(new_class)])
            if letter == uint64(settings[old_class]):
                classes[row] = new_class
                at += _1
                continue
        else:
            letter = uint64(maintenance[op])
            start &= ~line_mask
            end = (end + line_mask) & ~line_mask
        if letter == _SLOW:
            status = THINK
            break
        base = (page << _12) + (line_at << line_bits)
        index = line_at
        if line_at == _0:
            index = (start & _OFFSET) >> line_bits
            base = start & ~line_mask
        line_at = _0
        of_letter = letter * shapes
        of_row = row * per_page
        while base < end:
            low = start - base if start > base else _0
            high = end - base if end - base < size_of_line else size_of_line
            shape = uint64(lines[of_row + index])
            if high - low == size_of_line:
                target = int64(whole[of_letter + shape])
            else:
                key = shape << _28 | letter << _23 | low << _12 | high
                probe = ((key * _GOLDEN) >> _32) & memo_mask
                while memo[probe << _1] != key and memo[probe << _1] != _0:
                    probe = (probe + _1) & memo_mask
                target = int64(UNKNOWN)
                if memo[probe << _1] == key:
                    target = int64(memo[(probe << _1) + _1])
            if target == UNKNOWN:
                status = MISS
                registers[_SHAPE], registers[_LETTER] = shape, letter
                registers[_START], registers[_END] = low, high
                break
            if target & BAD:
                bits = target >> BAD_SHIFT << (FETCH_BITS if op == _FETCH else 0)
                counted += 1
                if not distinct or bits & ~int64(reported[of_row + index]):
                    if hazards == sizes.found:
                        status = FULL
                        counted -= 1
                        break
                    found[hazards, 0], found[hazards, 1], found[hazards, 2] = at, base, shape
                    found[hazards, 3], found[hazards, 4], found[hazards, 5] = letter, low, high
                    hazards += 1
                    reported[of_row + index] |= np.uint8(bits)
                target &= ~BAD
            lines[of_row + index] = target
            index += _1
            base += size_of_line
        if status != DONE:
            # An access that begins in a page's first line is taken up there all the same.
            line_at = index
            break
        if new_class >= 0:
            classes[row] = new_class
        at += _1
    registers[_AT], registers[_LINE_AT], registers[_STATUS] = at, line_at, uint64(status)
    registers[_FOUND], registers[_COUNTED] = uint64(hazards), uint64(counted)


EXPORTS = {"run": run}
