# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of one line, without loops that change nothing.

A line that is polled has the same few events a million times. If a sequence of events returns a line to an earlier
state, and each of the events is already in the history, the sequence is left out: without it, every microstate of
every byte is still reached, in as few steps.
"""

from bisect import bisect_right
from typing import Any

from coldline.checker.state.vocabulary import AnyLetter, AnySetting
from coldline.events import Event
from coldline.events.op import Kind
from coldline.explain.event_code import Code
from coldline.explain.least_cost import LeastCosts
from coldline.explain.ordered_cost import OrderedCosts
from coldline.rules.alphabet import OTHER, PERHAPS
from coldline.rules.order.cores import CoreEvent

MAX_STORY = 4000
"""The most events that are kept of a line; nobody would read a longer story."""

_MAX_STRETCH = 64
"""The most events of a sequence that may be left out."""

_MAX_KNOWN = 1 << 17
"""Runs, over all shapes, whose next shape is cached."""

_MAX_SEEN = 1 << 10
"""Runs, over all shapes, that are kept of a line's past."""


Shape = tuple[tuple[int, Any], ...]
"""The costs of a line's bytes: for each run of bytes with equal costs, its end and the costs."""


class LineEvent:
    """An event of a line, linked to the one before it.

    Attributes
    ----------
    event : Event
        The event.
    number : int
        The event's number in the trace.
    where : int
        Its line in a text, or 0.
    letter : AnyLetter or None
        Its letter for the bytes that it touches; None if it touches no byte.
    start, end : int
        The bytes of the line that it touches.
    setting : AnySetting
        What speculation may do from then on.
    granule : int
        Bytes of a granule of maintenance, for the accesses that program order has wait for it.
    before : LineEvent or None
        The line's event before it.
    code : Code or None
        The instruction that did it, if the source knows it.
    """

    __slots__ = (
        *("event", "number", "where", "letter", "start", "end", "setting", "granule"),
        *("before", "depth", "same", "code", "_times", "_epochs"),
    )

    def __init__(
        self,
        event: Event,
        number: int,
        where: int,
        letter: AnyLetter | None,
        start: int,
        end: int,
        setting: AnySetting,
        granule: int,
    ) -> None:
        self.event = event
        self.number = number
        self.where = where
        self.letter = letter
        self.start = start
        self.end = end
        self.setting = setting
        self.granule = granule
        self.before: LineEvent | None = None
        self.code: Code | None = None
        self.depth = 1
        self.same: LineEvent | None = None
        """The last `LineEvent` before it with an equal event."""
        self._times = [1]
        self._epochs = [-1]

    def letter_for(self, offset: int) -> AnyLetter | None:
        """Its letter for the byte at `offset` in the line."""
        if self.letter is None or self.start <= offset < self.end:
            return self.letter
        low, high = self._around()
        return _letter_beside(self.letter, near=low <= offset < high)

    def cuts(self) -> tuple[int, ...]:
        """The offsets at which the letter of the line's bytes may change, in ascending order."""
        low, high = self._around()
        return (low, self.start, self.end, high)

    def _around(self) -> tuple[int, int]:
        """The granules that hold the bytes that it touches."""
        return self.start - self.start % self.granule, self.end + -self.end % self.granule

    def again(self, times: int, epoch: int) -> None:
        """Count repetitions of the event that were left out; `epoch` is the number of hazards so far."""
        if self._epochs[-1] != epoch:
            self._epochs.append(epoch)
            self._times.append(self._times[-1])
        self._times[-1] += times

    def times(self, epoch: int) -> int:
        """How often the event happened until `epoch` hazards had been found."""
        return self._times[bisect_right(self._epochs, epoch) - 1]


class LineShapes:
    """Applies events to whole lines, whose bytes may have different costs.

    Parameters
    ----------
    ways : LeastCosts
        The effects of events on a byte's costs.
    line : int
        Bytes of a line.
    """

    def __init__(self, ways: LeastCosts | OrderedCosts, line: int) -> None:
        self.cold: Shape = ((line, ways.start),)
        self._ways = ways
        self._known: dict[Any, Shape] = {}
        self._runs = 0

    def after(self, shape: Shape, line_event: LineEvent) -> Shape:
        """The shape of a line after an event."""
        key = (shape, line_event.letter, line_event.start, line_event.end, line_event.setting)
        known = self._known.get(key)
        if known is None:
            known = self._after(shape, line_event)
            self._runs += len(shape) + len(known)
            if self._runs > _MAX_KNOWN:
                self._known.clear()
                self._runs = 0
            self._known[key] = known
        return known

    def _after(self, shape: Shape, line_event: LineEvent) -> Shape:
        runs: list[tuple[int, Any]] = []
        low = 0
        for high, costs in shape:
            for until in (*(cut for cut in line_event.cuts() if low < cut < high), high):
                if until == low:
                    continue
                taken = self._ways.take(costs, line_event.letter_for(low), line_event.setting)
                if runs and runs[-1][1] == taken.after:
                    runs.pop()
                runs.append((until, taken.after))
                low = until
        return tuple(runs)


class LineHistory:
    """The events of a line.

    Parameters
    ----------
    shapes : LineShapes
        Applies events to lines.
    barriers : bool
        Whether a barrier that changes nothing is left out only where the line had it since its last other event.

    Attributes
    ----------
    last : LineEvent or None
        The last event that was not left out.
    """

    def __init__(self, shapes: LineShapes, *, barriers: bool = False) -> None:
        self._barriers = barriers
        self.last: LineEvent | None = None
        self._shapes = shapes
        self._shape = shapes.cold
        self._told: dict[Event, LineEvent] = {}
        self._seen: dict[Any, LineEvent] = {}
        self._runs = 0

    @property
    def shape(self) -> Shape:
        """The costs of the line's bytes after the last event."""
        return self._shape

    @property
    def full(self) -> bool:
        """Whether the line has had so many events that no more are kept."""
        return self.last is not None and self.last.depth >= MAX_STORY

    def add(self, line_event: LineEvent, aliases: Any, epoch: int) -> None:
        """Add an event.

        Parameters
        ----------
        line_event : LineEvent
            The event.
        aliases : hashable
            The agents' aliases and switches from then on; None if they do not matter yet.
        epoch : int
            The number of hazards so far, including this event if it is one.
        """
        line_event.before = self.last
        line_event.depth = self.last.depth + 1 if self.last is not None else 1
        line_event.same = self._told.get(line_event.event)
        self._shape = self._shapes.after(self._shape, line_event)
        state = (self._shape, aliases)
        seen = self._seen.get(state) if aliases is not None else None
        told = self._told_before(seen, line_event) if seen is not None else []
        stays = self._barriers and self._is_new_barrier(line_event)
        if told and not stays:
            for each, same in told:
                same.again(each.times(epoch), epoch)
                self._told[each.event] = same
            self.last = seen
            return
        self.last = self._told[line_event.event] = line_event
        if aliases is None:
            return
        if state not in self._seen:
            self._runs += len(self._shape)
            if self._runs > _MAX_SEEN:
                self._seen.clear()
                self._runs = len(self._shape)
        self._seen[state] = line_event

    def _is_new_barrier(self, line_event: LineEvent) -> bool:
        """Whether an event is a barrier that the line did not have since its last other event."""
        if line_event.event.op.kind is not Kind.BARRIER:
            return False
        each = line_event.before
        while each is not None and each.event.op.kind is Kind.BARRIER and each.event != line_event.event:
            each = each.before
        return each is None or each.event != line_event.event

    def _told_before(self, seen: LineEvent, last: LineEvent) -> list[tuple[LineEvent, LineEvent]]:
        """The events after `seen`, each with its equal from before `seen`; nothing if one of them has none."""
        told: list[tuple[LineEvent, LineEvent]] = []
        each: LineEvent | None = last
        if last.depth - seen.depth > _MAX_STRETCH:
            return []
        while each is not None and each.depth > seen.depth:
            same = each.same
            while same is not None and same.depth > seen.depth:
                same = same.same
            if same is None:
                return []
            told.append((each, same))
            each = each.before
        return told if each is seen else []


def _letter_beside(letter: AnyLetter, *, near: bool) -> AnyLetter | None:
    """The letter for a byte beside those that an event touches: in a granule that it touches, or in another one."""
    if isinstance(letter, CoreEvent):
        other = letter.as_other
        return other if near or other is None else other.as_far
    return OTHER.get(letter) or PERHAPS.get(letter)
