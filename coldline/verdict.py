# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges events: a first pass finds the verdict and a second pass, if there are hazards, their stories."""

import enum
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from coldline.checker.coverage import Coverage
from coldline.checker.final_read import Provenance, Region, Swept, sweep
from coldline.checker.finding_ranges import joined
from coldline.events.batch import Batch
from coldline.events.interruptible import Interruptible
from coldline.events.relay import Relay
from coldline.events.source import Sink, Source
from coldline.explain.explained import ExplainedHazard, Unread
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.explain.selection import KeptEvents

_MANY = 100_000
"""The number of events to announce for a long source: enough to load machine code, and too few to compile it."""


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
    kinds_of : dict of str to dict of str to int
        The same by the agent that they are of.
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
    warnings : list of str
        What is doubtful about the events, besides the verdict.
    """

    profile: Profile
    hazards: list[ExplainedHazard] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    kinds_of: dict[str, dict[str, int]] = field(default_factory=dict, kw_only=True)
    events: int = 0
    hazard_events: int = 0
    final_read: list[Swept] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    gaps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether an interrupt cut off the events, or the stories."""
        return WAS_INTERRUPTED in self.gaps

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


class Watcher:
    """Follows a judgement; by itself, it does nothing."""

    def read(self, events: int) -> None:
        """Take the number of events that the first pass has had so far, where its caller counts them."""

    def found(self, judgement: Judgement, stories: int) -> None:
        """Take what the first pass found, before there is a second one.

        Parameters
        ----------
        judgement : Judgement
            The judgement, without stories, and without `unread`, which takes the second pass.
        stories : int
            How many hazards of the events will get a story.
        """

    def repeated(self, events: int) -> None:
        """Take the number of events that the second pass has had so far."""

    def telling(self, story: int, stories: int) -> None:
        """Take the number, from 1, of the story that will be worked out next, and how many there are."""


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
        Whether many events will come. Then machine code is loaded at once, and it is noted which memory they concern.

    Raises
    ------
    TraceError
        If an event is impossible.
    """
    reader = _reader(profile, distinct=distinct, most=most, at_length=at_length, notes=at_length)
    relay = Relay(reader.open)
    try:
        with relay:
            source.run(relay.put)
    except KeyboardInterrupt:
        # The source had ended, and the reader has now taken the rest.
        if not (isinstance(source, Interruptible) and relay.ended):
            raise
        source.interrupted = True
    return reader.close()


def check_each(run: Callable[[Sequence[Sink]], None], profiles: Sequence[Profile]) -> "list[Checker]":
    """As `check` for several streams of many events, which `run` hands over at once, each to its own sink.

    Only a line's first hazard of each kind is kept.
    """
    readers = [
        _reader(profile, distinct=True, most=None, at_length=True, notes=False) for profile in profiles
    ]
    with ExitStack() as stack:
        relays = [stack.enter_context(Relay(reader.open)) for reader in readers]
        run([relay.put for relay in relays])
    return [reader.close() for reader in readers]


def _reader(profile: Profile, *, distinct: bool, most: int | None, at_length: bool, notes: bool) -> "_Reader":
    if at_length:
        from coldline.checker.loops import prepare

        prepare()

    def make(checker: "type[Checker]") -> "Checker":
        made = checker(profile, distinct=distinct, most=most)
        if at_length:
            made.expect(_MANY)
        return made

    return _Reader(make, notes=notes)


class _Reader:
    """Makes the checker at the first batch, in the reader's thread, so that the source need not wait for it."""

    def __init__(self, make: "Callable[[type[Checker]], Checker]", *, notes: bool) -> None:
        self._make, self._notes = make, notes
        self._checker: Checker | None = None

    def open(self) -> Sink:
        from coldline.checker.checker import Checker

        self._checker = self._make(Checker)
        if not self._notes:
            return self._checker.feed
        from coldline.events.footprints import Footprints

        feed, noted = self._checker.feed, Footprints()
        self._checker.footprints = noted

        def both(batch: Batch) -> None:
            feed(batch)
            noted.feed(batch)

        return both

    def close(self) -> "Checker":
        assert self._checker is not None
        return self._checker


WAS_INTERRUPTED = "it was interrupted"
"""The gap where an interrupt cut off the events, or what the second pass finds out about them."""

NOTHING_JUDGED = "no read, fetch or walk was judged"
"""The gap of events among which there is none that could find stale data."""


def judge(
    checker: "Checker",
    source: Source,
    *,
    most: int | None,
    stories: int,
    regions: Sequence[Region] = (),
    gaps: Sequence[str] = (),
    watcher: Watcher | None = None,
    kept: "KeptEvents | None" = None,
    interruptible: bool = False,
) -> Judgement:
    """Return the first pass's verdict and hazards, with stories from a second pass over the same events.

    Parameters
    ----------
    checker : Checker
        The result of `check`.
    source : Source
        The same events: `check` and this function each run it once.
    most : int or None
        How many hazards to list, None for all; those of adjacent lines with the same events count as one.
    stories : int
        How many of them, and of what the final read found, get a story. If there is neither a hazard to tell nor
        anything that the final read found, there is no second pass, and lines are joined whatever their events.
    regions : sequence of Region
        The regions of the final read.
    gaps : sequence of str
        The gaps that the source knows: see `Judgement`.
    watcher : Watcher, optional
        Follows the second pass, if there is one.
    kept : KeptEvents, optional
        Takes the events of the second pass that may concern the hazards: see `coldline.explain.second_pass.tell`.
    interruptible : bool
        Whether KeyboardInterrupt ends the second pass, with the stories that are complete; else it is raised.

    Raises
    ------
    RepeatError
        If the second pass has other events than the first.
    """
    profile = checker.profile
    listed = list(islice(joined(checker.findings, profile.line), most))
    judgement = Judgement(
        profile,
        [ExplainedHazard(entry, None, []) for entry in listed],
        dict(sorted(checker.kinds.items())),
        checker.events,
        checker.hazards,
        sweep(checker, regions),
        kinds_of=checker.state.findings.kinds_of,
        coverage=checker.coverage,
        gaps=[*gaps, *([] if checker.coverage.judged else [NOTHING_JUDGED])],
        warnings=checker.warnings,
    )
    if (listed and stories) or any(each.stale for each in judgement.final_read):
        # Most checks need no second pass, and so not this import.
        from coldline.explain.second_pass import tell

        watcher = watcher or Watcher()
        watcher.found(judgement, min(stories, len(listed)))
        told = tell(
            listed,
            source,
            checker,
            judgement.final_read,
            stories,
            repeated=watcher.repeated,
            telling=watcher.telling,
            kept=kept,
            interruptible=interruptible,
        )
        judgement.hazards, judgement.unread = told.hazards[:most], told.unread
        if told.interrupted:
            judgement.gaps.append(WAS_INTERRUPTED)
    return judgement
