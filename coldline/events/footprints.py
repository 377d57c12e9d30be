# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes which pages the events of each batch concern, so that a second run looks at a few batches only.

A page has one of `SLOTS` slots, by its number modulo `SLOTS`. Pages that share one are not told apart, so that what
is asked for may be more than what concerns the pages.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.events.batch import Batch
from coldline.events.layout import EVERYWHERE_SLOT, MARKS_SIZE, SLOTS
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST: Final = 1 << 25
"""Slots, over all batches, that are kept, in two bytes each; later batches count as concerning every page."""

_PAGE: Final = np.uint64(PAGE_SIZE)
_EVERYWHERE: Final = np.array([op.traits.everywhere or not op.has_range for op in Op])


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
    """The pages that the events of each batch of a run concern: a sink of events."""

    def __init__(self) -> None:
        self._numbers = [0]
        self._slots: list[NDArray[np.uint16] | None] = []
        self._kept = 0

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`."""
        self._numbers.append(self._numbers[-1] + len(batch))
        if self._kept >= _MOST:
            self._slots.append(None)
            return
        marks = batch.page_marks()
        if marks is None:
            marks = _marks_of(batch)
        everywhere = bool(marks[EVERYWHERE_SLOT])
        slots = None if everywhere else np.flatnonzero(marks[:SLOTS]).astype(np.uint16)
        self._kept += len(slots) if slots is not None else 0
        self._slots.append(slots)

    def concerning(self, pages: Iterable[int]) -> EventRanges:
        """The events of all batches in which some event concerns one of some pages, given by their numbers."""
        wanted = np.zeros(SLOTS, np.bool_)
        wanted[[page % SLOTS for page in pages]] = True
        ranges: list[tuple[int, int]] = []
        for index, slots in enumerate(self._slots):
            if slots is not None and not wanted[slots].any():
                continue
            start, end = self._numbers[index : index + 2]
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return EventRanges(ranges)


def _marks_of(batch: Batch) -> "NDArray[np.uint8]":
    """The marks of a batch whose producer made none."""
    marks = np.zeros(MARKS_SIZE, np.uint8)
    rows = batch.rows
    marks[EVERYWHERE_SLOT] = _EVERYWHERE[rows["op"]].any()
    first = rows["address"] // _PAGE
    last = (rows["address"] + np.maximum(rows["size"], 1) - np.uint64(1)) // _PAGE
    marks[first % SLOTS] = 1
    marks[last % SLOTS] = 1
    for index in np.flatnonzero(last > first + np.uint64(1)).tolist():
        low, high = int(first[index]), int(last[index])
        marks[np.arange(low, min(high + 1, low + SLOTS)) % SLOTS] = 1
    return marks
