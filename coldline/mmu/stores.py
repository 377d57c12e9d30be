# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows a core's changes to its live tables: stores of descriptors, TLB invalidations, exception levels.

A leaf counts from the store that makes it valid. A removed leaf counts until a TLB invalidation of its address.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

from coldline.arm.fields import Sctlr
from coldline.jit.intrinsics import compiled, int64, load64, store64, uint64
from coldline.mmu import formats
from coldline.mmu.alias_events import count_leaf
from coldline.mmu.endings import in_leaf, invalidate, note_removed, tell_changes
from coldline.mmu.memory import PAGE_SHIFT, page_index
from coldline.mmu.stage2_maps import end_entries
from coldline.mmu.switch_events import switch
from coldline.mmu.tables import (
    add_leaf,
    entries_below,
    first_of,
    leaf_kind,
    past_of,
    register_tables,
    rescan,
    rescan_later,
    row_of,
    table_in_ram,
)
from coldline.mmu.view import LPAE, NOWHERE, STAGE2, UNIT_SHIFT, LiveUnit, RemovedLeaf

_M = Sctlr.M.mask
_IN_UNIT = (1 << UNIT_SHIFT) - 1
_U_MARK, _U_LOWEST = LiveUnit.MARK, LiveUnit.LOWEST
_LEVEL, _LEVEL_MASK = LiveUnit.LEVEL.lsb, LiveUnit.LEVEL.mask
_GRANULE, _GRANULE_MASK = LiveUnit.GRANULE.lsb, LiveUnit.GRANULE.mask
_NEVER, _NEVER_MASK = LiveUnit.NEVER.lsb, LiveUnit.NEVER.mask
_REMOVED, _R_ADDRESS, _R_SHIFT = RemovedLeaf.SIZE, RemovedLeaf.ADDRESS, RemovedLeaf.SHIFT
_R_KIND, _R_VIRTUAL = RemovedLeaf.KIND, RemovedLeaf.VIRTUAL


@compiled
def _write_in_part(s: Any, address: int, size: int, value: int, page: int) -> None:
    """Follow a store of part of a descriptor, or to several."""
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
    """Follow a store to a page that has a live table, before memory has the new value.

    STRD changes a long descriptor at once (Arm ARM DDI 0406C A3.5.3), and a front end may report it as two stores:
    the first half waits for the second one.
    """
    if s.format == uint64(LPAE) and size == 4 and address & 3 == 0:
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
    """Follow the store of the lower half of a descriptor that waits for the upper half."""
    if s.half_at != uint64(NOWHERE):
        address, old = int64(s.half_at), int64(s.half_old)
        s.half_at = uint64(NOWHERE)
        value = int64(uint64(old) >> uint64(32) << uint64(32) | s.half_value)
        _replace(s, address, old, value, page_index(s, address))


@compiled
def _leaf(s: Any, descriptor: int, level: int, granule: int, never: int, virtual: int) -> tuple[int, int]:
    """The output address and the kind of the leaf that a descriptor is; the kind is negative if it is none."""
    if not formats.is_valid(s, descriptor) or formats.is_table(s, descriptor, level):
        return 0, -1
    if not formats.is_leaf(s, descriptor, level, granule):
        return 0, -1
    base = int64(formats.output_base(s, descriptor, level, granule, virtual))
    return base, int64(leaf_kind(s, descriptor, level, never))


@compiled
def _replace(s: Any, address: int, old: int, value: int, page: int) -> None:
    """Follow the change of a descriptor from `old` to `value`: its old leaf lasts until a TLB invalidation."""
    if old == value:
        return
    row = row_of(s, page, address)
    mark = int64(load64(row + uint64(_U_MARK)))
    first, end = first_of(mark), past_of(mark)
    offset = address & _IN_UNIT
    if offset < first or offset >= end:
        return
    level = ((mark & _LEVEL_MASK) >> _LEVEL) - 1
    granule, never = (mark & _GRANULE_MASK) >> _GRANULE, (mark & _NEVER_MASK) >> _NEVER
    shift = formats.level_shift(s, level, granule)
    index = (offset - first) >> formats.size_shift(s)
    virtual = int64(load64(row + uint64(_U_LOWEST))) + (index << shift)
    of_stage2 = s.format == uint64(STAGE2)
    if formats.is_valid(s, old):
        if of_stage2:
            end_entries(s, virtual, shift)
            noted = not formats.is_table(s, old, level)
        else:
            base, kind = _leaf(s, old, level, granule, never, virtual)
            noted = kind >= 0 and note_removed(s, base, shift, kind, virtual, not formats.is_valid(s, value))
        if not noted:
            lowest = uint64(virtual) >> uint64(shift) << uint64(shift)
            rescan_later(s, lowest, lowest + ((uint64(1) << uint64(shift)) - uint64(1)))
    if formats.is_valid(s, value):
        if formats.is_table(s, value, level):
            below = never | formats.table_never(s, value)
            table = table_in_ram(s, formats.next_table(s, value, granule))
            register_tables(
                s, table, level + 1, below, granule, entries_below(s, shift, level, granule), virtual
            )
        elif formats.is_leaf(s, value, level, granule):
            if not of_stage2:
                base, kind = _leaf(s, value, level, granule, never, virtual)
                tell_changes(s, base, shift, kind, virtual)
            add_leaf(s, value, level, granule, never, virtual)


@compiled
def change_level(s: Any, level: Any) -> None:
    """Follow a change of the exception level: that level's switches and tables count from now on."""
    before = int64(s.sctlr[s.el])
    s.el = level
    now = int64(s.sctlr[level])
    s.virtual = uint64(now & _M)
    if now & _M and s.rooted != level:
        rescan(s)
    switch(s, now, before)


@compiled
def tlb_invalidated(s: Any, everything: bool, first: int, last: int, everywhere: bool) -> bool:
    """Follow a TLB invalidation, of everything or of the virtual addresses from `first` to `last`.

    Leaves that were removed there end now.
    Where mappings end at barriers they end later; `everywhere` says whether it reaches every core's TLB.
    Returns whether a block ended, or possibly did.
    """
    if s.ends_at_barriers:
        return invalidate(s, everything, first, last, everywhere)
    if s.rescan and (everything or (s.rescan_low <= uint64(last) and uint64(first) <= s.rescan_high)):
        rescan(s)
        return True
    blocks = False
    kept = 0
    for index in range(s.pending_count):
        at = s.pending + uint64(index * _REMOVED)
        base, shift = load64(at + uint64(_R_ADDRESS)), load64(at + uint64(_R_SHIFT))
        kind, virtual = load64(at + uint64(_R_KIND)), load64(at + uint64(_R_VIRTUAL))
        if everything or in_leaf(first, last, virtual, shift):
            blocks = blocks or shift > uint64(PAGE_SHIFT)
            count_leaf(s, int64(base), 1 << int64(shift), int64(kind), -1)
        else:
            to = s.pending + uint64(kept * _REMOVED)
            store64(to + uint64(_R_ADDRESS), base)
            store64(to + uint64(_R_SHIFT), shift)
            store64(to + uint64(_R_KIND), kind)
            store64(to + uint64(_R_VIRTUAL), virtual)
            kept += 1
    s.pending_count = uint64(kept)
    return blocks
