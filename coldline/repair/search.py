# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches the insertions that make a line's bad read right, by the rules of one byte.

Between two events of the line, what its bytes may be in are costs for each group of bytes with the same events. An
insertion changes them, and the events after it either lead to a bad read or not. For each group, that depends only
on the place and on its costs, and few costs occur, so it is remembered.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from coldline.checker.state.vocabulary import AnyLetter, AnySetting
from coldline.explain.line_history import LineEvent
from coldline.repair.projection import Projection
from coldline.repair.reachable import Reachable
from coldline.repair.result import Operation
from coldline.rules.line_rules import Hazard

MOST_FOR_PAIRS = 100
"""The most events of a line between which pairs of operations are tried."""

MOST_KNOWN = 1 << 18
"""The most places and costs of which it is remembered whether they lead to a bad read, some 200 bytes each."""

_STRIDE = 8
"""It is remembered at one event of so many."""

Put = tuple[int, Operation]
"""An operation, and the index of the event of the line that it comes before."""

Bytes = tuple[Any, ...]
"""The costs of each group of bytes."""


class _Step(NamedTuple):
    """What an event does to each group of bytes; events with the same letters and setting share one.

    Attributes
    ----------
    letters : tuple of AnyLetter or None
        The letter for each group.
    setting : AnySetting
        What holds at the event.
    """

    letters: tuple[AnyLetter | None, ...]
    setting: AnySetting


class BadByte(NamedTuple):
    """A byte of a line that a read may return wrongly, and how."""

    offset: int
    hazard: Hazard


class Search:
    """The insertions into one line's events.

    Parameters
    ----------
    projection : Projection
        The line's events.
    offset, end : int
        The bytes of the line, from its first, that the hazard is about.
    barred : frozenset of str
        Agents whose operations are no repair, with their other aliases.
    """

    def __init__(
        self, projection: Projection, offset: int, end: int, barred: frozenset[str] = frozenset()
    ) -> None:
        self._projection = projection
        self._barred = barred
        self._reader = projection.events[-1].event.agent
        self._events = projection.events
        self._last = len(projection.events) - 1
        size = projection.ways.profile.line
        edges = {0, offset, end, *(edge for each in self._events for edge in (each.start, each.end))}
        self._offsets = sorted(edge for edge in edges if 0 <= edge < size)
        self._concerned = [offset <= each < end for each in self._offsets]
        self._steps = self._steps_of_events()
        self._reads = [self._groups_read(each) for each in self._events]
        self._sets = Reachable(projection.ways)
        self._before: list[Bytes] = []
        self._allowed: list[set[BadByte]] = []
        self._right: dict[tuple[int, int, Any], bool] = {}
        self._forgot = 0
        self._follow()

    def _follow(self) -> None:
        """The costs before each event, and the reads of bytes of no concern that are wrong in any case."""
        costs: Bytes = (self._sets.start,) * len(self._offsets)
        for index in range(len(self._events)):
            self._before.append(costs)
            self._allowed.append(self._bad(index, costs) - self._bad(index, costs, concerned=True))
            costs = self._after(index, costs)
        # What was wrong at an earlier read may stay so.
        for index in range(self._last):
            self._allowed[index] |= self._bad(index, self._before[index])

    def _steps_of_events(self) -> list[_Step]:
        known: dict[_Step, _Step] = {}
        steps = [_Step(tuple(map(each.letter_for, self._offsets)), each.setting) for each in self._events]
        return [known.setdefault(step, step) for step in steps]

    def _groups_read(self, each: LineEvent) -> list[int]:
        """The groups of bytes that an event reads."""
        if not each.event.op.traits.reads or each.letter is None:
            return []
        return [group for group, offset in enumerate(self._offsets) if each.start <= offset < each.end]

    def _after(self, index: int, costs: Bytes) -> Bytes:
        """The costs after an event."""
        letters, setting = self._steps[index]
        return tuple(
            self._sets.after(part, letter, setting) for part, letter in zip(costs, letters, strict=True)
        )

    def _bad(self, index: int, costs: Bytes, *, concerned: bool = False) -> set[BadByte]:
        """The bytes that an event may read wrongly; if `concerned`, only those that the hazard is about."""
        found = set()
        for group in self._reads[index]:
            if self._concerned[group] or not concerned:
                found |= self._bad_of(index, group, costs[group])
        return found

    def _bad_of(self, index: int, group: int, part: Any) -> set[BadByte]:
        """How an event may read a group wrongly, which it reads."""
        letters, setting = self._steps[index]
        hazards = self._sets.hazards(part, letters[group], setting)
        return {BadByte(self._offsets[group], hazard) for hazard in hazards}

    def _is_right(self, index: int, costs: Bytes) -> bool:
        """Whether the events from `index` on, from these costs, read nothing wrongly that they need not."""
        return all(self._group_is_right(index, group, part) for group, part in enumerate(costs))

    def _group_is_right(self, index: int, group: int, part: Any) -> bool:
        seen = []
        right = True
        while index <= self._last:
            if not index % _STRIDE:
                key = index, group, part
                known = self._right.get(key)
                if known is not None:
                    right = known
                    break
                seen.append(key)
            if group in self._reads[index] and self._bad_of(index, group, part) - self._allowed[index]:
                right = False
                break
            letters, setting = self._steps[index]
            part = self._sets.after(part, letters[group], setting)
            index += 1
        if len(self._right) > MOST_KNOWN or self._forgot != self._sets.after.forgot:
            self._right.clear()  # its costs would be kept for it alone
            self._forgot = self._sets.after.forgot
        for key in seen:
            self._right[key] = right
        return right

    def _put(self, index: int, operation: Operation, costs: Bytes) -> Bytes:
        """The costs once an operation has been put in before event `index`."""
        letter = self._projection.letters[index - 1][operation]
        setting = self._events[index - 1].setting
        return tuple(self._sets.after(part, letter, setting) for part in costs)

    def _operations(self, index: int) -> list[Operation]:
        """The operations that differ before an event, by agents that have begun.

        Of equal ones, that of the agent of the event before it, if it can reach the line; else another agent's. Those
        of an agent that can no longer reach the line count only where nobody else has one, or where it reads.
        """
        letters = self._projection.letters[index - 1]
        agent = self._events[index - 1].event.agent
        begun, lost = self._projection.agents[index - 1]
        differing: dict[object, Operation] = {}
        for operation in sorted(letters, key=lambda each: (each.agent in lost, each.agent != agent)):
            if operation.agent != agent and operation.agent not in begun:
                continue
            if operation.agent.partition("+")[0] in self._barred:
                continue
            others = (each.op for each in differing.values())
            if operation.agent in lost and operation.agent != self._reader and operation.op in others:
                continue
            differing.setdefault((operation.op, letters[operation]), operation)
        return list(differing.values())

    def singles(self) -> Iterator[Put]:
        """The single operations that make the read right, and each place."""
        for index in range(1, self._last + 1):
            for operation in self._operations(index):
                if self._is_right(index, self._put(index, operation, self._before[index])):
                    yield index, operation

    def tried(self) -> Iterator[Put]:
        """All single operations, and each place."""
        for index in range(1, self._last + 1):
            for operation in self._operations(index):
                yield index, operation

    def pairs(self) -> Iterator[tuple[Put, Put]]:
        """The pairs of operations that make the read right, and their places."""
        for first in range(1, self._last + 1):
            for operation in self._operations(first):
                costs = self._put(first, operation, self._before[first])
                if costs == self._before[first]:
                    continue  # it changes nothing there
                for second in range(first, self._last + 1):
                    for other in self._operations(second):
                        if self._is_right(second, self._put(second, other, costs)):
                            yield (first, operation), (second, other)
                    costs = self._after(second, costs)

    def wrong_with(self, index: int, operation: Operation) -> BadByte | None:
        """A byte that the last event still reads wrongly if an operation is put in before event `index`."""
        costs = self._put(index, operation, self._before[index])
        for later in range(index, self._last):
            costs = self._after(later, costs)
        wrong = self._bad(self._last, costs) - self._allowed[-1]
        return min(wrong, key=lambda each: (each.offset, each.hazard is Hazard.STALE), default=None)
