# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges events: a first pass finds the verdict and a second pass, if there are hazards, their stories."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from coldline.checker.coverage import Coverage
from coldline.checker.final_read import Provenance, Region, StaleRange, Swept, sweep
from coldline.checker.state.findings import HazardEntry, entries
from coldline.errors import RepeatError
from coldline.events import Op
from coldline.events.batch import Batch
from coldline.events.relay import Relay
from coldline.events.source import Sink, Source
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.explain.history import Code, History
    from coldline.explain.least_cost import LeastCosts
    from coldline.explain.witness import WitnessStep

_MANY = 100_000
"""The number of events to announce for a long source: enough to load machine code, and too few to compile it."""


class ExplainedHazard(NamedTuple):
    """A hazard with its story.

    Attributes
    ----------
    entry : HazardEntry
        The hazard.
    code : Code or None
        The place of the reading instruction, if it is known.
    story : list of WitnessStep
        A shortest sequence of steps that leads there; empty if it was not requested or is too long.
    """

    entry: HazardEntry
    code: "Code | None"
    story: "list[WitnessStep]"


class Unread(NamedTuple):
    """What the final read found in adjacent lines, with a story.

    Attributes
    ----------
    found : StaleRange
        The lines.
    hazard : ExplainedHazard or None
        The read of one of them; None if none of them was followed.
    """

    found: StaleRange
    hazard: ExplainedHazard | None


class Verdict(enum.Enum):
    """The verdict of a check."""

    COHERENT = "coherent"
    """No read of the events, and none of what was loaded by the final read, may be wrong."""
    HAZARD = "hazard"
    """Some may."""
    INCONCLUSIVE = "inconclusive"
    """None may, but too little was judged to call that coherent."""


@dataclass(slots=True)
class Judgement:
    """The result of a check of events.

    Attributes
    ----------
    profile : Profile
        The promises that it relied on.
    hazards : list of ExplainedHazard
        The listed hazards, in the order of events, then of addresses, then of kinds.
    kinds : dict of str to int
        The number of hazards of each kind, listed or not.
    events : int
        The number of events.
    hazard_events : int
        The number of times that an event may have read a line wrongly.
    final_read : list of Swept
        The hazards of a read of all segments, after the last event; empty if it was not requested.
    unread : list of Unread
        The same by whose bytes they are. Only those that were loaded are hazards of the verdict.
    coverage : Coverage
        The accesses that were judged.
    gaps : list of str
        Why the events are not enough for *coherent*, a clause each; empty if they are.
    """

    profile: Profile
    hazards: list[ExplainedHazard] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    events: int = 0
    hazard_events: int = 0
    final_read: list[Swept] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    gaps: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        """The number of hazards, listed or not."""
        return sum(self.kinds.values())

    @property
    def all_kinds(self) -> list[str]:
        """The kinds of hazard of the events, and of the final read of what was loaded, sorted."""
        return sorted({*self.kinds, *(kind for each in self.unread_loaded for kind in each.found.kinds)})

    @property
    def unread_loaded(self) -> list[Unread]:
        """What the final read found of what was loaded and not written by the guest: hazards."""
        return [each for each in self.unread if each.found.content is Provenance.LOADED]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the events and on the final read."""
        if self.all_kinds:
            return Verdict.HAZARD
        return Verdict.INCONCLUSIVE if self.gaps else Verdict.COHERENT


def check(
    source: Source,
    profile: Profile,
    *,
    distinct: bool = False,
    most: int | None = None,
    at_length: bool = False,
) -> "Checker":
    """Follow memory through all events of `source`: the first pass.

    Parameters
    ----------
    source : Source
        The events.
    profile : Profile
        The implementation's promises.
    distinct, most : bool, int or None
        See `Checker`.
    at_length : bool
        Whether many events will come, so that machine code is loaded at once.

    Raises
    ------
    TraceError
        If an event is impossible.
    """
    if at_length:
        from coldline.checker.loops import prepare

        prepare()

    def make(checker: "type[Checker]") -> "Checker":
        made = checker(profile, distinct=distinct, most=most)
        if at_length:
            made.expect(_MANY)
        return made

    reader = _Reader(make)
    with Relay(reader.open) as relay:
        source.run(relay.put)
    return reader.close()


class _Reader:
    """Makes the checker at the first batch, in the reader's thread, so that the source need not wait for it."""

    def __init__(self, make: "Callable[[type[Checker]], Checker]") -> None:
        self._make = make
        self._checker: Checker | None = None

    def open(self) -> Sink:
        from coldline.checker.checker import Checker

        self._checker = self._make(Checker)
        return self._checker.feed

    def close(self) -> "Checker":
        assert self._checker is not None
        return self._checker


NOTHING_JUDGED = "no read, fetch or walk was judged"
"""The gap of events among which there is none that could find stale data."""


def judge(
    checker: "Checker",
    source: Source,
    *,
    most: int,
    stories: int,
    regions: Sequence[Region] = (),
    gaps: Sequence[str] = (),
) -> Judgement:
    """Return the first pass's verdict and hazards, with stories from a second pass over the same events.

    Parameters
    ----------
    checker : Checker
        The result of `check`.
    source : Source
        The same events: `check` and this function each run it once.
    most : int
        How many hazards to list.
    stories : int
        How many of them, and of what the final read found, get a story. If there is neither a hazard to tell nor
        anything that the final read found, there is no second pass.
    regions : sequence of Region
        The regions of the final read.
    gaps : sequence of str
        The gaps that the source knows: see `Judgement`.

    Raises
    ------
    RepeatError
        If the second pass has other events than the first.
    """
    profile = checker.profile
    final_read = sweep(checker, regions)
    listed = list(islice(entries(checker.findings, profile.line), most))
    told, unread = _tell(listed[:stories], source, checker, final_read, stories)
    told += [ExplainedHazard(entry, None, []) for entry in listed[len(told) :]]
    kinds = dict(sorted(checker.kinds.items()))
    coverage = checker.coverage
    return Judgement(
        profile,
        told,
        kinds,
        checker.events,
        checker.hazards,
        final_read,
        unread,
        coverage,
        [*gaps, *([] if coverage.judged else [NOTHING_JUDGED])],
    )


def _tell(
    listed: list[HazardEntry], source: Source, checker: "Checker", final_read: list[Swept], stories: int
) -> tuple[list[ExplainedHazard], list[Unread]]:
    """The second pass, if it is needed: the stories, and whose bytes the final read found."""
    if not listed and not any(each.stale for each in final_read):
        return [], []
    # Most checks need no second pass, and so not these imports.
    from coldline.explain.final_reads import FinalReads
    from coldline.explain.history import History
    from coldline.explain.least_cost import LeastCosts

    profile = checker.profile
    ways = LeastCosts(profile)
    final = FinalReads(checker, final_read, stories)
    lines = [entry.address - entry.address % profile.line for entry in listed]
    numbers = [*(entry.number for entry in listed), *final.numbers.values()]
    history = History(ways, [*lines, *final.numbers], numbers)

    def sink(batch: Batch) -> None:
        final.feed(batch)
        history.feed(batch)

    source.run(sink, instructions=bool(listed))
    if history.events != checker.events:
        raise RepeatError(
            f"{history.events:,} events in the second pass, {checker.events:,} in the first: "
            "their source did not repeat them"
        )
    history.feed(final.look())
    told = [_explained(entry, history, ways) for entry in listed]
    unread = [
        Unread(found, _explained(read, history, ways) if read is not None else None)
        for found, read in final.found()
    ]
    return told, unread


def _explained(entry: HazardEntry, history: "History", ways: "LeastCosts") -> ExplainedHazard:
    from coldline.explain.witness import shortest

    line = entry.address - entry.address % ways.profile.line
    story: list[WitnessStep] = []
    last = history.of(entry.number, line)
    if last is not None:  # else the line had too many events before it, and it was not kept
        story = shortest(last, entry, line, ways, history.epoch(entry.number))
    code = history.code.get(entry.number)
    if code is not None and entry.event.op is Op.FETCH:
        into = entry.address - entry.event.address
        code = code._replace(virtual=code.virtual + into, physical=code.physical + into)
    return ExplainedHazard(entry, code, story)
