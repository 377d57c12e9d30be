# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop of `coldline.coherence.stream`, to be compiled; imported only for that."""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.coherence.checker import FETCH_BITS
from coldline.coherence.lines import BAD, BAD_SHIFT, UNKNOWN
from coldline.coherence.rules import Letter
from coldline.coherence.stream import (
    AT,
    COUNTED,
    DONE,
    END,
    FOUND,
    FULL,
    LETTER,
    LINE_AT,
    LINE_OPS,
    MISS,
    SHAPE,
    SIZES_DTYPE,
    SLOW,
    START,
    STATUS,
    THINK,
    UNMAP_CODE,
)
from coldline.trace.columns import EVENT_DTYPE, TYPE_MASK
from coldline.trace.events import Op

int64: Any = np.int64
uint64: Any = np.uint64

_WALK, _FETCH, _ZVA = int(Op.WALK), int(Op.FETCH), int(Op.DC_ZVA)
_MAP, _UNMAP = int(Op.MAP), int(Op.UNMAP)
_OPS = _ZVA + 1
_LETTERS = len(Letter)


def _to(kind: Any) -> Any:
    return types.CPointer(kind)


@cfunc(
    types.void(
        _to(from_dtype(SIZES_DTYPE)),
        _to(from_dtype(EVENT_DTYPE)),
        _to(types.int64),
        _to(types.uint8),
        _to(types.uint8),
        _to(types.uint8),
        _to(types.int32),
        _to(types.uint8),
        _to(types.int32),
        _to(types.uint64),
        _to(types.int32),
        _to(types.int32),
        _to(types.uint8),
        _to(types.int32),
        _to(types.int64),
        _to(types.int32),
        _to(types.int64),
        _to(types.int64),
    )
)
def run(  # noqa: ANN201 (compiled to return nothing)
    sizes_at: Any,
    rows_at: Any,
    agent_of_at: Any,
    accesses_at: Any,
    maintenance_at: Any,
    walks_at: Any,
    moves_at: Any,
    settings_at: Any,
    whole_at: Any,
    memo_keys_at: Any,
    memo_values_at: Any,
    lines_at: Any,
    reported_at: Any,
    classes_at: Any,
    index_pages_at: Any,
    index_rows_at: Any,
    registers_at: Any,
    found_at: Any,
):
    """Take events until one needs thought; the arguments are `Tables` and `Memory` as plain arrays."""
    sizes = carray(sizes_at, (1,))[0]
    agents, per_page = sizes.agents, sizes.lines_per_page
    rows = carray(rows_at, (sizes.events,))
    agent_of = carray(agent_of_at, (agents,))
    letters = carray(accesses_at, (sizes.classes, agents, _OPS))
    maintenance = carray(maintenance_at, (LINE_OPS,))
    walks = carray(walks_at, (agents, TYPE_MASK + 1))
    moves = carray(moves_at, (sizes.classes, agents, UNMAP_CODE + 1))
    settings = carray(settings_at, (sizes.classes,))
    whole = carray(whole_at, (_LETTERS, sizes.shapes))
    memo_keys = carray(memo_keys_at, (sizes.memo,))
    memo_values = carray(memo_values_at, (sizes.memo,))
    lines = carray(lines_at, (sizes.rows, per_page))
    reported = carray(reported_at, (sizes.rows, per_page))
    classes = carray(classes_at, (sizes.rows,))
    index_pages = carray(index_pages_at, (sizes.index,))
    index_rows = carray(index_rows_at, (sizes.index,))
    registers = carray(registers_at, (9,))
    found = carray(found_at, (sizes.found, 6))
    line_bits, distinct = sizes.line_bits, sizes.distinct
    size_of_line = int64(1) << line_bits
    index_mask = uint64(len(index_pages) - 1)
    memo_mask = uint64(len(memo_keys) - 1)
    golden = uint64(0x9E3779B97F4A7C15)
    half = uint64(32)
    last_page, last_row = int64(-1), int64(-1)
    hazards, counted = registers[FOUND], registers[COUNTED]
    at, line_at = registers[AT], registers[LINE_AT]
    status = DONE
    while at < len(rows):
        op = int64(rows[at].op)
        moves_page = op in (_MAP, _UNMAP)
        if op >= LINE_OPS and not moves_page:
            status = THINK
            break
        start = int64(rows[at].address)
        end = start + int64(rows[at].size)
        page = start >> 12
        if end <= start or (end - 1) >> 12 != page:
            status = THINK
            break
        if page != last_page:
            slot = ((uint64(page) * golden) >> half) & index_mask
            while index_pages[slot] != page and index_pages[slot] != -1:
                slot = (slot + uint64(1)) & index_mask
            if index_pages[slot] != page:
                status = THINK
                break
            last_page, last_row = page, int64(index_rows[slot])
        row = last_row
        new_class = int64(-1)
        if moves_page:
            code = int64(rows[at].attributes) if op == _MAP else int64(UNMAP_CODE)
            old_class = int64(classes[row])
            new_class = int64(moves[old_class, agent_of[rows[at].agent], code])
            if new_class < 0 or end - start != 4096 or start & 4095:
                status = THINK
                break
            letter = int64(settings[new_class])
            if letter == settings[old_class]:
                classes[row] = new_class
                at += 1
                continue
        elif op == _WALK:
            letter = int64(walks[agent_of[rows[at].agent], rows[at].attributes & TYPE_MASK])
        elif op <= _ZVA:
            letter = int64(letters[classes[row], agent_of[rows[at].agent], op])
            if op == _ZVA:
                start &= ~int64(63)
                end = (end + 63) & ~int64(63)
        else:
            letter = int64(maintenance[op])
            start &= ~(size_of_line - 1)
            end = (end + size_of_line - 1) & ~(size_of_line - 1)
        if letter == SLOW:
            status = THINK
            break
        first = (start & 4095) >> line_bits
        last = ((end - 1) & 4095) >> line_bits
        index = max(first, line_at)
        line_at = int64(0)
        while index <= last:
            base = (page << 12) + (index << line_bits)
            low = max(start - base, int64(0))
            high = min(end - base, size_of_line)
            shape = int64(lines[row, index])
            if low == 0 and high == size_of_line:
                target = int64(whole[letter, shape])
            else:
                key = uint64(shape << 28 | letter << 23 | low << 12 | high)
                probe = ((key * golden) >> half) & memo_mask
                while memo_keys[probe] != key and memo_keys[probe] != 0:
                    probe = (probe + uint64(1)) & memo_mask
                target = int64(memo_values[probe]) if memo_keys[probe] == key else int64(UNKNOWN)
            if target == UNKNOWN:
                status = MISS
                registers[SHAPE], registers[LETTER] = shape, letter
                registers[START], registers[END] = low, high
                break
            if target & BAD:
                bits = target >> BAD_SHIFT << (FETCH_BITS if op == _FETCH else 0)
                counted += 1
                if not distinct or bits & ~int64(reported[row, index]):
                    if hazards == len(found):
                        status = FULL
                        counted -= 1
                        break
                    found[hazards, 0], found[hazards, 1], found[hazards, 2] = at, base, shape
                    found[hazards, 3], found[hazards, 4], found[hazards, 5] = letter, low, high
                    hazards += 1
                    reported[row, index] |= np.uint8(bits)
                target &= ~int64(BAD)
            lines[row, index] = target
            index += 1
        if status != DONE:
            line_at = index
            break
        if new_class >= 0:
            classes[row] = new_class
        at += 1
    registers[AT], registers[LINE_AT], registers[STATUS] = at, line_at, status
    registers[FOUND], registers[COUNTED] = hazards, counted


EXPORTS = {"run": run}
