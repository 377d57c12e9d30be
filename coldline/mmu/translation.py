# SPDX-License-Identifier: GPL-2.0-or-later
"""Translates the guest's addresses by its own tables, and remembers translations as a TLB does.

All functions here are compiled into the emulator's callbacks; `s` is the record of
`coldline.frontends.unicorn.state`.
"""

from typing import Any

import numpy as np

from coldline.arm import MemoryType
from coldline.arm.fields import Sctlr
from coldline.events.op import Op
from coldline.frontends.unicorn.emit import NOWHERE, emit, page_index
from coldline.frontends.unicorn.intrinsics import compiled, int64, load64, store8, store64, uint64
from coldline.frontends.unicorn.state import ADDRESS_MASK, TAG_SHIFT, TLB_ENTRIES
from coldline.mmu import formats

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HASH_SHIFT = np.uint64(32)
_TLB_MASK = np.uint64(TLB_ENTRIES - 1)
_FORGOTTEN = np.uint64(NOWHERE)
_M = Sctlr.M.mask
_C = Sctlr.C.mask
_WALK = int(Op.WALK)
_NORMAL_NC, _NORMAL_WB = int(MemoryType.NORMAL_NC), int(MemoryType.NORMAL_WB)
PAGE_MASK = 0xFFF


@compiled
def _use(s: Any, physical: int) -> bool:
    """Note that the guest uses a page; whether it is one of RAM."""
    page = page_index(s, physical)
    if page >= 0:
        store8(s.used + uint64(page), np.uint8(1))
    return page >= 0


@compiled
def walk(s: Any, address: int) -> int:
    """Translate a virtual address by the guest's tables: tagged physical address, or -1 for a fault.

    Each descriptor that is read is an event.
    """
    sctlr = int64(s.sctlr[s.el])
    if not sctlr & _M:
        return address & ADDRESS_MASK
    which = formats.half(s, address)
    if which == formats.NEITHER:
        return -1
    upper = which == 1
    granule, width = formats.granule(s, upper), formats.input_bits(s, upper)
    walk_type = formats.walk_type(s, upper) if sctlr & _C else _NORMAL_NC
    if s.forced:
        walk_type = _NORMAL_WB
    table = formats.table_base(s, upper, width, granule)
    level = formats.start_level(s, width, granule)
    size_shift = formats.size_shift(s)
    while True:
        shift = formats.level_shift(s, level, granule)
        at = table + (((address >> shift) & ((1 << (width - shift)) - 1)) << size_shift)
        if _use(s, at):
            emit(s, at, 1 << size_shift, _WALK, 0, 1 + walk_type)
        descriptor = formats.read_descriptor(s, at)
        if not formats.is_valid(s, descriptor):
            return -1
        if formats.is_table(s, descriptor, level):
            table = formats.next_table(s, descriptor, granule)
            level += 1
            width = shift
            continue
        if not formats.is_leaf(s, descriptor, level, granule):
            return -1
        base = formats.output_base(s, descriptor, level, granule, address)
        physical = base | (address & ((1 << shift) - 1))
        if page_index(s, physical) < 0:
            return physical & ADDRESS_MASK
        return physical & ADDRESS_MASK | (1 + formats.leaf_type(s, descriptor, level)) << TAG_SHIFT


@compiled
def _slot(s: Any, page: Any) -> Any:
    """Where a virtual page is remembered, or would be: an address in the table of translations."""
    hashed = (page * _GOLDEN) >> _HASH_SHIFT
    while True:
        slot = s.tlb + (hashed & _TLB_MASK) * uint64(24)
        if load64(slot + uint64(8)) != s.generation or load64(slot) == page:
            return slot
        hashed += uint64(1)


@compiled
def translate(s: Any, address: int) -> int:
    """As `walk`, but a page is walked once until a TLB invalidation, whatever the emulator's own TLB holds.

    So the walks in a trace are those of a TLB that never forgets by itself, and a run's are always the same.
    """
    page = uint64(address) >> uint64(12)
    slot = _slot(s, page)
    if load64(slot + uint64(8)) == s.generation and load64(slot + uint64(16)) != _FORGOTTEN:
        return int64(load64(slot + uint64(16))) | (address & PAGE_MASK)
    tagged = walk(s, address)
    if tagged >= 0:
        _use(s, tagged & ADDRESS_MASK)
        if load64(slot + uint64(8)) != s.generation:
            s.translations += uint64(1)
            if s.translations > uint64(TLB_ENTRIES // 2):
                forget_translations(s)
                slot = _slot(s, page)
        store64(slot, page)
        store64(slot + uint64(8), s.generation)
        store64(slot + uint64(16), uint64(tagged & ~PAGE_MASK))
    return tagged


@compiled
def translate_code(s: Any, address: int) -> int:
    """As `translate`, for code: most blocks lie in the page of the one before."""
    page = uint64(address) >> uint64(12)
    if page == s.code_page and s.code_generation == s.generation:
        return int64(s.code_physical) | (address & PAGE_MASK)
    tagged = translate(s, address)
    if tagged >= 0:
        s.code_page, s.code_generation = page, s.generation
        s.code_physical = uint64(tagged & ~PAGE_MASK)
    return tagged


@compiled
def forget_translations(s: Any) -> None:
    """Forget every translation."""
    s.generation += uint64(1)
    s.translations = uint64(0)


@compiled
def forget_page(s: Any, page: Any) -> None:
    """Forget the translation of one virtual page."""
    slot = _slot(s, page)
    if load64(slot + uint64(8)) == s.generation:
        store64(slot + uint64(16), _FORGOTTEN)
    s.code_generation = uint64(0)
