# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes which memory the events of each batch of a run concern: see `coldline.events.footprints`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.events.batch import Batch
from coldline.events.footprints import EVERYWHERE, ON_PAGES, EventRanges
from coldline.events.layout import (
    EVERYWHERE_SLOT,
    GRANULE_BITS,
    GRANULE_SLOTS,
    MARKS_SIZE,
    MUCH,
    PAGE_SLOTS,
)
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST: Final = 1 << 24
"""Slots, over all batches, that are kept, in four bytes each; later batches count as concerning everything."""

_FIRST: Final = 8
"""Batches in which a slot counts that most batches have."""

_FEW: Final = 1000
"""Events of a batch, such as a host's, that are marked here; a longer one without marks counts as everything."""


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
        if EVERYWHERE[op] or size >= MUCH:
            marks[EVERYWHERE_SLOT] = 1
            continue
        last = address + size - 1
        marks[np.arange(address >> GRANULE_BITS, (last >> GRANULE_BITS) + 1) % GRANULE_SLOTS] = 1
        if ON_PAGES[op]:
            pages = np.arange(address // PAGE_SIZE, last // PAGE_SIZE + 1)
            marks[GRANULE_SLOTS + pages % PAGE_SLOTS] = 1
    return marks
