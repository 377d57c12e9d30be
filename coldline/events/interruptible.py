# SPDX-License-Identifier: GPL-2.0-or-later
"""A source that an interrupt ends, so that what was judged until then can be reported."""

from coldline.events.source import Sink, Source


class Interruptible:
    """The events of another source until KeyboardInterrupt is raised, which ends them.

    After an interrupt, it is not to be run again: the second run would have more events.

    Parameters
    ----------
    source : Source
        The events.

    Attributes
    ----------
    interrupted : bool
        Whether there was an interrupt.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.interrupted = False

    @property
    def repeatable(self) -> bool:
        """See `Source`."""
        return self._source.repeatable and not self.interrupted

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        try:
            self._source.run(sink, instructions=instructions)
        except KeyboardInterrupt:
            self.interrupted = True
