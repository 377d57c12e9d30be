# SPDX-License-Identifier: GPL-2.0-or-later
"""A source with more events: some are put in before events of another source."""

from collections.abc import Sequence
from typing import NamedTuple

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.event import Event
from coldline.events.source import Sink, Source


class Insertion(NamedTuple):
    """An event to put in.

    Attributes
    ----------
    event : Event
        The event. It has no line.
    before : int
        The event that it comes before: its number, from 0, or its line in a text.
    """

    event: Event
    before: int


class Inserting:
    """A source that hands over another one's events, and more.

    Several events before one event come in the order in which they are given.

    Parameters
    ----------
    source : Source
        The other source.
    insertions : sequence of Insertion
        The events to put in.
    by_line : bool
        Whether `Insertion.before` is a line: then an event comes before the first one of that line or a later one.
    """

    def __init__(self, source: Source, insertions: Sequence[Insertion], *, by_line: bool = False) -> None:
        self.repeatable = source.repeatable
        self._source = source
        self._insertions = sorted(insertions, key=lambda each: each.before)
        self._by_line = by_line

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`; an event that is put in has no instruction.

        Raises
        ------
        TraceError
            If there is no event for an insertion to come before.
        """
        left = list(self._insertions)
        number = 0

        def inserting(batch: Batch) -> None:
            nonlocal number
            start = 0
            while left:
                at = self._index(batch, number, left[0].before)
                if at is None:
                    break
                if at > start:
                    sink(_part(batch, start, at))
                sink(Batch.of([left.pop(0).event]))
                start = at
            sink(batch if start == 0 else _part(batch, start, len(batch)))
            number += len(batch)

        self._source.run(inserting, instructions=instructions)
        if left:
            what = "line" if self._by_line else "event"
            raise TraceError(
                "", f"no event at {what} {left[0].before} or later, before which to put '{left[0].event}'"
            )

    def _index(self, batch: Batch, number: int, before: int) -> int | None:
        """The index in a batch of the event that an insertion comes before, if it is there."""
        if not self._by_line:
            return before - number if number <= before < number + len(batch) else None
        later = (batch.rows["where"] >= before).nonzero()[0]
        return int(later[0]) if len(later) else None


def _part(batch: Batch, start: int, end: int) -> Batch:
    instructions = batch.instructions
    rows = batch.rows[start:end].copy()
    return Batch(
        batch.agents, rows, instructions=None if instructions is None else instructions[start:end].copy()
    )
