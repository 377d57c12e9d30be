# SPDX-License-Identifier: GPL-2.0-or-later
"""Translates a core's addresses with its own tables, and remembers translations as a TLB does.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.arm import stage2_tables
from coldline.arm.fields import Sctlr
from coldline.arm.stage2 import STAGE2_NORMAL_WB
from coldline.events.appending import emit, note_instruction
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, int64, load64, record_like, store8, store64, uint64
from coldline.mmu import formats
from coldline.mmu.frames import combined
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index
from coldline.mmu.view import ADDRESS_MASK, NOWHERE, TAG_SHIFT, TLB_ENTRIES, Translation
from coldline.support.hashing import GOLDEN

_GOLDEN = np.uint64(GOLDEN)
_HASH_SHIFT = np.uint64(32)
_TLB_MASK = np.uint64(TLB_ENTRIES - 1)
_FORGOTTEN = np.uint64(NOWHERE)
_ROW, _PAGE = np.uint64(Translation.SIZE), np.uint64(Translation.PAGE)
_GENERATION, _PHYSICAL = np.uint64(Translation.GENERATION), np.uint64(Translation.PHYSICAL)
_M = Sctlr.M.mask
_NO_TYPE = -1
_NOTHING_BELOW = int(STAGE2_NORMAL_WB)
_INTERMEDIATE = 1 << 60
"""Added to the number of an intermediate page, among the pages whose translation is remembered."""
_WALK = int(Op.WALK)


@compiled
def _use(s: Any, physical: int) -> bool:
    """Note that the core uses a page; return whether it is in RAM."""
    page = page_index(s, physical)
    if page >= 0:
        store8(s.used + uint64(page), np.uint8(1))
    return page >= 0


@compiled
def walk(s: Any, address: int) -> int:
    """Translate a virtual address with the core's tables: tagged physical address, or -1 for a fault.

    Each descriptor that is read is an event.
    """
    return _walk(s, address, True)


@compiled
def locate(s: Any, address: int) -> int:
    """Translate like `walk`, but as a debugger does: without events."""
    return _walk(s, address, False)


@compiled
def _untagged(physical: int) -> int:
    """A physical address without a tag; one with more bits than there are below it becomes one of the last page."""
    if physical > ADDRESS_MASK:
        return ADDRESS_MASK & ~PAGE_MASK | physical & PAGE_MASK
    return physical


@compiled
def _slot(s: Any, page: Any) -> Any:
    """The address of the row for a virtual page in the table of remembered translations."""
    hashed = (page * _GOLDEN) >> _HASH_SHIFT
    while True:
        slot = s.tlb + (hashed & _TLB_MASK) * _ROW
        if load64(slot + _GENERATION) != s.generation or load64(slot + _PAGE) == page:
            return slot
        hashed += uint64(1)


@compiled
def _remember(s: Any, page: Any, slot: Any, physical: Any) -> None:
    """Remember the translation of a page in the row for it."""
    if load64(slot + _GENERATION) != s.generation:
        s.translations += uint64(1)
        if s.translations > uint64(TLB_ENTRIES // 2):
            forget_translations(s)
            slot = _slot(s, page)
    store64(slot + _PAGE, page)
    store64(slot + _GENERATION, s.generation)
    store64(slot + _PHYSICAL, physical)


@compiled
def _walk_stage2(s: Any, t: Any, address: int, announced: bool) -> int:
    """Translate an intermediate address by the tables of the stage 2: its entry, or -1 for a fault.

    The walker's reads are events of the stage 2's record.
    """
    granule, width = formats.granule(t, False), formats.input_bits(t, False)
    if uint64(address) >> uint64(width):
        return -1
    attributes = formats.walk_attributes(t, False, _NOTHING_BELOW)
    table = formats.table_base(t, False, width, granule)
    level = formats.start_level(t, width, granule)
    while True:
        shift = formats.level_shift(t, level, granule)
        at = table + ((address >> shift & ((1 << (width - shift)) - 1)) << 3)
        if announced and page_index(t, at) >= 0:
            emit(t, at, 8, _WALK, 0, attributes)
        descriptor = formats.read_descriptor(t, at)
        if not formats.is_valid(t, descriptor):
            return -1
        if formats.is_table(t, descriptor, level):
            table = formats.next_table(t, descriptor, granule)
            level += 1
            width = shift
            continue
        if not formats.is_leaf(t, descriptor, level, granule):
            return -1
        base = formats.output_base(t, descriptor, level, granule, address)
        page = address & ((1 << shift) - 1) & ~PAGE_MASK
        return stage2_tables.entry_of(descriptor, base, shift) + page


@compiled
def entry_at(s: Any, address: int, announced: bool) -> int:
    """Return the entry of an intermediate address, as a TLB remembers it, or -1 for a fault."""
    page = uint64(address) >> uint64(PAGE_SHIFT) | uint64(_INTERMEDIATE)
    slot = _slot(s, page)
    if load64(slot + _GENERATION) == s.generation and load64(slot + _PHYSICAL) != _FORGOTTEN:
        return int64(load64(slot + _PHYSICAL))
    entry = _walk_stage2(s, record_like(s, s.below), address, announced)
    if entry >= 0 and announced:
        _remember(s, page, slot, uint64(entry))
    return entry


@compiled
def _through(s: Any, address: int, memory_type: int, announced: bool) -> int:
    """Translate the result of stage 1 by the stage 2: see `walk`."""
    entry = entry_at(s, address, announced)
    if entry < 0:
        return -1
    physical = stage2_tables.page_of_entry(entry) | (address & PAGE_MASK)
    if memory_type < 0 or page_index(s, physical) < 0:
        return _untagged(physical)
    return physical & ADDRESS_MASK | (1 + combined(record_like(s, s.below), entry, memory_type)) << TAG_SHIFT


@compiled
def _walk(s: Any, address: int, announced: bool) -> int:
    s.walk_level = uint64(0)
    if not int64(s.sctlr[s.el]) & _M:
        if s.below:
            return _through(s, address, int64(s.off_type) if s.pinned else int64(_NO_TYPE), announced)
        return address & ADDRESS_MASK
    which = formats.half(s, address)
    if which == formats.NEITHER:
        return -1
    upper = which == 1
    granule, width = formats.granule(s, upper), formats.input_bits(s, upper)
    attributes = formats.walk_attributes(s, upper, int64(s.stage2))
    table = formats.table_base(s, upper, width, granule)
    level = formats.start_level(s, width, granule)
    size_shift = formats.size_shift(s)
    while True:
        shift = formats.level_shift(s, level, granule)
        at = table + (((address >> shift) & ((1 << (width - shift)) - 1)) << size_shift)
        if s.below:
            entry = entry_at(s, at, announced)
            if entry < 0:
                return -1
            at = stage2_tables.page_of_entry(entry) | (at & PAGE_MASK)
            both = int64(record_like(s, s.below).stage2) | stage2_tables.attributes_of_entry(entry)
            attributes = formats.walk_attributes(s, upper, both)
        if announced and _use(s, at):
            emit(s, at, 1 << size_shift, _WALK, 0, attributes)
            note_instruction(s)
        s.walk_level = uint64(level)
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
        if s.below:
            return _through(s, physical, formats.leaf_type(s, descriptor, level), announced)
        if page_index(s, physical) < 0:
            return _untagged(physical)
        return physical & ADDRESS_MASK | (1 + formats.leaf_type(s, descriptor, level)) << TAG_SHIFT


@compiled
def translate(s: Any, address: int) -> int:
    """Like `walk`, but each page is walked only once until a TLB invalidation, whatever TLB an emulator has.

    So the walks in a trace are those of a TLB that evicts nothing, and they are the same in each run.
    """
    page = uint64(address) >> uint64(PAGE_SHIFT)
    slot = _slot(s, page)
    if load64(slot + _GENERATION) == s.generation and load64(slot + _PHYSICAL) != _FORGOTTEN:
        return int64(load64(slot + _PHYSICAL)) | (address & PAGE_MASK)
    tagged = walk(s, address)
    if tagged >= 0:
        _use(s, tagged & ADDRESS_MASK)
        slot = _slot(s, page)  # a walk remembers what is below it
        _remember(s, page, slot, uint64(tagged & ~PAGE_MASK))
    return tagged


@compiled
def next_page(s: Any, tagged: int) -> int:
    """Return the tagged physical address of the next page after the one that holds an address; -1 if unknown.

    "After" means in virtual addresses, as an access that crosses the end of a page continues there. The remembered
    translations tell which virtual page maps the first page. If several do, the pages after them that are remembered
    must agree; otherwise the answer is unknown.
    """
    page = tagged & ~PAGE_MASK
    if not int64(s.sctlr[s.el]) & _M:
        return (page + PAGE_MASK + 1) & ADDRESS_MASK
    candidates, last, found = 0, uint64(0), -1
    for index in range(TLB_ENTRIES):
        slot = s.tlb + uint64(index) * _ROW
        if load64(slot + _GENERATION) == s.generation and load64(slot + _PHYSICAL) == uint64(page):
            candidates += 1
            last = load64(slot + _PAGE) + uint64(1)
            after = _slot(s, last)
            if load64(after + _GENERATION) == s.generation and load64(after + _PHYSICAL) != _FORGOTTEN:
                following = int64(load64(after + _PHYSICAL))
                if found >= 0 and found != following:
                    return -1
                found = following
    return translate(s, int64(last << uint64(PAGE_SHIFT))) if candidates == 1 else found


@compiled
def translate_code(s: Any, address: int) -> int:
    """Like `translate`, for code: most blocks are in the same page as the one before."""
    page = uint64(address) >> uint64(PAGE_SHIFT)
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
    if load64(slot + _GENERATION) == s.generation:
        store64(slot + _PHYSICAL, _FORGOTTEN)
    s.code_generation = uint64(0)
