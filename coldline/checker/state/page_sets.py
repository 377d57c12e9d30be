# SPDX-License-Identifier: GPL-2.0-or-later
"""Small operations on sorted sets of pages and on sets of classes, as NumPy arrays."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gaps(covered: "NDArray[np.int64]", first: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of the range `first` to `end` that contain none of the sorted pages `covered`."""
    inside = covered
    if len(covered):
        low, high = np.searchsorted(covered, (first, end))
        inside = covered[low:high]
    if not len(inside) and first < end:
        yield first, end
        return
    if len(inside) == end - first:
        return
    starts, ends = np.append(first, inside + 1), np.append(inside, end)
    holes = starts < ends
    yield from zip(starts[holes].tolist(), ends[holes].tolist(), strict=True)


def distinct(classes: "NDArray[np.uint16]") -> list[int]:
    """The distinct values of some numbers, in no particular order."""
    if len(classes) <= 32:
        return list(set(classes.tolist()))
    if classes.min() == classes.max():
        return [int(classes[0])]
    return list(np.flatnonzero(np.bincount(classes)).tolist())


def those_of(rows: "NDArray[np.intp]", classes: "NDArray[np.uint16]", page_class: int) -> "NDArray[np.intp]":
    """The rows whose class is `page_class`: `rows` itself if all are."""
    of_class = classes == page_class
    return rows if of_class.all() else rows[of_class]


def first_missing(covered: "NDArray[np.int64]", first: int, end: int) -> int | None:
    """The first page from `first` to `end` that is not among the sorted pages `covered`."""
    return next((gap for gap, _ in gaps(covered, first, end)), None)
