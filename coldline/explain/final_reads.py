# SPDX-License-Identifier: GPL-2.0-or-later
"""The stories of what the final read found, as stories of reads by the agent `LOOK` after the last event."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coldline.arm import MemoryType
from coldline.checker.final_read import StaleRange, Swept, tell_apart
from coldline.checker.state.findings import HazardEntry
from coldline.checker.written import Written
from coldline.events import Event, Op
from coldline.events.agent_names import LOOK
from coldline.events.batch import Batch

if TYPE_CHECKING:
    from coldline.checker.checker import Checker

MAX_FOLLOWED = 256
"""The most lines that the second pass follows for the final read."""


class FinalReads:
    """What the final read found, for the second pass over the same events.

    If it found few lines, the second pass follows all of them for their stories; else, the first one of each run of
    lines with the same hazards.

    Parameters
    ----------
    checker : Checker
        The checker, after the last event.
    swept : sequence of Swept
        The final read.
    stories : int
        How many ranges get a story.

    Attributes
    ----------
    numbers : dict of int to int
        The number of the read of each line that is followed, by the line's address.
    """

    def __init__(self, checker: "Checker", swept: Sequence[Swept], stories: int) -> None:
        self._checker = checker
        self._swept = swept = [each for each in swept if each.stale]
        self._line = checker.profile.line
        self._stories = stories
        self._lines = sorted(self._followed()) if stories else []
        maps = [
            Event(LOOK, Op.MAP, each.region.address, each.region.size, MemoryType.NORMAL_WB) for each in swept
        ]
        self._reads = {base: Event(LOOK, Op.READ, base, self._line) for base in self._lines}
        self._events = [*maps, *self._reads.values()]
        number = checker.events + len(maps)
        self.numbers = {base: number + index for index, base in enumerate(self._reads)}
        start = min((each.region.address for each in swept), default=0)
        self._written = Written(start, max((each.region.end for each in swept), default=0))

    def __bool__(self) -> bool:
        return bool(self._swept)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The bytes of the lines that may be wrong."""
        return [(base, base + lines * self._line) for each in self._swept for base, lines, _ in each.runs]

    def _followed(self) -> list[int]:
        few = sum(each.stale for each in self._swept) <= MAX_FOLLOWED
        runs = [run for each in self._swept for run in each.runs][:MAX_FOLLOWED]
        return [base + index * self._line for base, lines, _ in runs for index in range(lines if few else 1)]

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`, for what the guest wrote."""
        if self._swept:
            self._written.feed(batch)

    def look(self) -> Batch:
        """The events of the reads, which come after the run's."""
        return Batch.of(self._events)

    def found(self) -> list[tuple[StaleRange, HazardEntry | None]]:
        """What the final read found, with the read of one of its lines if it is to have a story."""
        ranges = tell_apart(self._checker, self._swept, self._written)
        return [(each, self._entry(each) if at < self._stories else None) for at, each in enumerate(ranges)]

    def _entry(self, found: StaleRange) -> HazardEntry | None:
        for part in found.parts:
            at = bisect_left(self._lines, part.line)
            if at < len(self._lines) and self._lines[at] < part.line + part.lines * self._line:
                base, size = self._lines[at], part.end - part.start
                event = self._reads[base]
                return HazardEntry(self.numbers[base], 0, event, part.first_kind, base + part.start, size)
        return None
