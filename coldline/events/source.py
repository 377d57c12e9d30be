# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol between a front end and the readers of its events.

A front end (an emulator, a trace file, a hardware tracer) is a `Source`: it hands all its events, in order, to a
`Sink`. The check is one sink, a trace writer is another. A verdict needs one run of the source; the stories of the
hazards need the same events once more. If a source is not `repeatable`, `coldline.trace.spool.Spool` keeps its events
during the first run. `coldline.events.conformance` tries any source against this protocol.

`Batch` says who owns the memory of the columns and how long it stays valid.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from coldline.events.batch import Batch

if TYPE_CHECKING:
    from coldline.events.footprints import EventRanges

Sink = Callable[[Batch], None]
"""Takes one batch of events. An exception that it raises ends the run and leaves `Source.run`."""


class Source(Protocol):
    """A producer of events."""

    @property
    def repeatable(self) -> bool:
        """Whether each run hands over the same events. If not, every run after the first raises an exception."""

    def run(self, sink: Sink, *, instructions: bool = False) -> object:
        """Hand all events to `sink`, in the order in which they happened.

        Parameters
        ----------
        sink : callable
            Takes each batch.
        instructions : bool
            Whether the caller wants `Batch.instructions`. A source that does not know instructions ignores this.
            The events are the same either way.
        """


@runtime_checkable
class Locating(Protocol):
    """A source that knows where `Batch.instructions` are wanted, as to find them takes time."""

    @property
    def locates_slowly(self) -> bool:
        """Whether to find an event's instruction takes longer than the event."""

    def locate_at(self, ranges: "EventRanges") -> None:
        """Take the ranges of events outside of which the next run need not know instructions."""


class Batches:
    """A source of events that are in memory.

    Parameters
    ----------
    batches : sequence of Batch
        The events. The sinks must not change them.
    """

    repeatable = True

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`: hands over each batch as it is."""
        for batch in self._batches:
            sink(batch)
