# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows how a core's mappings end, where its barriers count: a descriptor made invalid, a DSB, a TLBI, a DSB.

A TLB may hold a leaf that was removed until a DSB completes a TLBI that came after a DSB had made the new descriptor
visible to the walker (Arm ARM DDI 0487 "TLB maintenance requirements and the TLB maintenance instructions"). Any DSB
that covers stores does the latter. A TLBI that reaches every core is complete at a DSB of a shareable domain, one of
this core alone also at a DSB of the non-shareable domain.

Events say each step: ``descriptor ... invalid`` once no leaf of a type maps the page any more, and ``tlbi`` where it
reaches all that were removed there. A trace has a barrier for loads and stores alone, so the steps that it tells may
be fewer than those that were done: then an ``unmap`` after the DSB says that the mapping has ended. So it does where
a valid descriptor was replaced with another one, where a whole table was unlinked, and where a root has changed.
``descriptor ... TYPE`` says that a virtual address has got another type while a TLB may hold the old mapping.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

from coldline.events.appending import emit
from coldline.events.op import Op
from coldline.jit.intrinsics import compiled, int64, load64, store64, uint64
from coldline.mmu.alias_events import (
    INVALIDATED,
    REMOVED,
    TYPES,
    announce_changed,
    announce_descriptor,
    endings_of,
    has_live_leaves,
    leaves_end,
    told_of,
)
from coldline.mmu.memory import PAGE_SHIFT, page_address
from coldline.mmu.slots import pages_of, piece_count
from coldline.mmu.tables import recount
from coldline.mmu.view import (
    PENDING,
    REACHED_EVERYWHERE,
    REACHED_HERE,
    WAITS_FOR_DSB,
    WAITS_FOR_ISB,
    Endings,
    LeafKind,
    RemovedLeaf,
)

STORED, SEEN, OF_THIS_CORE, OF_EVERY_CORE = range(4)
"""The stages of a removed leaf: the descriptor is stored; the walker sees it; a TLBI has reached it, of this core's
TLB alone or of every core's."""

UNTOLD, TOLD_STORED, TOLD_SEEN, TOLD_INVALIDATED = range(4)
"""How far a mapping has ended by the events of the trace: not at all; the descriptor is invalid; a DSB has come after
it; a TLBI as well. The next DSB ends it."""

STORES_ALONE = 64
"""In place of an operation: a DSB that covers stores alone."""

_DSB, _DSB_NSH, _ISB = int(Op.DSB), int(Op.DSB_NSH), int(Op.ISB)
_TLBI, _TLBI_ALL = int(Op.TLBI), int(Op.TLBI_ALL)
_SIZE, _ADDRESS, _SHIFT = RemovedLeaf.SIZE, RemovedLeaf.ADDRESS, RemovedLeaf.SHIFT
_KIND, _VIRTUAL, _STAGE = RemovedLeaf.KIND, RemovedLeaf.VIRTUAL, RemovedLeaf.STAGE
_TYPE = LeafKind.TYPE.lsb
_TOLD, _INVALIDATED = Endings.TOLD.lsb, Endings.INVALIDATED.lsb
_COUNT = Endings.REMOVED.mask


@compiled
def _row(s: Any, index: int) -> Any:
    """Where a removed leaf is recorded."""
    return s.pending + uint64(index * _SIZE)


@compiled
def _field(s: Any, index: int, offset: int) -> int:
    return int64(load64(_row(s, index) + uint64(offset)))


@compiled
def note_removed(s: Any, address: int, shift: int, kind: int, virtual: int, is_told: bool) -> bool:
    """Note that a leaf was taken out of a table; return False if there is no room.

    `is_told` says whether its descriptor is invalid now: an event if no other leaf of the type maps the page.
    """
    if s.pending_count >= uint64(PENDING):
        return False
    at = _row(s, int64(s.pending_count))
    for offset, value in ((_ADDRESS, address), (_SHIFT, shift), (_KIND, kind), (_VIRTUAL, virtual)):
        store64(at + uint64(offset), uint64(value))
    store64(at + uint64(_STAGE), uint64(STORED))
    s.pending_count += uint64(1)
    if s.ends_at_barriers:
        s.unseen = uint64(1)
        _begin(s, address, 1 << shift, kind >> _TYPE, is_told and s.tells_endings != uint64(0))
    return True


@compiled
def _begin(s: Any, address: int, size: int, memory_type: int, is_told: bool) -> None:
    """Count a removed leaf for each of its pages; say that its descriptor is invalid where it was the last one."""
    for piece in range(piece_count(s)):
        first, last = pages_of(s, piece, address, size)
        for page in range(first, last):
            at = endings_of(s, page, memory_type)
            endings = int64(load64(at)) + REMOVED
            store64(at, uint64(endings))
            if is_told and told_of(endings) == UNTOLD and not has_live_leaves(s, page, memory_type):
                store64(at, uint64(endings | TOLD_STORED << _TOLD))
                announce_descriptor(s, page, memory_type)


@compiled
def tell_changes(s: Any, address: int, shift: int, kind: int, virtual: int) -> None:
    """Say of the old mappings of a virtual address that a TLB may hold that it maps the same with another type now.

    `kind` is that of its new leaf. Without the MMU no TLB holds a mapping.
    """
    if not (s.ends_at_barriers and s.virtual) or s.below:
        return
    for index in range(s.pending_count):
        same = _field(s, index, _ADDRESS) == address and _field(s, index, _SHIFT) == shift
        if not same or _field(s, index, _VIRTUAL) != virtual:
            continue
        memory_type = _field(s, index, _KIND) >> _TYPE
        if memory_type == kind >> _TYPE:
            continue
        for piece in range(piece_count(s)):
            first, last = pages_of(s, piece, address, 1 << shift)
            for page in range(first, last):
                if not has_live_leaves(s, page, memory_type):
                    announce_changed(s, page, memory_type, kind)


@compiled
def in_leaf(first: int, last: int, virtual: Any, shift: Any) -> bool:
    """Whether any address from `first` to `last` is in the leaf of 2^`shift` bytes that maps `virtual`."""
    low = virtual >> shift << shift
    return uint64(first) <= low + (uint64(1) << shift) - uint64(1) and low <= uint64(last)


@compiled
def invalidate(s: Any, everything: bool, first: int, last: int, everywhere: bool) -> bool:
    """Follow a TLB invalidation, of everything or of virtual addresses, of this core's TLB or of every core's.

    Returns whether it concerns a block, or possibly does.
    """
    blocks = False
    if s.rescan and (everything or (s.rescan_low <= uint64(last) and uint64(first) <= s.rescan_high)):
        blocks = True
        if not s.rescan_waits & uint64(WAITS_FOR_DSB | WAITS_FOR_ISB):
            s.rescan_waits |= uint64(REACHED_EVERYWHERE if everywhere else REACHED_HERE)
            s.invalidated = uint64(1)
    if everything and s.tells_endings:
        emit(s, 0, 0, _TLBI_ALL, 0, 0)
    for index in range(s.pending_count):
        shift = _field(s, index, _SHIFT)
        if not everything and not in_leaf(first, last, uint64(_field(s, index, _VIRTUAL)), uint64(shift)):
            continue
        blocks = blocks or shift > PAGE_SHIFT
        stage = _field(s, index, _STAGE)
        if stage != SEEN:
            continue
        s.invalidated = uint64(1)
        after = OF_EVERY_CORE if everywhere else OF_THIS_CORE
        store64(_row(s, index) + uint64(_STAGE), uint64(after))
        base, memory_type = _field(s, index, _ADDRESS), _field(s, index, _KIND) >> _TYPE
        _reach(s, base, 1 << shift, memory_type, s.tells_endings != uint64(0) and not everything)
    if everything and s.tells_endings:
        _tell_reached(s)
    return blocks


@compiled
def _reach(s: Any, address: int, size: int, memory_type: int, is_told: bool) -> None:
    """Count a leaf as invalidated for each of its pages; say so of those where nothing else is ending."""
    for piece in range(piece_count(s)):
        first, last = pages_of(s, piece, address, size)
        run = first
        for page in range(first, last):
            at = endings_of(s, page, memory_type)
            store64(at, load64(at) + uint64(INVALIDATED))
            if is_told and _takes_tlbi(s, page):
                continue
            _tell(s, run, page)
            run = page + 1
        _tell(s, run, last)


@compiled
def _takes_tlbi(s: Any, page: int) -> bool:
    """Whether a `tlbi` of a page says what has been done; then note that it is told."""
    tells = False
    for memory_type in range(TYPES):
        endings = int64(load64(endings_of(s, page, memory_type)))
        if told_of(endings) != UNTOLD:
            if not _are_all_invalidated(endings):
                return False
            tells = True
    for memory_type in range(TYPES):
        at = endings_of(s, page, memory_type)
        if told_of(int64(load64(at))) == TOLD_SEEN:
            store64(at, load64(at) + uint64(1 << _TOLD))
    return tells


@compiled
def _tell(s: Any, first: int, last: int) -> None:
    """Append a `tlbi` of pages `first` to `last`."""
    if first < last:
        emit(s, page_address(s, first), (last - first) << PAGE_SHIFT, _TLBI, 0, 0)


@compiled
def _are_all_invalidated(endings: int) -> bool:
    return endings & _COUNT == endings >> _INVALIDATED & _COUNT


@compiled
def _tell_reached(s: Any) -> None:
    """Note for the pages of all removed leaves that a `tlbi all` was told."""
    for index in range(s.pending_count):
        _step_told(s, index, TOLD_SEEN)


@compiled
def _step_told(s: Any, index: int, told: int) -> None:
    """Let the pages of a removed leaf whose mapping has ended as far as `told` end one step more."""
    memory_type = _field(s, index, _KIND) >> _TYPE
    for piece in range(piece_count(s)):
        first, last = pages_of(s, piece, _field(s, index, _ADDRESS), 1 << _field(s, index, _SHIFT))
        for page in range(first, last):
            at = endings_of(s, page, memory_type)
            endings = int64(load64(at))
            if told_of(endings) == told:
                store64(at, uint64(endings + (1 << _TOLD)))


@compiled
def end_by_barrier(s: Any, op: int) -> None:
    """Follow a barrier of the core after its event: an ISB, a DSB, one of this core alone, or `STORES_ALONE`."""
    if op == _ISB:
        s.rescan_waits &= ~uint64(WAITS_FOR_ISB)
        return
    if op not in (_DSB, _DSB_NSH, STORES_ALONE) or not (s.unseen or s.invalidated):
        return
    if s.invalidated and op != STORES_ALONE:
        _complete(s, op == _DSB)
    if s.unseen:
        _see(s, op == _DSB)


@compiled
def _see(s: Any, is_event: bool) -> None:
    """Let the walker see every descriptor that was stored; by the trace, too, if the DSB is an event of it."""
    for index in range(s.pending_count):
        if _field(s, index, _STAGE) == STORED:
            store64(_row(s, index) + uint64(_STAGE), uint64(SEEN))
        if is_event:
            _step_told(s, index, TOLD_STORED)
    s.rescan_waits &= ~uint64(WAITS_FOR_DSB)
    s.unseen = uint64(0 if is_event or not s.tells_endings else 1)


@compiled
def _complete(s: Any, everywhere: bool) -> None:
    """End the leaves that a TLBI has reached: those of a TLBI of this core alone, or `everywhere` all."""
    kept, waits = 0, False
    for index in range(s.pending_count):
        stage = _field(s, index, _STAGE)
        if stage == OF_THIS_CORE or (stage == OF_EVERY_CORE and everywhere):
            base, size = _field(s, index, _ADDRESS), 1 << _field(s, index, _SHIFT)
            leaves_end(s, base, size, _field(s, index, _KIND), everywhere)
            continue
        waits = waits or stage == OF_EVERY_CORE
        if kept != index:
            for offset in range(0, _SIZE, 8):
                store64(_row(s, kept) + uint64(offset), load64(_row(s, index) + uint64(offset)))
        kept += 1
    s.pending_count = uint64(kept)
    reached = s.rescan_waits & uint64(REACHED_HERE | REACHED_EVERYWHERE)
    s.invalidated = uint64(1 if waits or reached else 0)
    if reached and (everywhere or reached & uint64(REACHED_HERE)):
        recount(s, False, True)
