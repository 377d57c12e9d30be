# SPDX-License-Identifier: GPL-2.0-or-later
"""The aliases of each page of RAM that a guest's two stages of translation make together.

Stage 1's leaves are counted by slots of the stage 2. For each slot, each entry that it has or that a TLB may hold
makes an alias of a page of RAM, with the combined type. They are counted here for each page and type; the first one
begins an alias in the trace, and the last one ends it.

`s` is the record of a view that is below a stage 2, `t` that of the stage 2. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.arm import stage2
from coldline.arm.stage2_tables import attributes_of_entry, page_of_entry, runs_code
from coldline.events.agent_names import agent_of
from coldline.events.appending import hold_change
from coldline.events.layout import EXECUTABLE
from coldline.jit.intrinsics import compiled, int64, load32, record_like, store32, uint64
from coldline.mmu.memory import PAGE_SHIFT, page_index
from coldline.mmu.slots import present_entry, removed_entry
from coldline.mmu.stage2_space import FRAME_COUNTS
from coldline.mmu.switch_events import introduce
from coldline.mmu.view import Leaves

_COUNT_BITS = Leaves.EXECUTABLE.lsb
_MOST, _SIZE = Leaves.PLAIN.mask, Leaves.SIZE
_PAGE_SIZE = 1 << PAGE_SHIFT

NONE, PLAIN, RUNNABLE = range(3)
"""The alias of a page and type: none, or one that may (not) be fetched from."""


@compiled
def alias_of_counts(counts: int) -> int:
    """Return the alias that the leaves of a page and type make."""
    if counts >> _COUNT_BITS:
        return RUNNABLE
    return PLAIN if counts else NONE


@compiled
def _counts(s: Any, frame: int, memory_type: int) -> Any:
    return s.frames + uint64(FRAME_COUNTS * frame + _SIZE * memory_type)


@compiled
def frame_alias(s: Any, frame: int, memory_type: int) -> int:
    """Return the alias of a page of RAM of a type."""
    return alias_of_counts(int64(load32(_counts(s, frame, memory_type))))


@compiled
def combined(t: Any, entry: int, memory_type: int) -> int:
    """The memory type of an access, from that of stage 1 and an entry."""
    return stage2.combined_type(memory_type, int64(t.stage2) | attributes_of_entry(entry))


@compiled
def _count(counts: int, alias: int, executable: bool, change: int) -> int:
    """Add an alias of stage 1 to counts, or with a `change` of -1 take it away."""
    if alias == NONE:
        return counts
    shift = _COUNT_BITS if alias == RUNNABLE and executable else 0
    count = counts >> shift & _MOST
    return counts + ((min(max(count + change, 0), _MOST) - count) << shift)


@compiled
def change_frame(s: Any, t: Any, entry: int, memory_type: int, before: int, after: int) -> None:
    """Follow that what an entry gives to a view changes from an alias `before` to one `after`, of stage 1's type."""
    if entry == 0 or before == after:
        return
    address = page_of_entry(entry)
    frame = page_index(s, address)
    if frame < 0:
        return
    both = combined(t, entry, memory_type)
    at = _counts(s, frame, both)
    old = int64(load32(at))
    executable = runs_code(entry)
    new = _count(_count(old, after, executable, 1), before, executable, -1)
    store32(at, np.uint32(new))
    was, now = alias_of_counts(old), alias_of_counts(new)
    if was != now:
        agent = agent_of(both)
        introduce(s, agent)
        attributes = uint64(1 + both | (EXECUTABLE if now == RUNNABLE else 0)) if now else uint64(0)
        hold_change(s, uint64(address), uint64(_PAGE_SIZE), agent, was, attributes)


@compiled
def change_slots(s: Any, first: int, end: int, memory_type: int, before: int, after: int) -> None:
    """Follow that the aliases of stage 1 of slots `first` to `end` change."""
    t = record_like(s, s.below)
    for slot in range(first, end):
        change_frame(s, t, present_entry(t, slot), memory_type, before, after)
        change_frame(s, t, removed_entry(t, slot), memory_type, before, after)
