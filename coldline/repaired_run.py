# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of a guest with the repairs of all causes, for a guest that runs too long to be run for each of them.

An event's place in the guest's code is the instruction that made it and the block of code in which that was executed,
which the events around it tell. Which time the instruction was reached is counted in the run itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from coldline.checker.checker import Checker
from coldline.errors import GuestError
from coldline.events.agent_names import vcpu_name
from coldline.explain.selection import KeptCode, KeptEvents
from coldline.first_pass import check
from coldline.frontends.unicorn.additions import Addition, CodePlace, by_place
from coldline.repair.kept_events import APART
from coldline.repair.result import PutIn, Repair, Repairs, Target
from coldline.simulation import Trial
from coldline.trial_repair import Keeping, Rerun
from coldline.verdict import Verdict, judge


class RepairedRun(NamedTuple):
    """A run with the repairs of all causes.

    Attributes
    ----------
    repairs : dict of int to Repairs
        The repairs of each cause; those that were put in say how the guest ran.
    operations : tuple of str
        What was added, as ``--with`` takes it; empty if nothing was.
    verdict : Verdict or None
        The verdict of that run; None if there was none, or the guest could not go on.
    kinds : tuple of str
        The kinds of hazard that are left.
    """

    repairs: dict[int, Repairs]
    operations: tuple[str, ...] = ()
    verdict: Verdict | None = None
    kinds: tuple[str, ...] = ()


class _Chosen(NamedTuple):
    """A repair of a cause, its place among these, and the instructions that its operations come before."""

    cause: int
    place: int
    repair: Repair
    codes: tuple[KeptCode, ...]


def run_repaired(
    trial: Trial,
    found: Mapping[int, Repairs],
    targets: Mapping[int, Target],
    kept: KeptEvents,
    as_it_was: Checker,
) -> RepairedRun:
    """Run a guest with one repair of each cause: the first that has a place in its code.

    Parameters
    ----------
    trial : Trial
        The trial.
    found, targets : mapping of int
        The repairs and the hazards of each cause.
    kept : KeptEvents
        The events that concern the hazards.
    as_it_was : Checker
        The check of the trial.
    """
    cores = {vcpu_name(number): number for number in range(trial.plan.vcpus)}
    chosen = [each for cause, repairs in found.items() if (each := _choose(cause, repairs, kept)) is not None]
    repairs = dict(found)
    if not chosen:
        return RepairedRun(repairs)
    additions, fetches = [], []
    for each in chosen:
        for event, code in zip(each.repair.events, each.codes, strict=True):
            place = CodePlace((code.pc,), 0, cores[code.agent])
            additions.append(Addition(place, (event._replace(agent=code.agent),)))
            fetches.append(code.fetch)
    given = len(trial.additions)
    run = Keeping(
        replace(trial, additions=(*trial.additions, *additions), at_fetches=(*[0] * given, *fetches))
    )
    try:
        checker = check(run, trial.profile, distinct=True, at_length=True, told=False)
    except GuestError:
        return RepairedRun(repairs)
    assert run.outcome is not None
    after, before = Rerun.of(checker), Rerun.of(as_it_was)
    placed = [
        addition._replace(place=addition.place._replace(nth=nth))
        for addition, nth in zip(additions, run.outcome.nth[given:], strict=True)
    ]
    rest = iter(placed)
    for each in chosen:
        own = [next(rest) for _ in each.codes]
        if all(addition.place.nth for addition in own):
            right = after.repairs(targets[each.cause], before)
            put_in = PutIn(tuple(map(str, own)), right, together=len(chosen) > 1)
            every = list(repairs[each.cause].found)
            every[each.place] = each.repair._replace(put_in=put_in)
            repairs[each.cause] = repairs[each.cause]._replace(found=every)
    repairs = {cause: _proven(tried) for cause, tried in repairs.items()}
    judgement = judge(
        checker, run, most=0, stories=0, gaps=run.outcome.gaps(trial.until, checker.coverage.cacheable)
    )
    done = map(str, by_place(addition for addition in placed if addition.place.nth))
    return RepairedRun(repairs, tuple(done), judgement.verdict, tuple(judgement.kinds))


def _proven(repairs: Repairs) -> Repairs:
    """The repairs of a cause without one that only the run could prove, and did not."""
    if repairs.remark != APART or any(
        each.put_in is not None and each.put_in.right for each in repairs.found
    ):
        return repairs
    return repairs._replace(found=[], remark=f"what was found was not enough in the run: {APART}")


def _choose(cause: int, repairs: Repairs, kept: KeptEvents) -> _Chosen | None:
    """The first repair of a cause all of whose places are instructions, at its latest place or else its earliest."""
    for place, repair in enumerate(repairs.found):
        for where in (repair.latest, repair.earliest):
            codes = [kept.code_at(each.number) for each in where]
            known = tuple(code for code in codes if code is not None)
            if len(known) == len(codes):
                return _Chosen(cause, place, repair, known)
    return None
