# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes which memory the events of each batch concern, so that a second run looks at a few batches only.

Memory is counted in granules, which have *slots*: many granules share one, and are not told apart. Fetches, walks and
changes of mappings may also concern what they do not touch, and so the pages that they are on are noted, too. So
what is asked for may be more than what concerns some bytes, and is never less.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.events.batch import Batch
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

_MOST: Final = 1 << 24
"""Slots, over all batches, that are kept, in four bytes each; later batches count as concerning everything."""

_FIRST: Final = 8
"""Batches in which a slot counts that most batches have."""

_FEW: Final = 1000
"""Events of a batch, such as a host's, that are marked here; a longer one without marks counts as everything."""

_EVERYWHERE: Final = np.array([op.traits.everywhere or not op.has_range for op in Op])
_ON_PAGES: Final = np.array([op.kind is Kind.ALIAS or op in (Op.FETCH, Op.WALK) for op in Op])


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

    `starts` are `starts_of` the slots.
    """
    start, size, op = rows["address"], rows["size"], rows["op"]
    chosen = starts[(start >> np.uint64(GRANULE_BITS)) & np.uint64(GRANULE_SLOTS - 1)]
    chosen |= _EVERYWHERE[op]
    chosen |= size > np.uint64(1 << GRANULE_BITS)
    on_pages = np.flatnonzero(_ON_PAGES[op])
    first = start[on_pages] // np.uint64(PAGE_SIZE)
    last = (start[on_pages] + size[on_pages]) // np.uint64(PAGE_SIZE)
    mask = np.uint64(PAGE_SLOTS - 1)
    base = np.uint64(GRANULE_SLOTS)
    chosen[on_pages] |= slots[base + (first & mask)] | slots[base + (last & mask)]
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

    @property
    def events(self) -> int:
        """How many events they have."""
        return int((self._ends - self._starts).sum())

    def touch(self, first: int, end: int) -> bool:
        """Whether an event from number `first` to `end` - 1 is in one of them."""
        at = int(np.searchsorted(self._ends, first, side="right"))
        return at < len(self._starts) and bool(self._starts[at] < end)


class Footprints:
    """The slots of the events of each batch of a run: a sink of events."""

    def __init__(self) -> None:
        self._numbers = [0]
        self._slots: list[NDArray[np.uint32] | None] = []
        self._kept = 0

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`."""
        self._numbers.append(self._numbers[-1] + len(batch))
        marks = batch.marks()
        if marks is None and len(batch) <= _FEW:
            marks = _marks_of(batch)
        if marks is None or self._kept >= _MOST:
            self._slots.append(None)
            return
        slots = np.flatnonzero(marks).astype(np.uint32)
        self._kept += len(slots)
        self._slots.append(slots)

    def concerning(self, slots: "NDArray[np.bool_]") -> EventRanges:
        """The events of all batches in which an event has one of some slots."""
        return self._ranges(noted is None or bool(slots[noted].any()) for noted in self._slots)

    def seldom(self, slots: "NDArray[np.bool_]", numbers: Sequence[int]) -> EventRanges:
        """The events of most of them that a story may tell.

        A slot that an eighth of all batches have counts in its first 8 batches only, as what comes again and again is
        told once. All slots count in the batches of some events, by their numbers, and in 8 before each of them.
        """
        counts = np.zeros(MARKS_SIZE, np.int64)
        for noted in self._slots:
            if noted is not None:
                counts[noted] += 1
        often = counts > max(len(self._slots) // 8, _FIRST)
        seen = np.zeros(MARKS_SIZE, np.int64)
        last = np.unique(np.searchsorted(self._numbers, numbers, side="right"))
        wanted = set((last[:, None] - np.arange(_FIRST + 1)).ravel().tolist())
        chosen = []
        for index, noted in enumerate(self._slots, 1):
            here = noted[slots[noted]] if noted is not None else noted
            if here is None:
                chosen.append(True)
                continue
            seen[here] += 1
            concerned = bool(len(here))
            chosen.append(
                (concerned and index in wanted) or bool((~often[here] | (seen[here] <= _FIRST)).any())
            )
        return self._ranges(chosen)

    def of(self, numbers: Iterable[int]) -> EventRanges:
        """The events of the batches in which some events are, by their numbers."""
        wanted = set(np.searchsorted(self._numbers, sorted(numbers), side="right").tolist())
        return self._ranges(index in wanted for index in range(1, len(self._slots) + 1))

    def _ranges(self, chosen: Iterable[bool]) -> EventRanges:
        ranges: list[tuple[int, int]] = []
        for index, is_chosen in enumerate(chosen):
            start, end = self._numbers[index : index + 2]
            if not is_chosen:
                continue
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return EventRanges(ranges)


def _marks_of(batch: Batch) -> "NDArray[np.uint8]":
    """The marks of a batch whose producer made none."""
    marks = np.zeros(MARKS_SIZE, np.uint8)
    rows = batch.rows
    for address, size, op in zip(
        rows["address"].tolist(), rows["size"].tolist(), rows["op"].tolist(), strict=True
    ):
        if _EVERYWHERE[op] or size >= MUCH:
            marks[EVERYWHERE_SLOT] = 1
            continue
        last = address + size - 1
        marks[np.arange(address >> GRANULE_BITS, (last >> GRANULE_BITS) + 1) % GRANULE_SLOTS] = 1
        if _ON_PAGES[op]:
            pages = np.arange(address // PAGE_SIZE, last // PAGE_SIZE + 1)
            marks[GRANULE_SLOTS + pages % PAGE_SLOTS] = 1
    return marks
