# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the instructions of the events of stories, by a run that looks up no others.

To look up the program counter at each access takes an emulator longer than the access. So the second pass leaves that
out where a story seldom needs it, and this run does it just before the few events of stories. It ends with the last
of them.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import numpy as np

from coldline.checker.state.findings import HazardEntry
from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.footprints import EventRanges
from coldline.events.source import Locating, Source
from coldline.explain.event_code import Code, code_of
from coldline.explain.explained import ExplainedHazard
from coldline.explain.line_history import LineEvent
from coldline.explain.selection import Part


class _FoundAll(Exception):  # noqa: N818 (no error)
    """Ends a run that has nothing more to give."""


class Missing:
    """The events of stories whose instructions are not known yet.

    Parameters
    ----------
    known : dict of int to Code
        The instructions of hazards' own events that are known, by their numbers. Those that are found come in here.
    end : int
        One past the number of the source's last event.
    located : EventRanges
        The events whose instructions were looked up: where there is none, there is none to find.
    """

    def __init__(self, known: dict[int, Code], end: int, located: EventRanges) -> None:
        self.known = known
        self._end, self._located = end, located
        self._events: dict[int, list[LineEvent]] = {}

    def add(self, hazards: Iterable[ExplainedHazard]) -> None:
        """Add the events of stories, and those that read."""
        for hazard in hazards:
            if hazard.story:
                self._add(hazard.entry.number, [])
            for step in hazard.story:
                if step.line_event is not None and step.line_event.code is None:
                    self._add(step.line_event.number, [step.line_event])

    def find(self, source: Source, ran: Callable[[int], None]) -> None:
        """Run the source for them; `ran` is called with the number of events so far, after each batch."""
        numbers = sorted(self._events)
        if not numbers or not isinstance(source, Locating):
            return
        ranges = EventRanges.up_to(numbers)
        source.locate_at(ranges)
        first = 0

        def sink(batch: Batch) -> None:
            nonlocal first
            if ranges.touch(first, first + len(batch)):
                self._take(Part(batch, np.arange(first, first + len(batch))), numbers)
            first += len(batch)
            ran(first)
            if first > numbers[-1]:
                raise _FoundAll

        with suppress(_FoundAll):
            source.run(sink, instructions=True)

    def _add(self, number: int, told: Iterable[LineEvent]) -> None:
        if number < self._end and number not in self.known and not self._located.touch(number, number + 1):
            self._events.setdefault(number, []).extend(told)

    def _take(self, part: Part, numbers: Sequence[int]) -> None:
        for number, code in code_of(part, numbers).items():
            self.known[number] = code
            for each in self._events[number]:
                each.code = code


def code_of_read(entry: HazardEntry, known: dict[int, Code]) -> Code | None:
    """The instruction that reads; of a fetch, the one at the wrong byte."""
    code = known.get(entry.number)
    if code is not None and entry.event.op is Op.FETCH:
        into = entry.address - entry.event.address
        code = code._replace(virtual=code.virtual + into, physical=code.physical + into)
    return code
