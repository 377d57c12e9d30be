# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts the leaves that map each page of RAM, and announces where a core's aliases begin and end.

Speculation can reach any mapped page, whether it is used or not. So every leaf of every live table is counted for
each page that it maps. The first leaf of a type makes an alias, an executable one an executable alias, and removing
the last one ends it: each of these changes is an event.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.events.agent_names import agent_of
from coldline.events.appending import NOW_CHANGED, NOW_INVALID, hold_change
from coldline.events.layout import EXECUTABLE
from coldline.jit.intrinsics import compiled, int64, load8, load32, load64, store8, store32, store64, uint64
from coldline.mmu.frames import NONE, RUNNABLE, alias_of_counts, change_slots
from coldline.mmu.memory import PAGE_SHIFT, page_address
from coldline.mmu.slots import page_count, pages_of, piece_count, piece_pages, pieces_of
from coldline.mmu.switch_events import introduce
from coldline.mmu.view import Endings, LeafKind, Leaves

TYPES = LeafKind.COUNT // 2
REMOVED, INVALIDATED = 1 << Endings.REMOVED.lsb, 1 << Endings.INVALIDATED.lsb
"""One leaf in `Endings`."""
_EXECUTABLE, _TYPE = LeafKind.EXECUTABLE.mask, LeafKind.TYPE.lsb
_COUNT_BITS = Leaves.EXECUTABLE.lsb
_MOST = Leaves.PLAIN.mask
_SIZE, _ENDINGS_SIZE = Leaves.SIZE, Endings.SIZE
_REMOVED_MASK, _TOLD_MASK, _TOLD = Endings.REMOVED.mask, Endings.TOLD.mask, Endings.TOLD.lsb
_CHANGED_MASK = Endings.CHANGED.mask
_TOLD_INVALIDATED = 3

_TOLD_ENDING = 4
"""Added to it during a rescan: by the trace's events the mapping is ending."""


@compiled
def _leaves(s: Any, page: int, memory_type: int) -> Any:
    """Return where the leaves of a page and type are counted."""
    return s.leaves + uint64(_SIZE * (page * TYPES + memory_type))


@compiled
def alias_of(s: Any, page: int, memory_type: int) -> int:
    """Return the alias of a page and type: `NONE`, `PLAIN` or `RUNNABLE`."""
    return alias_of_counts(int64(load32(_leaves(s, page, memory_type))))


@compiled
def endings_of(s: Any, page: int, memory_type: int) -> Any:
    """Return where the removed leaves of a page and type are counted: `Endings`."""
    return s.endings + uint64(_ENDINGS_SIZE * (page * TYPES + memory_type))


@compiled
def told_of(endings: int) -> int:
    """Return how far a mapping has ended by the events of the trace: see `coldline.mmu.endings`."""
    return endings >> _TOLD & 3


@compiled
def _is_ending(endings: int) -> bool:
    """Whether a mapping is ending by the events of the trace."""
    return endings & (_TOLD_MASK | _CHANGED_MASK) != 0


@compiled
def has_live_leaves(s: Any, page: int, memory_type: int) -> bool:
    """Whether a page has leaves of a type in live tables, and not only removed ones."""
    counts = int64(load32(_leaves(s, page, memory_type)))
    removed = int64(load64(endings_of(s, page, memory_type))) & _REMOVED_MASK
    return (counts & _MOST) + (counts >> _COUNT_BITS) > removed


@compiled
def _is_told_again(s: Any, page: int, memory_type: int) -> bool:
    """Note that a page has a live leaf again; return whether its mapping was ending in the trace: it begins anew."""
    at = endings_of(s, page, memory_type)
    endings = int64(load64(at))
    store64(at, uint64(endings & ~(_TOLD_MASK | _CHANGED_MASK)))
    return _is_ending(endings)


@compiled
def _saved(s: Any, page: int, memory_type: int) -> Any:
    """Return where the alias of a page and type is saved during a rescan."""
    return s.aliases + uint64(TYPES * page + memory_type)


@compiled
def _attributes(memory_type: int, is_executable: bool) -> int:
    return 1 + memory_type | (EXECUTABLE if is_executable else 0)


@compiled
def _announce(
    s: Any, first: int, end: int, memory_type: int, before: int, after: int, again: bool = False
) -> None:
    """Announce that the aliases of pages `first` to `end` change from `before` to `after`, or begin `again`."""
    if first == end or (before == after and not again) or s.silent:
        return
    if s.below:
        change_slots(s, first, end, memory_type, before, after)
        return
    agent = agent_of(memory_type)
    introduce(s, agent)
    address, size = uint64(page_address(s, first)), uint64((end - first) << PAGE_SHIFT)
    attributes = uint64(_attributes(memory_type, after == RUNNABLE)) if after else uint64(0)
    hold_change(s, address, size, agent, before, attributes)


@compiled
def announce_descriptor(s: Any, page: int, memory_type: int) -> None:
    """Announce that the last descriptor of a page is invalid, while a TLB may still hold its mapping."""
    if not s.silent:
        agent = agent_of(memory_type)
        introduce(s, agent)
        hold_change(s, uint64(page_address(s, page)), uint64(1 << PAGE_SHIFT), agent, 1, uint64(NOW_INVALID))


@compiled
def announce_changed(s: Any, page: int, memory_type: int, kind: int) -> None:
    """Announce that a page's last descriptor of a type has that of `kind` now, while a TLB may hold the old mapping.

    The new mapping is that of another agent, too. Of this one, an `unmap` ends both.
    """
    if s.silent:
        return
    at = endings_of(s, page, memory_type)
    store64(at, load64(at) | uint64(_CHANGED_MASK))
    agent = agent_of(memory_type)
    introduce(s, agent)
    address, size = uint64(page_address(s, page)), uint64(1 << PAGE_SHIFT)
    hold_change(
        s, address, size, agent, 1, uint64(NOW_CHANGED | _attributes(kind >> _TYPE, kind & _EXECUTABLE != 0))
    )


@compiled
def _change_count(s: Any, page: int, memory_type: int, shift: int, change: int) -> int:
    """Add `change` to the leaves of a page, and return them as they were."""
    at = _leaves(s, page, memory_type)
    counts = int64(load32(at))
    count = (counts >> shift) & _MOST
    store32(at, np.uint32(counts + ((min(max(count + change, 0), _MOST) - count) << shift)))
    return counts


@compiled
def count_leaf(s: Any, address: int, size: int, kind: int, change: int) -> None:
    """Add `change` to the leaves of a kind for each RAM page of a range; announce runs of pages that change alike."""
    memory_type = kind >> _TYPE
    shift = _COUNT_BITS * (kind & _EXECUTABLE)
    renews = s.ends_at_barriers != uint64(0) and not s.silent and change > 0
    begin, end = pieces_of(s, address, size)
    for piece in range(begin, end):
        first, last = pages_of(s, piece, address, size)
        run_first, run_before, run_after, run_again = first, 0, 0, False
        for page in range(first, last):
            before = alias_of_counts(_change_count(s, page, memory_type, shift, change))
            after = alias_of(s, page, memory_type)
            again = renews and _is_told_again(s, page, memory_type)
            if before != run_before or after != run_after or again != run_again:
                _announce(s, run_first, page, memory_type, run_before, run_after, run_again)
                run_first, run_before, run_after, run_again = page, before, after, again
        _announce(s, run_first, last, memory_type, run_before, run_after, run_again)


@compiled
def leaves_end(s: Any, address: int, size: int, kind: int, by_trace: bool) -> None:
    """Drop a removed leaf that has ended; announce what the trace's events do not say, as `by_trace` the DSB does."""
    memory_type = kind >> _TYPE
    shift = _COUNT_BITS * (kind & _EXECUTABLE)
    for piece in range(piece_count(s)):
        first, last = pages_of(s, piece, address, size)
        for page in range(first, last):
            at = endings_of(s, page, memory_type)
            endings = int64(load64(at)) - REMOVED - INVALIDATED
            told = told_of(endings)
            says_all = by_trace and told == _TOLD_INVALIDATED and not endings & _CHANGED_MASK
            before = alias_of_counts(_change_count(s, page, memory_type, shift, -1))
            after = alias_of(s, page, memory_type)
            if after == NONE:
                endings &= ~(_TOLD_MASK | _CHANGED_MASK)
            store64(at, uint64(endings))
            if not told or (after == NONE and not says_all):
                _announce(s, page, page + 1, memory_type, before, after)


@compiled
def save_aliases(s: Any) -> None:
    """Save all aliases, and set the count of all leaves to zero."""
    for page in range(page_count(s)):
        for memory_type in range(TYPES):
            at = _leaves(s, page, memory_type)
            alias = alias_of_counts(int64(load32(at)))
            if s.ends_at_barriers and _is_ending(int64(load64(endings_of(s, page, memory_type)))):
                alias |= _TOLD_ENDING
            store8(_saved(s, page, memory_type), np.uint8(alias))
            store32(at, np.uint32(0))


@compiled
def keep_removed(s: Any) -> bool:
    """Count a leaf for each page and type that had more of an alias when aliases were saved; return if any had."""
    found = False
    for page in range(page_count(s)):
        for memory_type in range(TYPES):
            at = _leaves(s, page, memory_type)
            counts = int64(load32(at))
            before = int64(load8(_saved(s, page, memory_type)))
            if before < _TOLD_ENDING and before > alias_of_counts(counts):
                found = True
                store32(at, np.uint32(counts + (1 << _COUNT_BITS if before == RUNNABLE else 1)))
    return found


@compiled
def announce_all(s: Any) -> None:
    """Announce where aliases differ from those that were saved."""
    for memory_type in range(TYPES):
        for piece in range(piece_count(s)):
            first, last, _ = piece_pages(s, piece)
            run, run_before, run_after, run_again = first, 0, 0, False
            for page in range(first, last):
                before = int64(load8(_saved(s, page, memory_type)))
                after = alias_of(s, page, memory_type)
                again = before >= _TOLD_ENDING
                if again:
                    before -= _TOLD_ENDING
                    if after == NONE or has_live_leaves(s, page, memory_type):
                        _is_told_again(s, page, memory_type)
                    else:
                        before, again = after, False  # it goes on ending
                if before != run_before or after != run_after or again != run_again:
                    _announce(s, run, page, memory_type, run_before, run_after, run_again)
                    run, run_before, run_after, run_again = page, before, after, again
            _announce(s, run, last, memory_type, run_before, run_after, run_again)
