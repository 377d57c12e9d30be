# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the guest's translation tables, so that its aliases are known as they come and go.

Speculation reaches whatever is mapped, used or not. So every leaf of every live table is counted for the
page that it maps; where a page's first leaf of a kind comes, or its last one goes, the alias is an event. A
new leaf counts from the store that makes it valid; one that is taken out counts until a TLB invalidation.

All functions here are compiled into the emulator's callbacks; `s` is the record of
`coldline.frontends.unicorn.state`.
"""

from typing import Any

import numpy as np

from coldline.arm.fields import Sctlr
from coldline.frontends.unicorn.emit import NOWHERE, emit_change, page_index, switch
from coldline.frontends.unicorn.intrinsics import (
    compiled,
    int64,
    load8,
    load32,
    load64,
    store8,
    store32,
    store64,
    uint64,
)
from coldline.frontends.unicorn.state import KINDS, LONG, PENDING, STACK, UNIT_SHIFT, UNITS
from coldline.mmu import formats

_M = Sctlr.M.mask
_UNIT = 1 << UNIT_SHIFT
_IN_UNIT = _UNIT - 1


@compiled
def _alias(counts: int) -> int:
    """0 where no leaf of a type maps a page, 1 where one does, 2 where an executable one does; of its `_counts`."""
    if counts >> 16:
        return 2
    return 1 if counts else 0


@compiled
def _counts(s: Any, page: int, memory_type: int) -> Any:
    """Where a page's leaves of a type are counted: in 16 bits, and in the 16 above those that are executable."""
    return s.refs + uint64(2 * (page * KINDS + 2 * memory_type))


@compiled
def _count_leaf(s: Any, address: int, size: int, kind: int, change: int) -> None:
    """Count a leaf in or out for each RAM page that it maps, in runs of pages that change alike."""
    memory_type = kind >> 1
    shift = 16 * (kind & 1)
    for bank in range(s.banks):
        base, length = int64(s.bank_base[bank]), int64(s.bank_size[bank])
        start, end = max(address, base), min(address + size, base + length)
        first = int64(s.bank_page[bank]) + ((start - base) >> 12)
        last = first + ((end - start) >> 12)
        run_first, run_before, run_after = first, 0, 0
        for page in range(first, last):
            at = _counts(s, page, memory_type)
            counts = int64(load32(at))
            before = _alias(counts)
            count = (counts >> shift) & 0xFFFF
            counts += (min(max(count + change, 0), 0xFFFF) - count) << shift
            store32(at, np.uint32(counts))
            after = _alias(counts)
            if before != run_before or after != run_after:
                emit_change(s, run_first, page, memory_type, run_before, run_after)
                run_first, run_before, run_after = page, before, after
        if last > first:
            emit_change(s, run_first, last, memory_type, run_before, run_after)


@compiled
def _leaf_kind(s: Any, descriptor: int, level: int, never: int) -> int:
    """2 * type + executable of a leaf, below tables that impose `never`."""
    runs = formats.executable(s, descriptor, level, never)
    return 2 * formats.leaf_type(s, descriptor, level) + (1 if runs else 0)


@compiled
def rescan_later(s: Any, lowest: Any, highest: Any) -> None:
    """Count anew at the next TLB invalidation of an address from `lowest` to `highest`."""
    if not s.rescan:
        s.rescan_low, s.rescan_high = lowest, highest
    s.rescan = uint64(1)
    s.rescan_low, s.rescan_high = min(s.rescan_low, lowest), max(s.rescan_high, highest)


@compiled
def _push(s: Any, depth: int, table: int, level: int, never: int, entries: int, lowest: int) -> int:
    """Note a table to register; where there is no room, all is looked at again at the next occasion."""
    if depth == STACK:
        rescan_later(s, uint64(0), uint64(NOWHERE))
        return depth
    at = s.stack + uint64(40 * depth)
    store64(at + uint64(32), uint64(lowest))
    store64(at, uint64(table))
    store64(at + uint64(8), uint64(level))
    store64(at + uint64(16), uint64(never))
    store64(at + uint64(24), uint64(entries))
    return depth + 1


@compiled
def _row(s: Any, page: int, address: int) -> Any:
    """Where it is kept what table lies in a part of a RAM page: two words, the second its first virtual address.

    The first is 1 + its level in 3 bits, its granule in 5, the execute-never bits that are imposed on it in 8, and
    which bytes of the part it has, the first and the one past the last, in 16 each; 0 where there is none.
    """
    return s.units + uint64(16 * (page * UNITS + ((address >> UNIT_SHIFT) & (UNITS - 1))))


@compiled
def _entries(s: Any, shift: int, level: int, granule: int) -> int:
    """How many descriptors a table has that one of `level`, of 2^`shift` bytes, points to."""
    return 1 << (shift - formats.level_shift(s, level + 1, granule))


@compiled
def _is_followed(s: Any, table: int) -> bool:
    """Whether stores to a table are followed already."""
    mark = int64(load64(_row(s, page_index(s, table), table)))
    offset = table & _IN_UNIT
    return (mark >> 16) & 0xFFFF <= offset and offset < (mark >> 32) & 0xFFFF


@compiled
def _follow(s: Any, table: int, level: int, never: int, granule: int, entries: int, lowest: int) -> None:
    """Follow stores to a table; where another one is in the same part of a page, look at all again later."""
    size_shift, shift = formats.size_shift(s), formats.level_shift(s, level, granule)
    end = table + (entries << size_shift)
    at = table
    while at < end:
        next_unit = (at & ~_IN_UNIT) + _UNIT
        page = page_index(s, at)
        if page >= 0:
            row = _row(s, page, at)
            if load64(row):
                rescan_later(s, uint64(0), uint64(NOWHERE))
            else:
                first = at & _IN_UNIT
                past = min(end, next_unit) - at + first
                store8(s.marks + uint64(page), np.uint8(1))
                store64(row, uint64(1 + level | granule << 3 | never << 8 | first << 16 | past << 32))
                store64(row + uint64(8), uint64(lowest + (((at - table) >> size_shift) << shift)))
        at = next_unit


@compiled
def _register_tables(
    s: Any, root: int, level: int, never: int, granule: int, entries: int, lowest: int
) -> None:
    """Take a table and all below it as live, unless it is known already; count their leaves in.

    `lowest` is the first virtual address that the table translates. One that is linked in more than one place
    is known by the first.
    """
    depth = _push(s, 0, root, level, never, entries, lowest)
    while depth:
        depth -= 1
        at = s.stack + uint64(40 * depth)
        first_address = int64(load64(at + uint64(32)))
        table, at_level = int64(load64(at)), int64(load64(at + uint64(8)))
        limits, count = int64(load64(at + uint64(16))), int64(load64(at + uint64(24)))
        if page_index(s, table) < 0 or _is_followed(s, table):
            continue
        _follow(s, table, at_level, limits, granule, count, first_address)
        size_shift = formats.size_shift(s)
        shift = formats.level_shift(s, at_level, granule)
        for index in range(count):
            descriptor = formats.read_descriptor(s, table + (index << size_shift))
            if not formats.is_valid(s, descriptor):
                continue
            reach = first_address + (index << shift)
            if formats.is_table(s, descriptor, at_level):
                below = limits | formats.table_never(s, descriptor)
                child = formats.next_table(s, descriptor, granule)
                depth = _push(
                    s, depth, child, at_level + 1, below, _entries(s, shift, at_level, granule), reach
                )
            elif formats.is_leaf(s, descriptor, at_level, granule):
                base = formats.output_base(s, descriptor, at_level, granule, reach)
                _count_leaf(s, base, 1 << shift, _leaf_kind(s, descriptor, at_level, limits), 1)


@compiled
def register_root(s: Any, upper: bool) -> None:
    """Take the tables of TTBR0 or TTBR1 as live."""
    if not formats.has_root(s, upper):
        return
    granule, bits = formats.granule(s, upper), formats.input_bits(s, upper)
    level = formats.start_level(s, bits, granule)
    shift = formats.level_shift(s, level, granule)
    lowest = formats.lowest_address(s, upper)
    first, end = formats.used_addresses(s, upper)
    skipped = (first - lowest) >> shift
    entries = ((end - lowest + (1 << shift) - 1) >> shift) - skipped
    root = formats.table_base(s, upper, bits, granule) + (skipped << formats.size_shift(s))
    _register_tables(s, root, level, 0, granule, entries, lowest + (skipped << shift))


@compiled
def rescan(s: Any) -> None:
    """Count all leaves anew from the present roots, and say what has changed."""
    pages = int64(s.pages)
    for page in range(pages):
        for memory_type in range(4):
            at = _counts(s, page, memory_type)
            store8(s.aliases + uint64(4 * page + memory_type), np.uint8(_alias(int64(load32(at)))))
            store32(at, np.uint32(0))
        if load8(s.marks + uint64(page)):
            store8(s.marks + uint64(page), np.uint8(0))
            for unit in range(UNITS):
                store64(s.units + uint64(16 * (page * UNITS + unit)), uint64(0))
    s.pending_count = uint64(0)
    s.rescan = uint64(0)
    s.rooted = s.el
    forced, s.forced = s.forced, uint64(1)  # counting is silent: what changed is said below
    register_root(s, False)
    if s.el == 1:
        register_root(s, True)
    s.forced = forced
    for memory_type in range(4):
        for bank in range(s.banks):
            first = int64(s.bank_page[bank])
            last = first + int64(s.bank_size[bank] >> uint64(12))
            run, run_before, run_after = first, 0, 0
            for page in range(first, last):
                before = int64(load8(s.aliases + uint64(4 * page + memory_type)))
                after = _alias(int64(load32(_counts(s, page, memory_type))))
                if before != run_before or after != run_after:
                    emit_change(s, run, page, memory_type, run_before, run_after)
                    run, run_before, run_after = page, before, after
            emit_change(s, run, last, memory_type, run_before, run_after)


# As the guest runs ------------------------------------------------------------------------------------------


@compiled
def _write_in_part(s: Any, address: int, size: int, value: int, page: int) -> None:
    """A store of less than a descriptor, or of parts of several: what each of them becomes."""
    length = 1 << formats.size_shift(s)
    whole = uint64(NOWHERE) >> uint64(64 - 8 * length)
    ones = uint64(NOWHERE) >> uint64(64 - 8 * size)
    stored = uint64(value) & ones
    base = address & ~(length - 1)
    while base < address + size:
        if base < address:
            shift = uint64(8 * (address - base))
            mask, bits = ones << shift, stored << shift
        else:
            shift = uint64(8 * (base - address))
            mask, bits = ones >> shift, stored >> shift
        old = formats.read_descriptor(s, base)
        _replace(s, base, old, int64((uint64(old) & ~mask | bits) & whole), page)
        base += length


@compiled
def table_write(s: Any, address: int, size: int, value: int, page: int) -> None:
    """The guest is about to store into a page that has a live table.

    The emulator makes two stores of STRD, which changes a long descriptor at once (Arm ARM DDI 0406C A3.5.3): the
    first half waits for the second one.
    """
    if s.format == uint64(LONG) and size == 4 and address & 3 == 0:
        if s.half_at == uint64(address - 4) and address & 4:
            s.half_at = uint64(NOWHERE)
            _replace(s, address - 4, int64(s.half_old), value << 32 | int64(s.half_value), page)
            return
        settle_half(s)
        if not address & 4:
            s.half_at, s.half_value = uint64(address), uint64(value) & uint64(0xFFFFFFFF)
            s.half_old = uint64(formats.read_descriptor(s, address))
            return
    settle_half(s)
    length = 1 << formats.size_shift(s)
    if size != length or address & (length - 1):
        _write_in_part(s, address, size, value, page)
    else:
        old = formats.read_descriptor(s, address)
        _replace(s, address, old, value if length == 8 else value & 0xFFFFFFFF, page)


@compiled
def settle_half(s: Any) -> None:
    """What waits for a second half waits no longer."""
    if s.half_at != uint64(NOWHERE):
        address, old = int64(s.half_at), int64(s.half_old)
        s.half_at = uint64(NOWHERE)
        value = int64(uint64(old) >> uint64(32) << uint64(32) | s.half_value)
        _replace(s, address, old, value, page_index(s, address))


@compiled
def _replace(s: Any, address: int, old: int, value: int, page: int) -> None:
    """What follows from a descriptor's being `value`, where it was `old`."""
    if old == value:
        return
    row = _row(s, page, address)
    mark = int64(load64(row))
    first, end = (mark >> 16) & 0xFFFF, (mark >> 32) & 0xFFFF
    offset = address & _IN_UNIT
    if offset < first or offset >= end:
        return
    level, granule, never = (mark & 7) - 1, (mark & 0xFF) >> 3, (mark >> 8) & 0xFF
    shift = formats.level_shift(s, level, granule)
    index = (offset - first) >> formats.size_shift(s)
    virtual = int64(load64(row + uint64(8))) + (index << shift)
    if formats.is_valid(s, old):
        leaf = formats.is_leaf(s, old, level, granule) and not formats.is_table(s, old, level)
        if leaf and s.pending_count < PENDING:
            at = s.pending + s.pending_count * uint64(32)
            store64(at, uint64(formats.output_base(s, old, level, granule, virtual)))
            store64(at + uint64(8), uint64(shift))
            store64(at + uint64(16), uint64(_leaf_kind(s, old, level, never)))
            store64(at + uint64(24), uint64(virtual))
            s.pending_count += uint64(1)
        else:
            lowest = uint64(virtual) >> uint64(shift) << uint64(shift)
            rescan_later(s, lowest, lowest + ((uint64(1) << uint64(shift)) - uint64(1)))
    if formats.is_valid(s, value):
        if formats.is_table(s, value, level):
            below = never | formats.table_never(s, value)
            table = formats.next_table(s, value, granule)
            _register_tables(s, table, level + 1, below, granule, _entries(s, shift, level, granule), virtual)
        elif formats.is_leaf(s, value, level, granule):
            base = formats.output_base(s, value, level, granule, virtual)
            _count_leaf(s, base, 1 << shift, _leaf_kind(s, value, level, never), 1)


@compiled
def change_level(s: Any, level: Any) -> None:
    """The guest runs at another exception level now, with that level's switches and tables."""
    before = int64(s.sctlr[s.el])
    s.el = level
    now = int64(s.sctlr[level])
    s.virtual = uint64(now & _M)
    if now & _M and s.rooted != level:
        rescan(s)
    switch(s, now, before)


@compiled
def tlb_invalidated(s: Any, everything: bool, address: int) -> bool:
    """A TLB invalidation, of everything or of one virtual address: what was taken out there is gone now.

    True where more than a page is gone.
    """
    if s.rescan and (everything or s.rescan_low <= uint64(address) <= s.rescan_high):
        rescan(s)
        return True
    blocks = False
    kept = 0
    for index in range(s.pending_count):
        at = s.pending + uint64(index * 32)
        base, shift = load64(at), load64(at + uint64(8))
        kind, virtual = load64(at + uint64(16)), load64(at + uint64(24))
        if everything or (uint64(address) ^ virtual) >> shift == uint64(0):
            blocks = blocks or shift > uint64(12)
            _count_leaf(s, int64(base), 1 << int64(shift), int64(kind), -1)
        else:
            to = s.pending + uint64(kept * 32)
            store64(to, base)
            store64(to + uint64(8), shift)
            store64(to + uint64(16), kind)
            store64(to + uint64(24), virtual)
            kept += 1
    s.pending_count = uint64(kept)
    return blocks
