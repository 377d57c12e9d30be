# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers a core's live translation tables: those that its TTBRs point to, and all below them.

The leaves of a live table are counted as it is registered (`coldline.mmu.alias_events`), and stores to it are
followed from then on (`coldline.mmu.stores`).

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.arm import stage2_tables
from coldline.arm.fields import Sctlr
from coldline.jit.intrinsics import compiled, int64, load8, load64, record_like, store8, store64, uint64
from coldline.mmu import formats
from coldline.mmu.alias_events import announce_all, count_leaf, endings_of, keep_removed, save_aliases
from coldline.mmu.memory import PAGE_MASK, page_index
from coldline.mmu.slots import pages_of, piece_count, present_entry, slot_of
from coldline.mmu.stage2_maps import begin_entry, compare_entries, save_entries
from coldline.mmu.stage2_space import IPA_BITS
from coldline.mmu.view import (
    NOWHERE,
    STACK,
    STAGE2,
    UNIT_SHIFT,
    UNITS,
    WAITS_FOR_DSB,
    WAITS_FOR_ISB,
    LeafKind,
    LiveUnit,
    RemovedLeaf,
    WaitingTable,
)

_M = Sctlr.M.mask
_UNIT = 1 << UNIT_SHIFT
_IN_UNIT = _UNIT - 1
_UNIT_ROW, _U_MARK, _U_LOWEST = LiveUnit.SIZE, LiveUnit.MARK, LiveUnit.LOWEST
_LEVEL, _GRANULE, _NEVER = LiveUnit.LEVEL.lsb, LiveUnit.GRANULE.lsb, LiveUnit.NEVER.lsb
_FIRST, _PAST = LiveUnit.FIRST.lsb, LiveUnit.PAST.lsb
_OFFSET = LiveUnit.FIRST.mask >> LiveUnit.FIRST.lsb
_WAITING, _W_ADDRESS, _W_LEVEL = WaitingTable.SIZE, WaitingTable.ADDRESS, WaitingTable.LEVEL
_W_NEVER, _W_ENTRIES, _W_LOWEST = WaitingTable.NEVER, WaitingTable.ENTRIES, WaitingTable.LOWEST
_R_ADDRESS, _R_SHIFT = RemovedLeaf.ADDRESS, RemovedLeaf.SHIFT
_R_KIND, _R_SIZE = RemovedLeaf.KIND, RemovedLeaf.SIZE
_TYPE, _EXECUTABLE = LeafKind.TYPE.lsb, LeafKind.EXECUTABLE.mask


@compiled
def leaf_kind(s: Any, descriptor: int, level: int, never: int) -> int:
    """Return the `LeafKind` of a leaf, below tables that impose `never`."""
    runs = formats.executable(s, descriptor, level, never)
    return formats.leaf_type(s, descriptor, level) << _TYPE | (_EXECUTABLE if runs else 0)


@compiled
def first_of(mark: int) -> int:
    """Return the offset in its unit of a live table's first byte."""
    return (mark >> _FIRST) & _OFFSET


@compiled
def past_of(mark: int) -> int:
    """Return the offset in its unit of the byte past a live table's last one."""
    return (mark >> _PAST) & _OFFSET


@compiled
def rescan_later(s: Any, lowest: Any, highest: Any) -> None:
    """Request a new count of all leaves at the next TLB invalidation of an address from `lowest` to `highest`."""
    if not s.rescan:
        s.rescan_low, s.rescan_high = lowest, highest
    s.rescan = s.unseen = uint64(1)
    s.rescan_waits = s.rescan_waits & uint64(WAITS_FOR_ISB) | uint64(WAITS_FOR_DSB)
    s.rescan_low, s.rescan_high = min(s.rescan_low, lowest), max(s.rescan_high, highest)


@compiled
def _push(s: Any, depth: int, table: int, level: int, never: int, entries: int, lowest: int) -> int:
    """Put a table on the stack; if the stack is full, request a new count of all leaves at the next invalidation."""
    if depth == STACK:
        rescan_later(s, uint64(0), uint64(NOWHERE))
        return depth
    at = s.stack + uint64(_WAITING * depth)
    store64(at + uint64(_W_ADDRESS), uint64(table))
    store64(at + uint64(_W_LEVEL), uint64(level))
    store64(at + uint64(_W_NEVER), uint64(never))
    store64(at + uint64(_W_ENTRIES), uint64(entries))
    store64(at + uint64(_W_LOWEST), uint64(lowest))
    return depth + 1


@compiled
def row_of(s: Any, page: int, address: int) -> Any:
    """Return where the `LiveUnit` of an address in a RAM page is."""
    return s.units + uint64(_UNIT_ROW * (page * UNITS + ((address >> UNIT_SHIFT) & (UNITS - 1))))


@compiled
def entries_below(s: Any, shift: int, level: int, granule: int) -> int:
    """The number of descriptors in the table that a descriptor of `level`, for 2^`shift` bytes, points to."""
    return 1 << (shift - formats.level_shift(s, level + 1, granule))


@compiled
def _is_followed(s: Any, table: int) -> bool:
    """Whether stores to a table are followed already."""
    mark = int64(load64(row_of(s, page_index(s, table), table) + uint64(_U_MARK)))
    offset = table & _IN_UNIT
    return first_of(mark) <= offset and offset < past_of(mark)


@compiled
def _follow(s: Any, table: int, level: int, never: int, granule: int, entries: int, lowest: int) -> None:
    """Follow stores to a table; if another one is in the same unit, request a new count of all leaves."""
    size_shift, shift = formats.size_shift(s), formats.level_shift(s, level, granule)
    mark = (1 + level) << _LEVEL | granule << _GRANULE | never << _NEVER
    end = table + (entries << size_shift)
    at = table
    while at < end:
        next_unit = (at & ~_IN_UNIT) + _UNIT
        page = page_index(s, at)
        if page >= 0:
            row = row_of(s, page, at)
            if load64(row + uint64(_U_MARK)):
                rescan_later(s, uint64(0), uint64(NOWHERE))
            else:
                first = at & _IN_UNIT
                past = min(end, next_unit) - at + first
                store8(s.marks + uint64(page), np.uint8(1))
                store64(row + uint64(_U_MARK), uint64(mark | first << _FIRST | past << _PAST))
                store64(row + uint64(_U_LOWEST), uint64(lowest + (((at - table) >> size_shift) << shift)))
        at = next_unit


@compiled
def table_in_ram(s: Any, address: int) -> int:
    """The physical address of a table, from the one that registers and descriptors have; -1 if there is none yet."""
    if s.below:
        t = record_like(s, s.below)
        slot = slot_of(t, address)
        entry = present_entry(t, slot) if slot >= 0 else int64(0)
        if slot >= 0 and not entry:
            store8(t.awaited + uint64(slot), np.uint8(1))
        return stage2_tables.page_of_entry(entry) | (address & PAGE_MASK) if entry else int64(-1)
    return address


@compiled
def add_leaf(s: Any, descriptor: int, level: int, granule: int, never: int, reach: int) -> None:
    """Count a leaf that is valid from now on, the descriptor of `reach`, below tables that impose `never`."""
    base, shift = (
        formats.output_base(s, descriptor, level, granule, reach),
        formats.level_shift(s, level, granule),
    )
    if s.format == uint64(STAGE2):
        begin_entry(s, reach, stage2_tables.entry_of(descriptor, base, shift))
    else:
        count_leaf(s, base, 1 << shift, leaf_kind(s, descriptor, level, never), 1)


@compiled
def register_tables(
    s: Any, root: int, level: int, never: int, granule: int, entries: int, lowest: int
) -> None:
    """Register a table and all below it as live, unless it is registered already; count their leaves.

    `lowest` is the first virtual address that the table translates. A table that is linked in several places keeps
    the first such address.
    """
    depth = _push(s, 0, root, level, never, entries, lowest)
    while depth:
        depth -= 1
        at = s.stack + uint64(_WAITING * depth)
        table, at_level = int64(load64(at + uint64(_W_ADDRESS))), int64(load64(at + uint64(_W_LEVEL)))
        limits, count = int64(load64(at + uint64(_W_NEVER))), int64(load64(at + uint64(_W_ENTRIES)))
        first_address = int64(load64(at + uint64(_W_LOWEST)))
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
                child = table_in_ram(s, formats.next_table(s, descriptor, granule))
                depth = _push(
                    s, depth, child, at_level + 1, below, entries_below(s, shift, at_level, granule), reach
                )
            elif formats.is_leaf(s, descriptor, at_level, granule):
                add_leaf(s, descriptor, at_level, granule, limits, reach)


@compiled
def register_root(s: Any, upper: bool) -> None:
    """Register the tables of TTBR0 or TTBR1 as live."""
    if not formats.has_root(s, upper):
        return
    granule, bits = formats.granule(s, upper), formats.input_bits(s, upper)
    level = formats.start_level(s, bits, granule)
    shift = formats.level_shift(s, level, granule)
    lowest = formats.lowest_address(s, upper)
    first, end = formats.used_addresses(s, upper)
    skipped = (first - lowest) >> shift
    entries = ((end - lowest + (1 << shift) - 1) >> shift) - skipped
    base = table_in_ram(s, formats.table_base(s, upper, bits, granule))
    if base < 0:
        return
    root = base + (skipped << formats.size_shift(s))
    register_tables(s, root, level, 0, granule, entries, lowest + (skipped << shift))


@compiled
def rescan(s: Any) -> None:
    """Count all leaves again from the present roots, and announce changes."""
    recount(s, False, False)


@compiled
def _count_removed(s: Any) -> None:
    """Count the leaves that were removed and have not ended."""
    for index in range(s.pending_count):
        at = s.pending + uint64(index * _R_SIZE)
        address, shift = load64(at + uint64(_R_ADDRESS)), load64(at + uint64(_R_SHIFT))
        kind = int64(load64(at + uint64(_R_KIND)))
        count_leaf(s, int64(address), 1 << int64(shift), kind, 1)


@compiled
def _forget_removed(s: Any) -> None:
    """Forget the leaves that were removed and have not ended."""
    for index in range(s.pending_count if s.ends_at_barriers else uint64(0)):
        at = s.pending + uint64(index * _R_SIZE)
        address, shift = load64(at + uint64(_R_ADDRESS)), load64(at + uint64(_R_SHIFT))
        memory_type = int64(load64(at + uint64(_R_KIND))) >> _TYPE
        for piece in range(piece_count(s)):
            first, last = pages_of(s, piece, int64(address), 1 << int64(shift))
            for page in range(first, last):
                store64(endings_of(s, page, memory_type), uint64(0))
    s.pending_count = uint64(0)
    s.invalidated = uint64(0)


@compiled
def _forget_tables(s: Any) -> None:
    """Follow no table any more."""
    for page in range(int64(s.pages)):
        if load8(s.marks + uint64(page)):
            store8(s.marks + uint64(page), np.uint8(0))
            for unit in range(UNITS):
                store64(s.units + uint64(_UNIT_ROW * (page * UNITS + unit) + _U_MARK), uint64(0))


@compiled
def _recount_stage2(t: Any) -> None:
    """Find all leaves of a stage 2 anew; those that are gone last until the next TLB invalidation."""
    chunks, mapped = int64(t.chunks), t.mapped
    _forget_tables(t)
    save_entries(t)
    t.rescan = uint64(0)
    t.silent = uint64(1)
    register_root(t, False)
    t.silent = uint64(0)
    compare_entries(t, chunks, mapped)


@compiled
def recount(s: Any, keeps: bool, goes_on: bool) -> None:
    """`rescan`, or with `keeps` only what it adds: leaves that were removed last until the next TLB invalidation.

    With `goes_on`, single leaves that were removed last as long as the barriers say.
    """
    if s.format == uint64(STAGE2):
        _recount_stage2(s)
        return
    save_aliases(s)
    _forget_tables(s)
    if not goes_on:
        _forget_removed(s)
    s.rescan = s.rescan_waits = uint64(0)
    s.rooted = s.el
    silent, s.silent = s.silent, uint64(1)  # what has changed is announced below
    if s.pinned and not int64(s.sctlr[s.el]) & _M:
        count_leaf(s, 0, 1 << IPA_BITS, int64(s.off_type) << _TYPE | _EXECUTABLE, 1)
    else:
        register_root(s, False)
        if s.el == 1:
            register_root(s, True)
    if goes_on:
        _count_removed(s)
    s.silent = silent
    if keeps and keep_removed(s):
        rescan_later(s, uint64(0), uint64(NOWHERE))
    announce_all(s)
