# SPDX-License-Identifier: GPL-2.0-or-later
"""Which memory events concern, so that a second run looks at a few of them only.

Memory is counted in granules, which have *slots*: many granules share one, and are not told apart. Fetches, walks and
changes of mappings may also concern what they do not touch, and so the pages that they are on are noted, too. So
what is asked for may be more than what concerns some bytes, and is never less.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.events.beginning import begins
from coldline.events.layout import (
    EVERYWHERE_SLOT,
    GRANULE_BITS,
    GRANULE_SLOTS,
    MARKS_SIZE,
    MUCH,
    PAGE_SLOTS,
)
from coldline.events.op import Kind, Op
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AROUND: Final = 2
"""Pages below and above those of a byte on which a fetch may concern it: with the MMU off, the next page may be
prefetched."""

BEFORE: Final = 1 << 12
"""Events before those whose instructions are wanted that are wanted, too: a source begins to look instructions up at
the start of a block of code."""

EVERYWHERE: Final = np.array([op.traits.everywhere or not op.has_range for op in Op])
ON_PAGES: Final = np.array([op.kind is Kind.ALIAS or op in (Op.FETCH, Op.WALK) for op in Op])
BEGINS: Final = np.array([begins(op) for op in Op])
"""By operation: whether an event may concern all memory; other bytes of its pages; and `begins`."""


def slots_of(ranges: Iterable[tuple[int, int]]) -> "NDArray[np.bool_]":
    """The slots of events that may concern some ranges of bytes: for each the first byte, and one past the last."""
    slots = np.zeros(MARKS_SIZE, np.bool_)
    slots[EVERYWHERE_SLOT] = True
    for start, end in ranges:
        if end - start >= MUCH:
            slots[:] = True
            return slots
        granules = np.arange(start >> GRANULE_BITS, ((end - 1) >> GRANULE_BITS) + 1)
        pages = np.arange(max(start // PAGE_SIZE - _AROUND, 0), (end - 1) // PAGE_SIZE + _AROUND + 1)
        slots[granules % GRANULE_SLOTS] = True
        slots[GRANULE_SLOTS + pages % PAGE_SLOTS] = True
    return slots


def starts_of(slots: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    """The slots of granules in which an event begins that has one of some slots, and is no longer than a granule."""
    granules = slots[:GRANULE_SLOTS]
    return granules | np.roll(granules, -1)


def selected(
    rows: "NDArray[np.void]", slots: "NDArray[np.bool_]", starts: "NDArray[np.bool_]"
) -> "NDArray[np.intp]":
    """The indices of the events that may have one of some slots; longer ones than a granule are all selected.

    Of each agent the first event that it may begin by is selected, too. `starts` are `starts_of` the slots.
    """
    start, size, op = rows["address"], rows["size"], rows["op"]
    chosen = starts[(start >> np.uint64(GRANULE_BITS)) & np.uint64(GRANULE_SLOTS - 1)]
    chosen |= EVERYWHERE[op]
    chosen |= size > np.uint64(1 << GRANULE_BITS)
    on_pages = np.flatnonzero(ON_PAGES[op])
    first = start[on_pages] // np.uint64(PAGE_SIZE)
    last = (start[on_pages] + size[on_pages]) // np.uint64(PAGE_SIZE)
    mask = np.uint64(PAGE_SLOTS - 1)
    base = np.uint64(GRANULE_SLOTS)
    chosen[on_pages] |= slots[base + (first & mask)] | slots[base + (last & mask)]
    beginning = np.flatnonzero(BEGINS[op])
    chosen[beginning[np.unique(rows["agent"][beginning], return_index=True)[1]]] = True
    return np.flatnonzero(chosen)


class EventRanges:
    """Ranges of events, by their numbers in the trace.

    Parameters
    ----------
    ranges : sequence of (int, int)
        For each the first number and one past the last; sorted, without overlap.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._starts = np.array([start for start, _ in ranges], np.int64)
        self._ends = np.array([end for _, end in ranges], np.int64)

    @classmethod
    def joined(cls, ranges: Iterable[tuple[int, int]]) -> "EventRanges":
        """Ranges of which one may overlap the next one; they are sorted by their ends."""
        found: list[tuple[int, int]] = []
        for start, end in ranges:
            first = max(start, 0)
            while found and found[-1][1] >= first:
                first = min(first, found.pop()[0])
            found.append((first, end))
        return cls(found)

    @classmethod
    def up_to(cls, numbers: Iterable[int]) -> "EventRanges":
        """Some events, by their numbers in ascending order, and `BEFORE` before each of them."""
        return cls.joined((number - BEFORE, number + 1) for number in numbers)

    @property
    def events(self) -> int:
        """How many events they have."""
        return int((self._ends - self._starts).sum())

    def touch(self, first: int, end: int) -> bool:
        """Whether an event from number `first` to `end` - 1 is in one of them."""
        at = int(np.searchsorted(self._ends, first, side="right"))
        return at < len(self._starts) and bool(self._starts[at] < end)

    def same_from(self, number: int) -> int | None:
        """How many events from one on are in them if it is, or are not if it is not; None for all that follow."""
        starts, ends = (
            int(np.searchsorted(each, number, side="right")) for each in (self._starts, self._ends)
        )
        if starts > ends:
            return int(self._ends[ends]) - number
        return int(self._starts[starts]) - number if starts < len(self._starts) else None
