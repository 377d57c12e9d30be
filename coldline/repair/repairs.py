# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the smallest repairs of a cause: single operations, then pairs, each proven on the whole trace."""

from collections.abc import Iterable

from coldline.checker.checker import Checker
from coldline.events import Op
from coldline.events.inserting import Insertion
from coldline.events.source import Source
from coldline.explain.second_pass import ways_of
from coldline.repair.projection import BY_ADDRESS, TRIED_BARRIERS, Projection, project
from coldline.repair.proof import Proof
from coldline.repair.result import Failure, Operation, Place, Repair, Repairs, Target
from coldline.repair.search import MOST_FOR_PAIRS, Put, Search
from coldline.repair.why import why_wrong
from coldline.rules.profile import Profile

_STRENGTH = {op: number for number, op in enumerate((*TRIED_BARRIERS, *BY_ADDRESS))}
_MOST_PAIRS = 12
"""The most kinds of pairs that are proven."""

_MOST_PLACES = 3
"""The places of an operation that are tried in a long run, from the last on, and from the first on."""

MANY_EVENTS = 1_000_000
"""The events from which each proof takes a second or more; only the smallest repair of a longer trace is proven.

Such a trace can have as many hazards as events, so that its check has each kind of hazard of a line once.
"""

_NOT_PUT_IN = (
    "no operation put in is enough: make the descriptor invalid, and complete a TLBI, before it is written"
)

_ONLY_ONE = "the trace is long: only the smallest repair that was found was proven, and others were not tried"


def find_repairs(
    source: Source, profile: Profile, checker: Checker, target: Target, *, of_run: bool = False
) -> Repairs:
    """Find the operations that make the hazards of a cause impossible.

    Parameters
    ----------
    source : Source
        The trace, which can be run any number of times.
    profile : Profile
        Its profile.
    checker : Checker
        The check of the trace, with all its findings.
    target : Target
        The hazards.
    of_run : bool
        Whether the trace is of a long run, whose check has each kind of hazard of a line once. Then few places of
        each operation are tried.
    """
    entry = target.entries[0]
    if entry.kind == "bbm":
        return Repairs([], [], _NOT_PUT_IN)
    ways = ways_of(checker, leaks=entry.kind == "leak")
    projection = project(source, ways, entry.address, entry.number, entry.event.agent)
    if projection is None:
        return Repairs([], [], "the line had too many events before the read")
    start = entry.address - projection.line
    barred = _owners(projection) if entry.kind == "leak" else frozenset()
    search = Search(projection, start, min(start + entry.size, profile.line), barred)
    finder = _Finder(source, profile, checker, target, projection, of_run=of_run)
    singles = list(search.singles())
    long = checker.events > MANY_EVENTS
    found = finder.proven(((put,) for put in singles), 1 if long else len(singles))
    failed = finder.failures(search, singles)
    if found:
        return Repairs(found, failed, _ONLY_ONE if long else "")
    if len(projection.events) > MOST_FOR_PAIRS:
        return Repairs([], failed, f"pairs were not tried, as the line has {len(projection.events):,} events")
    found = finder.proven(search.pairs(), 1 if long else _MOST_PAIRS)
    return Repairs(found, failed, "" if found else "no operation, and no pair of operations, is enough")


def _owners(projection: Projection) -> frozenset[str]:
    """Whom the line's page was given to at last: it must not depend on them whether they see others' bytes."""
    gifts = (each.event.agent for each in reversed(projection.events) if each.event.op is Op.GIVE)
    return frozenset(next(gifts, "").split())


class _Finder:
    """Proves what a search finds, and tells why the rest fails."""

    def __init__(
        self,
        source: Source,
        profile: Profile,
        checker: Checker,
        target: Target,
        projection: Projection,
        *,
        of_run: bool,
    ) -> None:
        self._proof = Proof(source, profile, checker, distinct=of_run)
        self._most_places = _MOST_PLACES if of_run else None
        self._target = target
        self._projection = projection
        self._line = profile.line
        self._start, self._end = target.lines(profile.line)

    def proven(self, puts: Iterable[tuple[Put, ...]], most: int) -> list[Repair]:
        """The repairs among some insertions, at the earliest and the latest place where each is proven."""
        places: dict[tuple[Operation, ...], list[tuple[int, ...]]] = {}
        for each in puts:
            key = tuple(operation for _, operation in each)
            places.setdefault(key, []).append(tuple(index for index, _ in each))
        ranked = sorted(places, key=self._rank)
        found: list[Repair] = []
        kinds: set[tuple[Op, ...]] = set()
        for operations in ranked:
            kind = tuple(operation.op for operation in operations)
            if len(kinds) >= most and kind not in kinds:
                continue
            repair = self._prove(operations, places[operations])
            if repair is not None:
                kinds.add(kind)
                found.append(repair)
        return found

    def _rank(self, operations: tuple[Operation, ...]) -> tuple[int, list[int], list[bool]]:
        """The fewest lines first, then the weakest operations, then those of the agent that reads."""
        reader = self._target.entries[0].event.agent
        return (
            self._lines(operations),
            [_STRENGTH[operation.op] for operation in operations],
            [operation.agent != reader for operation in operations],
        )

    def _lines(self, operations: tuple[Operation, ...]) -> int:
        """How many cache lines the operations concern."""
        return sum(operation.op.has_range for operation in operations) * (
            (self._end - self._start) // self._line
        )

    def _prove(self, operations: tuple[Operation, ...], places: list[tuple[int, ...]]) -> Repair | None:
        """A repair by some operations at the first and the last place where it is proven; None if nowhere."""
        most = self._most_places
        last, first = places[::-1][:most], places[:most]
        latest = next((each for each in last if self._holds(operations, each)), None)
        if latest is None:
            return None
        earliest = next((each for each in first if each == latest or self._holds(operations, each)), latest)
        events = tuple(operation.event(self._start, self._end - self._start) for operation in operations)
        return Repair(
            events,
            tuple(self._place(index) for index in earliest),
            tuple(self._place(index) for index in latest),
            self._lines(operations),
        )

    def _holds(self, operations: tuple[Operation, ...], places: tuple[int, ...]) -> bool:
        size = self._end - self._start
        insertions = [
            Insertion(operation.event(self._start, size), self._place(index).number)
            for operation, index in zip(operations, places, strict=True)
        ]
        return self._proof.holds(insertions, self._target)

    def _place(self, index: int) -> Place:
        each = self._projection.events[index]
        return Place(each.number, each.where)

    def failures(self, search: Search, right: list[Put]) -> list[Failure]:
        """For each kind of operation where it fails: the last place, or the last one before it helps.

        By the agent that reads, if it may do it there: by another core's it fails for want of that core's DSB alone.
        """
        reader = self._target.entries[0].event.agent
        first: dict[Op, int] = {}
        for index, operation in right:
            first.setdefault(operation.op, index)
        last: dict[Op, Put] = {}
        for index, operation in search.tried():
            known = last.get(operation.op)
            if index < first.get(operation.op, index + 1) and (
                known is None or known[0] != index or operation.agent == reader
            ):
                last[operation.op] = (index, operation)
        found = []
        for op in sorted(last, key=_STRENGTH.__getitem__):
            index, operation = last[op]
            wrong = search.wrong_with(index, operation)
            if wrong is None:
                continue  # it makes an earlier read wrong
            why = why_wrong(self._projection, self._target.entries[0], index, operation, wrong)
            event = operation.event(self._start, self._end - self._start)
            found.append(Failure(event, self._place(index), why))
        return found
