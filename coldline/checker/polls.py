# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the polls that no checked read follows: they say nothing of what their agent read in the end."""

from typing import NamedTuple

import numpy as np

from coldline.events import Event, Op
from coldline.events.batch import Batch

MOST_POLLS = 256
"""The most polls that are followed at a time."""


class Poll(NamedTuple):
    """What an agent polls: the bytes from `address` to `end`."""

    agent: str
    address: int
    end: int


class Polls:
    """The polls whose bytes their agent has not read since.

    Attributes
    ----------
    open : dict of Poll to int
        Those polls, `MOST_POLLS` at the most, each with its line in a text, or its number.
    """

    def __init__(self) -> None:
        self.open: dict[Poll, int] = {}

    def event(self, event: Event, place: int) -> None:
        """Take an event; `place` is its line in a text, or its number."""
        if event.op is Op.POLL:
            self._add(Poll(event.agent, event.address, event.address + event.size), place)
        elif event.op is Op.READ and self.open:
            end = event.address + event.size
            for poll in list(self.open):
                if poll.agent == event.agent and poll.address < end and event.address < poll.end:
                    del self.open[poll]

    def feed(self, batch: Batch, number: int) -> None:
        """Take the events of a batch, of which the first is event `number` of the trace."""
        rows = batch.rows
        polls = np.flatnonzero(rows["op"] == Op.POLL).tolist()
        if not self.open and not polls:
            return
        last = dict.fromkeys(self.open, -1)
        for index in polls:
            event = batch.event(index)
            poll = Poll(event.agent, event.address, event.address + event.size)
            if self._add(poll, int(rows["where"][index]) or number + index):
                last[poll] = index
        reads = np.flatnonzero(rows["op"] == Op.READ)
        agents, starts = rows["agent"][reads], rows["address"][reads]
        ends = starts + rows["size"][reads]
        for poll, index in last.items():
            same = agents == (batch.agents.index(poll.agent) if poll.agent in batch.agents else -1)
            if (same & (starts < poll.end) & (ends > poll.address) & (reads > index)).any():
                del self.open[poll]

    def _add(self, poll: Poll, place: int) -> bool:
        if poll in self.open or len(self.open) < MOST_POLLS:
            self.open.setdefault(poll, place)
        return poll in self.open

    @property
    def warnings(self) -> list[str]:
        """A warning for the polls that are not judged, if there are any."""
        if not self.open:
            return []
        (poll, place), *others = self.open.items()
        more = f", nor are {len(others)} others" if len(others) > 1 else ", nor is one more" if others else ""
        return [
            f"the poll of {poll.address:#x} by {poll.agent} (line or event {place}) is not judged, as no read by "
            f"{poll.agent} follows it{more}"
        ]
