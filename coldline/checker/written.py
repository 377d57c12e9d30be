# SPDX-License-Identifier: GPL-2.0-or-later
"""Collects which bytes a guest wrote."""

from typing import TYPE_CHECKING

import numpy as np

from coldline.events import ZVA_BLOCK, Op
from coldline.events.agent_names import is_vcpu
from coldline.events.batch import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Addresses = NDArray[np.uint64]


class Written:
    """The bytes that vCPUs wrote in a range: a sink of events.

    Parameters
    ----------
    address, end : int
        The range; writes outside of it are skipped.

    Attributes
    ----------
    starts, ends : ndarray of uint64
        The bytes, as sorted intervals that neither overlap nor touch.
    """

    def __init__(self, address: int, end: int) -> None:
        self._range = np.uint64(address), np.uint64(end)
        self.starts: Addresses = np.zeros(0, np.uint64)
        self.ends: Addresses = np.zeros(0, np.uint64)

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`."""
        rows, (low, high) = batch.rows, self._range
        of_vcpu = np.array([is_vcpu(name) for name in batch.agents], bool)
        rows = rows[(rows["op"] == Op.WRITE) | (rows["op"] == Op.DC_ZVA)]
        rows = rows[of_vcpu[rows["agent"]]]
        starts, ends = rows["address"], rows["address"] + rows["size"]
        block = np.uint64(ZVA_BLOCK)
        blocks = rows["op"] == Op.DC_ZVA
        starts = np.where(blocks, starts - starts % block, starts)
        ends = np.where(blocks, ends + (block - ends % block) % block, ends)
        inside = (starts < high) & (ends > low)
        if inside.any():
            self.starts, self.ends = _merged(
                np.concatenate((self.starts, starts[inside])), np.concatenate((self.ends, ends[inside]))
            )

    def within(self, address: int, end: int) -> list[tuple[int, int]]:
        """The bytes that were written from `address` to `end`, as intervals."""
        first = int(np.searchsorted(self.ends, np.uint64(address), side="right"))
        last = int(np.searchsorted(self.starts, np.uint64(end), side="left"))
        pairs = zip(self.starts[first:last].tolist(), self.ends[first:last].tolist(), strict=True)
        return [(max(low, address), min(high, end)) for low, high in pairs]


def _merged(starts: "Addresses", ends: "Addresses") -> "tuple[Addresses, Addresses]":
    """Sort intervals, and join those that overlap or touch."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = starts[1:] > ends[:-1]
    return starts[np.concatenate(([True], apart))], ends[np.concatenate((apart, [True]))]
