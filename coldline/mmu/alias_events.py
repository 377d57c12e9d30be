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
from coldline.events.appending import hold_change
from coldline.events.layout import EXECUTABLE
from coldline.jit.intrinsics import compiled, int64, load8, load32, store8, store32, uint64
from coldline.mmu.memory import PAGE_SHIFT, page_address
from coldline.mmu.switch_events import introduce
from coldline.mmu.view import LeafKind, Leaves

_TYPES = LeafKind.COUNT // 2
_EXECUTABLE, _TYPE = LeafKind.EXECUTABLE.mask, LeafKind.TYPE.lsb
_COUNT_BITS = Leaves.EXECUTABLE.lsb
_MOST = Leaves.PLAIN.mask
_SIZE = Leaves.SIZE

NONE, PLAIN, RUNNABLE = range(3)
"""The alias of a page and type: none, or one that may (not) be fetched from."""


@compiled
def _alias(counts: int) -> int:
    """Return the alias that the leaves of a page and type make."""
    if counts >> _COUNT_BITS:
        return RUNNABLE
    return PLAIN if counts else NONE


@compiled
def _leaves(s: Any, page: int, memory_type: int) -> Any:
    """Return where the leaves of a page and type are counted."""
    return s.leaves + uint64(_SIZE * (page * _TYPES + memory_type))


@compiled
def alias_of(s: Any, page: int, memory_type: int) -> int:
    """Return the alias of a page and type: `NONE`, `PLAIN` or `RUNNABLE`."""
    return _alias(int64(load32(_leaves(s, page, memory_type))))


@compiled
def _saved(s: Any, page: int, memory_type: int) -> Any:
    """Return where the alias of a page and type is saved during a rescan."""
    return s.aliases + uint64(_TYPES * page + memory_type)


@compiled
def _announce(s: Any, first: int, end: int, memory_type: int, before: int, after: int) -> None:
    """Announce that the aliases of pages `first` to `end` change from `before` to `after`."""
    if before == after or s.silent:
        return
    agent = agent_of(memory_type)
    introduce(s, agent)
    address, size = uint64(page_address(s, first)), uint64((end - first) << PAGE_SHIFT)
    attributes = uint64(1 + memory_type | (EXECUTABLE if after == RUNNABLE else 0)) if after else uint64(0)
    hold_change(s, address, size, agent, before, attributes)


@compiled
def count_leaf(s: Any, address: int, size: int, kind: int, change: int) -> None:
    """Add `change` to the leaves of a kind for each RAM page of a range; announce runs of pages that change alike."""
    memory_type = kind >> _TYPE
    shift = _COUNT_BITS * (kind & _EXECUTABLE)
    for bank in range(s.banks):
        base, length = int64(s.bank_base[bank]), int64(s.bank_size[bank])
        start, end = max(address, base), min(address + size, base + length)
        first = int64(s.bank_page[bank]) + ((start - base) >> PAGE_SHIFT)
        last = first + ((end - start) >> PAGE_SHIFT)
        run_first, run_before, run_after = first, 0, 0
        for page in range(first, last):
            at = _leaves(s, page, memory_type)
            counts = int64(load32(at))
            before = _alias(counts)
            count = (counts >> shift) & _MOST
            counts += (min(max(count + change, 0), _MOST) - count) << shift
            store32(at, np.uint32(counts))
            after = _alias(counts)
            if before != run_before or after != run_after:
                _announce(s, run_first, page, memory_type, run_before, run_after)
                run_first, run_before, run_after = page, before, after
        if last > first:
            _announce(s, run_first, last, memory_type, run_before, run_after)


@compiled
def save_aliases(s: Any) -> None:
    """Save all aliases, and set the count of all leaves to zero."""
    for page in range(int64(s.pages)):
        for memory_type in range(_TYPES):
            at = _leaves(s, page, memory_type)
            store8(_saved(s, page, memory_type), np.uint8(_alias(int64(load32(at)))))
            store32(at, np.uint32(0))


@compiled
def keep_removed(s: Any) -> bool:
    """Count a leaf for each page and type that had more of an alias when aliases were saved; return if any had."""
    found = False
    for page in range(int64(s.pages)):
        for memory_type in range(_TYPES):
            at = _leaves(s, page, memory_type)
            counts = int64(load32(at))
            before = int64(load8(_saved(s, page, memory_type)))
            if before > _alias(counts):
                found = True
                store32(at, np.uint32(counts + (1 << _COUNT_BITS if before == RUNNABLE else 1)))
    return found


@compiled
def announce_all(s: Any) -> None:
    """Announce where aliases differ from those that were saved."""
    for memory_type in range(_TYPES):
        for bank in range(s.banks):
            first = int64(s.bank_page[bank])
            last = first + int64(s.bank_size[bank] >> uint64(PAGE_SHIFT))
            run, run_before, run_after = first, 0, 0
            for page in range(first, last):
                before = int64(load8(_saved(s, page, memory_type)))
                after = _alias(int64(load32(_leaves(s, page, memory_type))))
                if before != run_before or after != run_after:
                    _announce(s, run, page, memory_type, run_before, run_after)
                    run, run_before, run_after = page, before, after
            _announce(s, run, last, memory_type, run_before, run_after)
