# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the guest's translation tables, so that its aliases are known as they come and go.

Speculation reaches whatever is mapped, used or not. So every leaf of every live table is counted for the
page that it maps; where a page's first leaf of a kind comes, or its last one goes, the alias is an event. A
new leaf counts from the store that makes it valid; one that is taken out counts until a TLB invalidation.

All functions here are compiled into the emulator's callbacks; `s` is the record of `coldline.boot.state`.
"""

from typing import Any

import numpy as np

from coldline.arm import vmsa
from coldline.arm.fields import Sctlr
from coldline.boot.emit import NOWHERE, emit_change, page_index, read_descriptor, switch
from coldline.boot.native import compiled, int64, load8, load32, load64, store8, store32, store64, uint64
from coldline.boot.state import KINDS, PENDING, STACK

_M = Sctlr.M.mask


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
def _leaf_kind(s: Any, descriptor: int, never: int) -> int:
    """2 * type + executable of a leaf, below tables that impose `never`."""
    memory_type = vmsa.attribute_type(int64(s.mair[s.el]), vmsa.attribute_index(descriptor))
    runs = vmsa.executable(never | vmsa.leaf_never(descriptor), int64(s.el))
    return 2 * memory_type + (1 if runs else 0)


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
        page = page_index(s, table)
        if page < 0 or load8(s.levels + uint64(page)):
            continue
        for part in range(max(1, count >> 9)):
            part_page = page_index(s, table + (part << 12))
            if part_page >= 0:
                store8(s.levels + uint64(part_page), np.uint8(1 + at_level | granule << 3))
                store8(s.never + uint64(part_page), np.uint8(limits))
                part_of = part << (9 + vmsa.level_shift(at_level, granule))
                store64(s.lowest + uint64(8 * part_page), uint64(first_address + part_of))
        for index in range(count):
            descriptor = read_descriptor(s, table + 8 * index)
            if not vmsa.is_valid(descriptor):
                continue
            if vmsa.is_table(descriptor, at_level):
                below = limits | vmsa.table_never(descriptor)
                child = vmsa.next_table(descriptor, granule)
                reach = first_address + (index << vmsa.level_shift(at_level, granule))
                depth = _push(s, depth, child, at_level + 1, below, 1 << (granule - 3), reach)
            elif vmsa.is_leaf(descriptor, at_level, granule):
                base = vmsa.output_base(descriptor, at_level, granule)
                size = 1 << vmsa.level_shift(at_level, granule)
                _count_leaf(s, base, size, _leaf_kind(s, descriptor, limits), 1)


@compiled
def register_root(s: Any, upper: bool) -> None:
    """Take the tables of TTBR0 or TTBR1 as live."""
    tcr = int64(s.tcr[s.el])
    if s.el == 1 and vmsa.walks_disabled(tcr, upper):
        return
    granule, bits = vmsa.granule_bits(tcr, upper), vmsa.input_bits(tcr, upper)
    level = vmsa.start_level(bits, granule)
    ttbr = int64(s.ttbr1[s.el] if upper else s.ttbr0[s.el])
    root = vmsa.table_base(ttbr, bits, granule)
    lowest = ~((1 << bits) - 1) if upper else 0
    _register_tables(s, root, level, 0, granule, 1 << (bits - vmsa.level_shift(level, granule)), lowest)


@compiled
def rescan(s: Any) -> None:
    """Count all leaves anew from the present roots, and say what has changed."""
    pages = int64(s.pages)
    for page in range(pages):
        for memory_type in range(4):
            at = _counts(s, page, memory_type)
            store8(s.aliases + uint64(4 * page + memory_type), np.uint8(_alias(int64(load32(at)))))
            store32(at, np.uint32(0))
        store8(s.levels + uint64(page), np.uint8(0))
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
    """A store of less than a descriptor, or of parts of two: what each of them becomes."""
    base = address & ~7
    shift = 8 * (address - base)
    ones = uint64(NOWHERE) >> uint64(64 - 8 * size)
    low = uint64(read_descriptor(s, base)) & ~(ones << uint64(shift)) | (uint64(value) & ones) << uint64(
        shift
    )
    _write_descriptor(s, base, int64(low), page)
    if shift + 8 * size > 64:
        over = uint64(64 - shift)
        high = uint64(read_descriptor(s, base + 8)) & ~(ones >> over) | (uint64(value) & ones) >> over
        _write_descriptor(s, base + 8, int64(high), page)


@compiled
def table_write(s: Any, address: int, size: int, value: int, page: int) -> None:
    """The guest is about to store into a live table."""
    if size != 8 or address & 7:
        _write_in_part(s, address, size, value, page)
    else:
        _write_descriptor(s, address, value, page)


@compiled
def _write_descriptor(s: Any, address: int, value: int, page: int) -> None:
    mark = int64(load8(s.levels + uint64(page)))
    level, granule = (mark & 7) - 1, mark >> 3
    never = int64(load8(s.never + uint64(page)))
    old = read_descriptor(s, address)
    if old == value:
        return
    shift = vmsa.level_shift(level, granule)
    virtual = int64(load64(s.lowest + uint64(8 * page))) + (((address & 4095) >> 3) << shift)
    if vmsa.is_valid(old):
        leaf = vmsa.is_leaf(old, level, granule) and not vmsa.is_table(old, level)
        if leaf and s.pending_count < PENDING:
            at = s.pending + s.pending_count * uint64(32)
            store64(at, uint64(vmsa.output_base(old, level, granule)))
            store64(at + uint64(8), uint64(shift))
            store64(at + uint64(16), uint64(_leaf_kind(s, old, never)))
            store64(at + uint64(24), uint64(virtual))
            s.pending_count += uint64(1)
        else:
            first = uint64(virtual) >> uint64(shift) << uint64(shift)
            rescan_later(s, first, first + ((uint64(1) << uint64(shift)) - uint64(1)))
    if vmsa.is_valid(value):
        if vmsa.is_table(value, level):
            below = never | vmsa.table_never(value)
            table = vmsa.next_table(value, granule)
            _register_tables(s, table, level + 1, below, granule, 1 << (granule - 3), virtual)
        elif vmsa.is_leaf(value, level, granule):
            base = vmsa.output_base(value, level, granule)
            _count_leaf(s, base, 1 << shift, _leaf_kind(s, value, never), 1)


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
