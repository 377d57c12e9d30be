# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline matrix``."""

import argparse
import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from coldline.builder import STRATEGIES
from coldline.checker.final_read import Region, sweep
from coldline.cli.inputs.guests import core_of
from coldline.cli.inputs.hosts import is_bare
from coldline.cli.inputs.trials import plan_guest, programs_of, trial_of
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.status import INTERRUPTED, SUCCESS, complain
from coldline.errors import HypervisorError
from coldline.events.source import Sink
from coldline.first_pass import check_each
from coldline.hypervisor.models import HOST_MODELS
from coldline.jit.code_cache import compile_missing
from coldline.recorded_guest import RecordedGuest, guest_of
from coldline.report.model import Cell, Matrix
from coldline.simulation import Trial
from coldline.verdict import judge


def run_matrix(options: argparse.Namespace) -> int:
    """Try every pair of strategy and host and print the table; return exit status 0, whatever the verdicts are.

    An interrupt leaves the hosts whose pairs all have a verdict.
    """
    outputs = Outputs(options.formats)
    kernel, plan = plan_guest(options)
    with outputs:
        hosts = [
            name
            for name, model in HOST_MODELS.items()
            if model.has_strategies and plan.architecture in model.architectures
        ]
        strategies = [name for name, each in STRATEGIES.items() if plan.architecture in each.architectures]
        cells = {host: dict.fromkeys(strategies, Cell(None)) for host in hosts}
        interrupted = False
        with Progress(wanted=True) as progress, ExitStack() as stack:
            compile_missing(programs_of(plan), progress.compiled)
            guests = _Guests(stack)
            try:
                for number, host in enumerate(hosts, 1):
                    following = Following(progress, None, f"{host} ({number} of {len(hosts)})")
                    bare = is_bare(options, kernel)
                    row = [trial_of(options, plan, strategy, host, bare=bare) for strategy in strategies]
                    cells[host] = dict(zip(strategies, _cells(row, guests, following), strict=True))
            except KeyboardInterrupt:
                interrupted = True
        outputs.matrix(
            Matrix(
                image=options.image or options.sample or options.bios,
                core=core_of(options, plan.architecture).name,
                strategies=tuple(strategies),
                cells=cells,
            )
        )
    if interrupted:
        complain("interrupted")
        return INTERRUPTED
    return SUCCESS


class _Guests:
    """The recorded guests of a matrix; `stack` deletes them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._recorded: dict[tuple[bool, bool], RecordedGuest] = {}

    def of(self, trial: Trial, following: Following) -> RecordedGuest:
        """Return the guest of a trial, which runs if it has not yet."""
        kind = guest_of(trial)
        if kind not in self._recorded:
            self._recorded[kind] = self._stack.enter_context(RecordedGuest(trial, following.ran))
            gc.collect()  # an emulator and its hooks are a reference cycle that holds a guest's RAM
        return self._recorded[kind]


class _Replay:
    """A trial of a recorded guest as a `Source`."""

    repeatable = True

    def __init__(self, guest: RecordedGuest, trial: Trial) -> None:
        self._guest, self._trial = guest, trial

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`; a recorded guest has no instructions."""
        self._guest.run(self._trial, sink)


def _cells(row: Sequence[Trial], guests: _Guests, following: Following) -> list[Cell]:
    """Return the cell of each trial on one host; the events of the guest are read once for all."""
    cells = []
    for trial in row:
        try:
            guest = guests.of(trial, following)
        except HypervisorError as error:
            cells.append(Cell(None, refusal=str(error)))
        else:
            rest = row[len(cells) :]
            return [*cells, *_judged(rest, guest, following)]
    return cells


def _judged(row: Sequence[Trial], guest: RecordedGuest, following: Following) -> Iterator[Cell]:
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
            watcher=following,
        )
        only = bool(judgement.all_kinds) and not judgement.kinds
        yield Cell(judgement.verdict, tuple(judgement.all_kinds), final_read_only=only)
