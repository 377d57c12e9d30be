# SPDX-License-Identifier: GPL-2.0-or-later
"""The hazards that a compiled loop has noted: they are counted at once, and become findings once looked at."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.state.findings import Finding, kind_of
from coldline.checker.state.lines import Badness
from coldline.events.batch import Batch
from coldline.events.op import Op
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORDER = (Hazard.LEAK, Hazard.LOST, Hazard.STALE)
"""The hazards of a run in the order of a finding's, and, as bits from the highest, of `_kinds`."""


class FoundRuns:
    """Runs of lines, each of which one event may read wrongly in the same way.

    Parameters
    ----------
    runs : ndarray of `coldline.checker.compiled.frame.FOUND_DTYPE`
        The runs, each with the index of its event in the batch.
    batch : Batch
        The batch.
    number : int
        The number of its first event.
    """

    def __init__(self, runs: "NDArray[np.void]", batch: Batch, number: int) -> None:
        self._runs, self._number = runs, np.uint64(number)
        self._events = Batch(tuple(batch.agents), batch.rows[runs["event"]])

    def counts(self) -> Iterator[tuple[str, tuple[str, ...], int]]:
        """For each agent and set of kinds, in the order of the first such run, how many lines have these."""
        rows, runs = self._events.rows, self._runs
        bits = (runs["leak_high"] != 0) * 4 + (runs["lost_high"] != 0) * 2 + (runs["stale_high"] != 0)
        codes = rows["agent"].astype(np.int64) << 16 | rows["op"].astype(np.int64) << 8 | bits
        different, first, which = np.unique(codes, return_index=True, return_inverse=True)
        lines = np.zeros(len(different), np.int64)
        np.add.at(lines, which, runs["lines"].astype(np.int64))
        for at in np.argsort(first).tolist():
            code = int(different[at])
            yield self._events.agents[code >> 16], _kinds(code >> 8 & 0xFF, code & 0xFF), int(lines[at])

    def findings(self) -> Iterator[Finding]:
        """The runs as findings."""
        numbers = (self._number + self._runs["event"]).tolist()
        events = self._events.events(range(len(self._runs)))
        for number, (where, event), found in zip(numbers, events, ranges_of(self._runs), strict=True):
            yield Finding(number, where, event, *found)


def ranges_of(runs: "NDArray[np.void]") -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
    """The address of each run, its number of lines, and the hazards of each line."""
    for _, address, lines, *ranges in runs.tolist():
        yield address, lines, _badness(*ranges)


@functools.lru_cache(maxsize=1 << 10)
def _kinds(op: int, bits: int) -> tuple[str, ...]:
    return tuple(kind_of(hazard, Op(op)) for at, hazard in enumerate(_ORDER) if bits & (4 >> at))


@functools.lru_cache(maxsize=1 << 12)
def _badness(
    stale_low: int, stale_high: int, lost_low: int, lost_high: int, leak_low: int, leak_high: int
) -> tuple[Badness, ...]:
    ranges = {
        Hazard.LEAK: (leak_low, leak_high),
        Hazard.LOST: (lost_low, lost_high),
        Hazard.STALE: (stale_low, stale_high),
    }
    return tuple(Badness(hazard, *ranges[hazard]) for hazard in _ORDER if ranges[hazard][1])
