# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes which memory the events of each batch of a run concern: see `coldline.events.footprints`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from coldline.events.batch import Batch
from coldline.events.footprints import BEFORE, EVERYWHERE, ON_PAGES, EventRanges
from coldline.events.layout import (
    BATCH_PART_BITS,
    BATCH_PARTS,
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
"""Slots, over all batches, that are kept, in five bytes each; later batches count as concerning everything."""

_FIRST: Final = 8
"""Batches in which a slot counts that most batches have."""

_ALL: Final = (1 << BATCH_PARTS) - 1
"""All parts of a batch."""

_FEW: Final = 1000
"""Events of a batch, such as a host's, that are marked here; a longer one without marks counts as everything."""


class _Noted(NamedTuple):
    """The slots that a batch's events have, and for each a bit for each part of the batch that has one."""

    slots: "NDArray[np.uint32]"
    parts: "NDArray[np.uint8]"


class Footprints:
    """The slots of the events of each batch of a run: a sink of events."""

    def __init__(self) -> None:
        self._numbers = [0]
        self._noted: list[_Noted | None] = []
        self._kept = 0

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`, whose marks were wanted before its columns were read."""
        self._numbers.append(self._numbers[-1] + len(batch))
        marks = batch.marks()
        if marks is None and len(batch) <= _FEW:
            marks = _marks_of(batch)
        if marks is None or self._kept >= _MOST:
            self._noted.append(None)
            return
        slots = np.flatnonzero(marks).astype(np.uint32)
        self._kept += len(slots)
        self._noted.append(_Noted(slots, marks[slots]))

    def concerning(self, slots: "NDArray[np.bool_]") -> EventRanges:
        """The events of all batches in which an event has one of some slots."""
        return self._ranges(
            _ALL if noted is None or bool(slots[noted.slots].any()) else 0 for noted in self._noted
        )

    def seldom(self, slots: "NDArray[np.bool_]", numbers: Sequence[int]) -> EventRanges:
        """The parts of batches that have most of those events that a story may tell.

        A slot that an eighth of all batches have counts in its first 8 batches only, as what comes again and again is
        told once. All slots count in the batches of some events, by their numbers, and in 8 before each of them.
        """
        counts = np.zeros(MARKS_SIZE, np.int64)
        for noted in self._noted:
            if noted is not None:
                counts[noted.slots] += 1
        often = counts > max(len(self._noted) // 8, _FIRST)
        seen = np.zeros(MARKS_SIZE, np.int64)
        last = np.unique(np.searchsorted(self._numbers, numbers, side="right"))
        wanted = set((last[:, None] - np.arange(_FIRST + 1)).ravel().tolist())
        chosen = []
        for index, noted in enumerate(self._noted, 1):
            if noted is None:
                chosen.append(_ALL)
                continue
            concerned = slots[noted.slots]
            here, parts = noted.slots[concerned], noted.parts[concerned]
            seen[here] += 1
            if index not in wanted:
                parts = parts[~often[here] | (seen[here] <= _FIRST)]
            chosen.append(int(np.bitwise_or.reduce(parts, initial=0)))
        return self._ranges(chosen)

    def _ranges(self, chosen: Iterable[int]) -> EventRanges:
        """The events of the parts of each batch that are chosen, a bit for each."""
        ranges: list[tuple[int, int]] = []
        for parts, first, end in zip(chosen, self._numbers, self._numbers[1:], strict=False):
            if parts == _ALL:
                ranges.append((first, end))
                continue
            for part in range(BATCH_PARTS):
                if parts >> part & 1:
                    start = first + (part << BATCH_PART_BITS)
                    last = part == BATCH_PARTS - 1
                    ranges.append((start - BEFORE, end if last else min(end, start + (1 << BATCH_PART_BITS))))
        return EventRanges.joined(ranges)


def _marks_of(batch: Batch) -> "NDArray[np.uint8]":
    """The marks of a batch whose producer made none: it has one part."""
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
