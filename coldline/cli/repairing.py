# SPDX-License-Identifier: GPL-2.0-or-later
"""``--repair``, and ``--with`` and ``--before``, of ``coldline check``."""

import argparse
from typing import TYPE_CHECKING

from coldline.cli.progress import Progress
from coldline.errors import TraceError, UsageError
from coldline.events import Op
from coldline.events.inserting import Insertion
from coldline.events.source import Source
from coldline.report.causes import group
from coldline.rules.profile import Profile
from coldline.trace.text import parse_event
from coldline.verdict import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coldline.checker.checker import Checker
    from coldline.explain.selection import KeptEvents
    from coldline.repair.result import Repairs, Target
    from coldline.report.added import Repaired
    from coldline.simulation import Trial


def insertions_of(options: argparse.Namespace) -> list[Insertion]:
    """The events of ``--with``, each before the line of its ``--before``.

    Raises
    ------
    UsageError
        If an event is none, or there are not as many lines as events, or several files.
    """
    events, lines = options.insert or [], options.before or []
    if len(events) != len(lines):
        raise UsageError(
            f"each --with takes a --before LINE: there are {len(events)} of --with and {len(lines)} of --before"
        )
    if events and len(options.files) > 1:
        raise UsageError("--with takes one trace: its --before is a line of it")
    found = []
    for text, line in zip(events, lines, strict=True):
        words = text.split("#", 1)[0].split()
        if not words:
            raise UsageError("--with takes an event, such as 'cpu0 dc civac 0x40000000 64'")
        try:
            found.append(Insertion(parse_event(words, frozenset(Op)), line))
        except TraceError as error:
            raise UsageError(f"--with '{text}': {error.reason}") from None
    return found


class Repairing:
    """Searches what repairs each cause of a trace, once it has been judged.

    Parameters
    ----------
    progress : Progress
        Shows how far it is.
    name : str
        The trace's name, for the progress; empty if there is only one.

    Attributes
    ----------
    found : dict of int to Repairs
        The repairs of each cause, by its number.
    targets : dict of int to Target
        The hazards of each of them.
    """

    def __init__(self, progress: Progress, name: str) -> None:
        self.found: dict[int, Repairs] = {}
        self.targets: dict[int, Target] = {}
        self._progress, self._name = progress, f"{name}: " if name else ""
        self._causes = 0

    def __call__(self, source: Source, profile: Profile, judgement: Judgement) -> None:
        """Search the repairs of all causes of a judgement."""
        from coldline.repair.proof import checked
        from coldline.repair.repairs import MANY_EVENTS, find_repairs

        self._collect(judgement)
        if not self.targets:
            return
        long = judgement.events > MANY_EVENTS
        checker = checked(source, profile, distinct=long)
        for number, target in self._one_by_one():
            self.found[number] = find_repairs(source, profile, checker, target, of_run=long)

    def search_kept(
        self, kept: "KeptEvents", profile: Profile, judgement: Judgement, checker: "Checker"
    ) -> bool:
        """Search them in the events of a run that concern them; return whether these are enough.

        `checker` is the check of the whole run.
        """
        from coldline.repair.kept_events import KeptSearch

        self._collect(judgement)
        if not kept.complete:
            return False
        search = KeptSearch(kept, profile)
        if not search.is_exact(checker, self.targets):
            return False
        for number, target in self._one_by_one():
            self.found[number] = search.find(target)
        return True

    def _collect(self, judgement: Judgement) -> None:
        from coldline.repair.result import Target

        grouped = group(judgement)
        for number in range(len(grouped.causes)):
            entries = tuple(
                hazard.entry
                for hazard, cause in zip(judgement.hazards, grouped.of_hazard, strict=True)
                if cause == number
            )
            if entries:
                self.targets[number] = Target(entries)
        self._causes = len(grouped.causes)

    def _one_by_one(self) -> "Iterator[tuple[int, Target]]":
        for number, target in self.targets.items():
            said = f"{self._name}repair of cause {number + 1:,} of {self._causes:,}"
            self._progress.say(said.__str__)
            yield number, target


def repair_run(
    trial: "Trial", judgement: Judgement, progress: Progress, checker: "Checker", kept: "KeptEvents | None"
) -> "tuple[dict[int, Repairs], Repaired | None]":
    """Search what repairs each cause of a guest's run, and run the guest with it.

    Parameters
    ----------
    trial : Trial
        The trial.
    judgement : Judgement
        The judgement of its run, with stories.
    progress : Progress
        Shows how far it is.
    checker : Checker
        The check of its run.
    kept : KeptEvents or None
        The events that may concern the hazards, of a long run.

    Returns
    -------
    dict of int to Repairs
        The repairs of each cause, by its number.
    Repaired or None
        The run with one of each cause; None if there is none.
    """
    from coldline.frontends.unicorn.additions import by_place
    from coldline.report.added import Repaired
    from coldline.trace.spool import Spool
    from coldline.trial_repair import AT_ONCE_FROM, MOST_KEPT, Once, TrialRepairs, judged_with

    repairing = Repairing(progress, "")
    if (
        kept is not None
        and judgement.events > AT_ONCE_FROM
        and repairing.search_kept(kept, trial.profile, judgement, checker)
    ):
        from coldline.repaired_run import run_repaired

        progress.say("running the guest with the repairs of all causes".__str__)
        run = run_repaired(trial, repairing.found, repairing.targets, kept, checker)
        if run.verdict is None:
            return run.repairs, None
        return run.repairs, Repaired(operations=run.operations, verdict=run.verdict, kinds=run.kinds)
    with Spool(Once(trial) if judgement.events <= MOST_KEPT else trial) as source:
        repairing(source, trial.profile, judgement)
    repairs, additions = TrialRepairs(trial, lambda what: progress.say(what.__str__)).put_in(
        repairing.found, repairing.targets
    )
    if not additions:
        return repairs, None
    additions = by_place(additions)
    verdict, kinds = judged_with(trial, additions)
    return repairs, Repaired(operations=tuple(map(str, additions)), verdict=verdict, kinds=kinds)
