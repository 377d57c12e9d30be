# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline matrix``."""

import argparse
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack

from coldline.builder import STRATEGIES
from coldline.cli.inputs.guests import core_of
from coldline.cli.inputs.hosts import is_bare
from coldline.cli.inputs.trials import plan_guest, programs_of, trial_of
from coldline.cli.matrix_processes import MatrixProcesses, Work
from coldline.cli.matrix_rows import Begun, RecordedGuests, begin_row, judged
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.status import INTERRUPTED, SUCCESS, complain
from coldline.hypervisor.models import HOST_MODELS
from coldline.jit.code_cache import compile_missing
from coldline.report.model import Cell, Matrix
from coldline.simulation import Trial


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
        rows: dict[str, list[Cell]] = {host: [Cell(None)] * len(strategies) for host in hosts}
        interrupted = False
        bare = is_bare(options, kernel)
        with Progress(wanted=True) as progress, ExitStack() as stack:
            compile_missing(programs_of(plan), progress.compiled)
            guests = RecordedGuests(stack)
            processes = stack.enter_context(MatrixProcesses(Work(options, plan, bare)))
            work = _Rows(hosts, rows, guests, processes, progress)
            try:
                for host in hosts:
                    work.begin(
                        host, [trial_of(options, plan, strategy, host, bare=bare) for strategy in strategies]
                    )
                work.finish()
            except KeyboardInterrupt:
                interrupted = True
        outputs.matrix(
            Matrix(
                image=options.image or options.sample or options.bios,
                core=core_of(options, plan.architecture).name,
                strategies=tuple(strategies),
                cells={host: dict(zip(strategies, row, strict=True)) for host, row in rows.items()},
            )
        )
    if interrupted:
        complain("interrupted")
        return INTERRUPTED
    return SUCCESS


class _Rows:
    """Works out the rows of a matrix: long ones side by side, others at once.

    Parameters
    ----------
    hosts : sequence of str
        The hosts.
    rows : dict of str to list of Cell
        Gets the cells of each host, as soon as all are known.
    guests, processes : RecordedGuests, MatrixProcesses
        The guests, and the processes for long rows.
    progress : Progress
        Shows how far it is.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        rows: dict[str, list[Cell]],
        guests: RecordedGuests,
        processes: MatrixProcesses,
        progress: Progress,
    ) -> None:
        self._hosts, self._rows, self._guests, self._processes = hosts, rows, guests, processes
        self._progress = progress
        self._begun: dict[str, Begun] = {}
        self._futures: dict[Future[list[Cell]], str] = {}

    def begin(self, host: str, trials: Sequence[Trial]) -> None:
        """Begin a row, and finish it unless a process works it out."""
        self._begun[host] = row = begin_row(trials, self._guests, self._following(host))
        future = self._processes.begin(host, row)
        if future is None:
            self._work_out(host)
        else:
            self._futures[future] = host

    def finish(self) -> None:
        """Wait for the rows that processes work out."""
        waiting = set(self._futures)
        while waiting:
            done_so_far = len(self._hosts) - len(waiting)
            self._progress.say(f"{done_so_far} of {len(self._hosts)} hosts".__str__)
            done, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                host = self._futures[future]
                try:
                    self._take(host, future.result())
                except BrokenProcessPool:  # it was killed, as where memory is short
                    self._work_out(host)

    def _work_out(self, host: str) -> None:
        row = self._begun[host]
        rest = [] if row.guest is None else list(judged(row.rest, row.guest, self._following(host)))
        self._take(host, rest)

    def _take(self, host: str, rest: list[Cell]) -> None:
        self._rows[host] = [*self._begun[host].refused, *rest]

    def _following(self, host: str) -> Following:
        return Following(
            self._progress, None, f"{host} ({1 + self._hosts.index(host)} of {len(self._hosts)})"
        )
