# SPDX-License-Identifier: GPL-2.0-or-later
"""Repairs of a guest's run: turns the events that operations come before into places, and runs the guest with them.

An event's place is the instruction that made it, which time that was, and the core. Events do not say which time. So
the guest is run with its instructions, which tells the addresses, and once more to count how often each was reached
before the event.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from coldline.checker.checker import Checker
from coldline.checker.finding_ranges import joined
from coldline.errors import GuestError
from coldline.events import Event, Op
from coldline.events.agent_names import vcpu_name
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.explain.event_code import instruction_of
from coldline.first_pass import check
from coldline.frontends.unicorn import Outcome
from coldline.frontends.unicorn.additions import Addition, CodePlace
from coldline.repair.proof import within
from coldline.repair.result import PutIn, Repair, Repairs, Target
from coldline.simulation import Trial
from coldline.verdict import Verdict, judge

MOST_KEPT: Final = 20_000_000
"""The most events that are kept in a file while repairs are searched; a longer run is run again instead."""

AT_ONCE_FROM: Final = 1_000_000
"""The events of a run from which on the repairs of all causes are put in at once: see `coldline.repaired_run`."""


class Once:
    """A trial as a source that can be run only once, so that `Spool` keeps its events."""

    repeatable = False

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        self._trial.run(sink, instructions=instructions)


class _Found(NamedTuple):
    """An event's instruction, and how many events its core had before it."""

    pc: int
    core: int
    before: int
    is_fetch: bool


def places_of(trial: Trial, numbers: Iterable[int]) -> dict[int, CodePlace]:
    """The places of events of a trial, by their numbers; those that no instruction of the guest made are left out."""
    found = _instructions(trial, set(numbers))
    if not found:
        return {}
    counters = tuple(Addition(CodePlace((each.pc,), 0, each.core), ()) for each in found.values())
    # A block's fetch comes before its first instruction is reached, other events come after it.
    until = tuple(each.before + 1 + each.is_fetch for each in found.values())
    given = len(trial.additions)
    counting = replace(trial, additions=(*trial.additions, *counters), until_events=(*[0] * given, *until))
    outcome = counting.run(lambda batch: None)
    return {
        number: CodePlace((each.pc,), count, each.core)
        for (number, each), count in zip(found.items(), outcome.reached[given:], strict=True)
        if count
    }


def _instructions(trial: Trial, numbers: set[int]) -> dict[int, _Found]:
    """The instructions that made some events, by a run of the trial."""
    cores = {vcpu_name(number): number for number in range(trial.plan.vcpus)}
    had = [0] * trial.plan.vcpus
    found: dict[int, _Found] = {}
    first = 0

    def sink(batch: Batch) -> None:
        nonlocal first
        core = cores.get(batch.agents[0]) if batch.instructions is not None else None
        if core is not None:
            for number in sorted(numbers):
                index = number - first
                code = instruction_of(batch, index) if 0 <= index < len(batch) else None
                if code is not None:
                    is_fetch = batch.event(index).op is Op.FETCH
                    found[number] = _Found(code.virtual, core, had[core] + index, is_fetch)
            had[core] += len(batch)
        first += len(batch)

    trial.run(sink, instructions=True)
    return found


class Rerun(NamedTuple):
    """What a run of a trial finds: for each kind of hazard the ranges, each with its first byte and its end."""

    ranges: dict[str, list[tuple[int, int]]]

    @classmethod
    def of(cls, checker: Checker) -> "Rerun":
        """What the check of a run found."""
        ranges: dict[str, list[tuple[int, int]]] = {}
        for entry in joined(checker.findings, checker.profile.line):
            ranges.setdefault(entry.kind, []).append((entry.address, entry.address + entry.size))
        return cls(ranges)

    @classmethod
    def of_trial(cls, trial: Trial) -> "Rerun | None":
        """Run a trial; None if the guest could not go on."""
        try:
            return cls.of(check(trial, trial.profile, distinct=True, at_length=True, told=False))
        except GuestError:
            return None

    def repairs(self, target: Target, as_it_was: "Rerun") -> bool:
        """Whether none of the target's hazards is left, and there is no other than before."""
        if not all(within(ranges, as_it_was.ranges.get(kind, [])) for kind, ranges in self.ranges.items()):
            return False
        return not any(
            low < entry.address + entry.size and entry.address < high
            for entry in target.entries
            for low, high in self.ranges.get(entry.kind, [])
        )


class TrialRepairs:
    """Adds the repairs of a trial's causes to the guest's code, and runs it again.

    Parameters
    ----------
    trial : Trial
        The trial.
    say : callable
        Called with what is done next.
    """

    def __init__(self, trial: Trial, say: Callable[[str], None]) -> None:
        self._trial, self._say = trial, say

    def put_in(
        self, found: Mapping[int, Repairs], targets: Mapping[int, Target]
    ) -> tuple[dict[int, Repairs], tuple[Addition, ...]]:
        """Say of each repair what ``--with`` takes, and whether the guest is right when it is run again with it.

        Returns
        -------
        dict of int to Repairs
            The repairs of each cause.
        tuple of Addition
            The additions of the first repair of each cause that was right.
        """
        every = [repair for repairs in found.values() for repair in repairs.found]
        if not every:
            return dict(found), ()
        self._say("finding the instructions that repairs come before")
        numbers = {place.number for repair in every for place in (*repair.earliest, *repair.latest)}
        places = places_of(self._trial, numbers)
        as_it_was = Rerun.of_trial(self._trial)
        chosen: list[Addition] = []
        done: dict[int, Repairs] = {}
        for number, repairs in found.items():
            tried: list[Repair] = []
            right: tuple[Addition, ...] | None = None
            for repair in repairs.found:
                self._say(f"running the guest with a repair of cause {number + 1}")
                additions, put_in = self._try(repair, places, targets[number], as_it_was)
                tried.append(repair._replace(put_in=put_in))
                if right is None and put_in is not None and put_in.right:
                    right = additions
            done[number] = repairs._replace(found=tried)
            chosen += right or ()
        return done, tuple(dict.fromkeys(chosen))

    def _try(
        self, repair: Repair, places: Mapping[int, CodePlace], target: Target, as_it_was: "Rerun | None"
    ) -> tuple[tuple[Addition, ...], PutIn | None]:
        """The additions that a repair is at its latest place, or else its earliest, and how the guest runs so."""
        first: tuple[tuple[Addition, ...], PutIn | None] = ((), None)
        for where in dict.fromkeys((repair.latest, repair.earliest)):
            at = [places.get(place.number) for place in where]
            if None in at:
                continue
            additions = tuple(
                Addition(place, (_of_core(event, place.core),))
                for event, place in zip(repair.events, at, strict=True)
                if place is not None
            )
            rerun = Rerun.of_trial(replace(self._trial, additions=(*self._trial.additions, *additions)))
            right = rerun is not None and as_it_was is not None and rerun.repairs(target, as_it_was)
            if right or not first[0]:
                first = additions, PutIn(tuple(map(str, additions)), right)
            if right:
                break
        return first


def judged_with(trial: Trial, additions: Sequence[Addition]) -> tuple[Verdict, tuple[str, ...]]:
    """Run a trial with more operations in its code; return the verdict of its accesses, and the kinds of hazard.

    Raises
    ------
    GuestError
        If the guest does something after which the run cannot continue.
    """
    run = Keeping(replace(trial, additions=(*trial.additions, *additions)))
    checker = check(run, trial.profile, distinct=True, at_length=True, told=False)
    assert run.outcome is not None
    judgement = judge(
        checker, run, most=0, stories=0, gaps=run.outcome.gaps(trial.until, checker.coverage.cacheable)
    )
    return judgement.verdict, tuple(judgement.kinds)


class Keeping:
    """A trial as a source that keeps the outcome of its last run."""

    repeatable = True

    def __init__(self, trial: Trial) -> None:
        self.outcome: Outcome | None = None
        self._trial = trial

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        self.outcome = self._trial.run(sink, instructions=instructions)


def _of_core(event: Event, core: int) -> Event:
    return event._replace(agent=vcpu_name(core))
