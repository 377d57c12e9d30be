# SPDX-License-Identifier: GPL-2.0-or-later
"""Works out the rows of a matrix: all strategies on one host."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from coldline.checker.final_read import Region, sweep
from coldline.cli.progress import Following
from coldline.errors import HypervisorError
from coldline.events.source import Sink
from coldline.first_pass import check_each
from coldline.recorded_guest import GuestRecord, RecordedGuest, guest_of
from coldline.report.model import Cell
from coldline.simulation import Trial
from coldline.verdict import Watcher, judge


class RecordedGuests:
    """The recorded guests of a matrix; `stack` deletes them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._recorded: dict[tuple[bool, bool], RecordedGuest] = {}

    def of(self, trial: Trial, following: Following) -> RecordedGuest:
        """Return the guest of a trial, which runs if it has not yet.

        Raises
        ------
        HypervisorError
            If it has not, and the host model refuses the trial's strategy.
        """
        kind = guest_of(trial)
        if kind not in self._recorded:
            self._recorded[kind] = self._stack.enter_context(RecordedGuest(trial, following.ran))
            gc.collect()  # an emulator and its hooks are a reference cycle that holds a guest's RAM
        return self._recorded[kind]


class Begun(NamedTuple):
    """A row whose guest has run.

    Attributes
    ----------
    refused : list of Cell
        The cells of its first trials, which the host refused.
    rest : sequence of Trial
        The others.
    guest : RecordedGuest or None
        Their guest; None if the host refused all.
    """

    refused: list[Cell]
    rest: Sequence[Trial]
    guest: RecordedGuest | None


def begin_row(row: Sequence[Trial], guests: RecordedGuests, following: Following) -> Begun:
    """Run the guest of a row, if it has not run yet."""
    refused: list[Cell] = []
    for trial in row:
        try:
            return Begun(refused, row[len(refused) :], guests.of(trial, following))
        except HypervisorError as error:
            refused.append(Cell(None, refusal=str(error)))
    return Begun(refused, (), None)


class _Replay:
    """A trial of a recorded guest as a `Source`."""

    repeatable = True

    def __init__(self, guest: GuestRecord, trial: Trial) -> None:
        self._guest, self._trial = guest, trial

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`; a recorded guest has no instructions."""
        self._guest.run(self._trial, sink)


def judged(row: Sequence[Trial], guest: GuestRecord, watcher: Watcher) -> Iterator[Cell]:
    """The cells of trials on one host; the events of their guest are read once for all."""
    refusals: list[HypervisorError | None] = []

    def run(sinks: Sequence[Sink]) -> None:
        refusals.extend(guest.run_each(row, sinks))

    checkers = check_each(run, [trial.profile for trial in row])
    for trial, checker, refusal in zip(row, checkers, refusals, strict=True):
        if refusal is not None:
            yield Cell(None, refusal=str(refusal))
            continue
        regions = [
            Region(each.name, each.address, each.size, each.data.nbytes) for each in trial.plan.segments
        ]
        if {kind for each in sweep(checker, regions) for kind in each.kinds} <= checker.kinds.keys():
            regions = []  # whose bytes the final read finds changes neither the verdict nor the kinds
        judgement = judge(
            checker,
            _Replay(guest, trial),
            most=0,
            stories=0,
            regions=regions,
            gaps=guest.outcome.gaps(trial.until, checker.coverage.cacheable),
            watcher=watcher,
        )
        only = bool(judgement.all_kinds) and not judgement.kinds
        yield Cell(judgement.verdict, tuple(judgement.all_kinds), final_read_only=only)
