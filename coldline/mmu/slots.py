# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages that leaves are counted for: those of RAM, or below a guest's tables the slots of its stage 2.

`s` is a record with the fields of `coldline.mmu.view`, and `t` that of a stage 2: see `coldline.mmu.stage2_space`.
Imported only to compile.
"""

from typing import Any

from coldline.jit.intrinsics import compiled, int64, load32, load64, record_like, uint64
from coldline.mmu.memory import PAGE_SHIFT
from coldline.mmu.stage2_space import CHUNK_PAGES, CHUNK_SHIFT, IPA_BITS, SLOT

_CHUNK_MASK = (1 << CHUNK_SHIFT) - 1


@compiled
def slot_of(t: Any, address: int) -> int:
    """Return the slot of an intermediate address, or -1 if it has none."""
    if uint64(address) >> uint64(IPA_BITS):
        return -1
    chunk = int64(load32(t.chunk_of + uint64(4 * (address >> CHUNK_SHIFT))))
    if chunk == 0:
        return -1
    return (chunk - 1) * CHUNK_PAGES + ((address & _CHUNK_MASK) >> PAGE_SHIFT)


@compiled
def present_entry(t: Any, slot: int) -> int:
    """Return the present entry of a slot."""
    return int64(load64(t.now + uint64(SLOT * slot)))


@compiled
def removed_entry(t: Any, slot: int) -> int:
    """Return the entry of a slot that waits for a TLB invalidation."""
    return int64(load64(t.old + uint64(SLOT * slot)))


@compiled
def piece_count(s: Any) -> int:
    """The number of pieces in which the pages come: banks of RAM, or chunks."""
    return int64(record_like(s, s.below).chunks) if s.below else int64(s.banks)


@compiled
def pieces_of(s: Any, address: int, size: int) -> tuple[int, int]:
    """The first piece that may have pages of a leaf, which is aligned to its size, and the one past the last."""
    if s.below and size <= 1 << CHUNK_SHIFT:
        slot = slot_of(record_like(s, s.below), address)
        return (slot // CHUNK_PAGES, slot // CHUNK_PAGES + 1) if slot >= 0 else (0, 0)
    return 0, piece_count(s)


@compiled
def piece_pages(s: Any, piece: int) -> tuple[int, int, int]:
    """The first page of a piece, the one past its last, and the address of the first one."""
    if s.below:
        base = int64(load64(record_like(s, s.below).chunk_base + uint64(8 * piece)))
        return piece * CHUNK_PAGES, (piece + 1) * CHUNK_PAGES, base
    first = int64(s.bank_page[piece])
    return first, first + int64(s.bank_size[piece] >> uint64(PAGE_SHIFT)), int64(s.bank_base[piece])


@compiled
def pages_of(s: Any, piece: int, address: int, size: int) -> tuple[int, int]:
    """Return the first page of a range in a piece, and the one past its last; an empty range if there is none."""
    begin, end, base = piece_pages(s, piece)
    length = (end - begin) << PAGE_SHIFT
    start, past = max(address, base), min(address + size, base + length)
    first = begin + ((start - base) >> PAGE_SHIFT)
    return first, max(first, first + ((past - start) >> PAGE_SHIFT))


@compiled
def page_count(s: Any) -> int:
    """The number of pages."""
    return piece_count(s) * CHUNK_PAGES if s.below else int64(s.pages)
