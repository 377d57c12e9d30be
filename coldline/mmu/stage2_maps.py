# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows which page of RAM each intermediate page of a guest is, by the tables of its stage 2.

A leaf counts from the store that makes it valid. One that was removed counts until a TLB invalidation of its
address. The views below which the stage 2 is get the aliases that begin and end.

`t` is the record of a stage 2: see `coldline.mmu.stage2_space`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.arm.stage2_tables import page_of_entry, shift_of_entry
from coldline.jit.intrinsics import (
    compiled,
    int64,
    load8,
    load32,
    load64,
    record_like,
    store8,
    store32,
    store64,
    uint64,
)
from coldline.mmu.alias_events import TYPES, alias_of
from coldline.mmu.frames import NONE, change_frame
from coldline.mmu.memory import PAGE_SHIFT, page_index
from coldline.mmu.slots import present_entry, removed_entry, slot_of
from coldline.mmu.stage2_space import CHUNK_PAGES, CHUNK_SHIFT, IPA_BITS, SLOT
from coldline.mmu.view import NOWHERE

_PAGE_SIZE = 1 << PAGE_SHIFT
_CHUNK = 1 << CHUNK_SHIFT
_IPA_END = 1 << IPA_BITS


@compiled
def _has_table(view: Any, entry: int) -> bool:
    """Whether the page of RAM of an entry has a live table of a view."""
    page = page_index(view, page_of_entry(entry))
    return page >= 0 and load8(view.marks + uint64(page)) != 0


@compiled
def _change(t: Any, slot: int, now: int, old: int) -> None:
    """Give a slot a present and a removed entry; tell the views."""
    now_before, old_before = present_entry(t, slot), removed_entry(t, slot)
    store64(t.now + uint64(SLOT * slot), uint64(now))
    store64(t.old + uint64(SLOT * slot), uint64(old))
    if old:
        t.old_first, t.old_end = min(t.old_first, uint64(slot)), max(t.old_end, uint64(slot + 1))
    t.olds += uint64((1 if old else 0) - (1 if old_before else 0))
    t.mapped += uint64((1 if now else 0) - (1 if now_before else 0))
    if t.mapped == uint64(0) and now_before:
        t.emptied = uint64(1)
    if now and load8(t.awaited + uint64(slot)):
        store8(t.awaited + uint64(slot), np.uint8(0))
        t.grown = uint64(1)
    if t.silent:
        return
    for index in range(t.user_count):
        view = record_like(t, load64(t.users + uint64(8 * index)))
        if now_before and page_of_entry(now) != page_of_entry(now_before) and _has_table(view, now_before):
            t.grown = uint64(1)
        for memory_type in range(TYPES):
            alias = alias_of(view, slot, memory_type)
            if alias != NONE:
                change_frame(view, t, now, memory_type, NONE, alias)
                change_frame(view, t, old, memory_type, NONE, alias)
                change_frame(view, t, now_before, memory_type, alias, NONE)
                change_frame(view, t, old_before, memory_type, alias, NONE)


@compiled
def _chunk_for(t: Any, address: int) -> bool:
    """Make sure that an address has a slot; return False if there is no room."""
    at = t.chunk_of + uint64(4 * (address >> CHUNK_SHIFT))
    if load32(at):
        return True
    if t.chunks == t.most_chunks:
        t.lost += uint64(1)
        return False
    store64(t.chunk_base + uint64(8) * t.chunks, uint64(address >> CHUNK_SHIFT << CHUNK_SHIFT))
    t.chunks += uint64(1)
    store32(at, np.uint32(t.chunks))
    t.grown = uint64(1)
    return True


@compiled
def _has_ram(t: Any, address: int, size: int) -> bool:
    """Whether a physical range has RAM."""
    for bank in range(t.banks):
        base = int64(t.bank_base[bank])
        if address < base + int64(t.bank_size[bank]) and base < address + size:
            return True
    return False


@compiled
def begin_entry(t: Any, address: int, entry: int) -> None:
    """Follow a leaf that becomes valid: `entry` is that of its first page, at an intermediate address.

    One that maps no RAM takes no slots: guests may have terabytes of devices.
    """
    size = 1 << shift_of_entry(entry)
    if not _has_ram(t, page_of_entry(entry), size):
        return
    end = min(address + size, _IPA_END)
    at, of_page = address, entry
    while at < end:
        next_chunk = min((at & ~(_CHUNK - 1)) + _CHUNK, end)
        if not _chunk_for(t, at):
            return
        while at < next_chunk:
            slot = slot_of(t, at)
            now, old = present_entry(t, slot), removed_entry(t, slot)
            if now != of_page:
                # A valid leaf that is replaced may still be in a TLB.
                _change(t, slot, of_page, now if now else old)
            at += _PAGE_SIZE
            of_page += _PAGE_SIZE


@compiled
def end_entries(t: Any, address: int, shift: int) -> None:
    """Follow that no leaf maps 2^`shift` bytes from an intermediate address on any more."""
    at, end = address, min(address + (1 << shift), _IPA_END)
    while at < end:
        slot = slot_of(t, at)
        if slot < 0:
            at = (at & ~(_CHUNK - 1)) + _CHUNK
            continue
        now = present_entry(t, slot)
        if now:
            _change(t, slot, 0, now)
        at += _PAGE_SIZE


@compiled
def _forget_old(t: Any, slot: int) -> None:
    if removed_entry(t, slot):
        _change(t, slot, present_entry(t, slot), 0)


@compiled
def stage2_invalidated(t: Any, everything: bool, first: int, last: int) -> None:
    """Follow a TLB invalidation, of everything or of the intermediate addresses from `first` to `last`.

    Removed leaves end.
    """
    if t.olds == uint64(0):
        return
    if everything:
        for slot in range(int64(t.old_first), int64(t.old_end)):
            _forget_old(t, slot)
        t.old_first, t.old_end = uint64(NOWHERE), uint64(0)
        return
    at = first & ~(_PAGE_SIZE - 1)
    while at <= min(last, _IPA_END - 1):
        slot = slot_of(t, at)
        if slot < 0:
            at = (at & ~(_CHUNK - 1)) + _CHUNK
            continue
        if removed_entry(t, slot):
            _forget_leaf(t, at, shift_of_entry(removed_entry(t, slot)))
        at += _PAGE_SIZE


@compiled
def _forget_leaf(t: Any, address: int, shift: int) -> None:
    """Forget all that a removed leaf of 2^`shift` bytes has mapped."""
    at = address >> shift << shift
    end = min(at + (1 << shift), _IPA_END)
    while at < end:
        slot = slot_of(t, at)
        if slot >= 0:
            _forget_old(t, slot)
        at += _PAGE_SIZE


@compiled
def save_entries(t: Any) -> None:
    """Save all present entries and forget them, until all leaves are found anew."""
    for slot in range(t.chunks * uint64(CHUNK_PAGES)):
        at = uint64(SLOT) * uint64(slot)
        store64(t.saved + at, load64(t.now + at))
        store64(t.now + at, uint64(0))


@compiled
def compare_entries(t: Any, chunks: int, mapped: Any) -> None:
    """Tell the views what differs from the entries that were saved, when there were `chunks` and `mapped` slots.

    Entries that are gone wait for a TLB invalidation.
    """
    t.mapped = mapped
    emptied = t.emptied
    for slot in range(int64(t.chunks) * CHUNK_PAGES):
        at = uint64(SLOT * slot)
        before = int64(load64(t.saved + at)) if slot < chunks * CHUNK_PAGES else int64(0)
        now = present_entry(t, slot)
        if now != before:
            store64(t.now + at, uint64(before))
            _change(t, slot, now, before if before else removed_entry(t, slot))
    t.emptied = uint64(1) if mapped and t.mapped == uint64(0) else emptied
