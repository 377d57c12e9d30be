# SPDX-License-Identifier: GPL-2.0-or-later
"""Works out the rows of a matrix side by side, each in one of as many processes as there are processors.

They are started anew (`spawn`): to fork a process that has threads is not safe. Each loads no file again, but gets
the plan of the guest, and reads its recorded events.
"""

import argparse
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final, NamedTuple

from coldline.cli.inputs.trials import trial_of
from coldline.cli.matrix_rows import Begun, judged
from coldline.guest import Plan
from coldline.recorded_guest import GuestRecord
from coldline.report.model import Cell
from coldline.verdict import Watcher

LEAST_ACCESSES: Final = 1_000_000
"""The accesses of a guest from which on a process, which takes half a second to start, is worth its while."""

_MOST_BYTES: Final = 1 << 28
"""The most bytes of images that each process gets a copy of."""


class Work(NamedTuple):
    """What each process knows of a matrix.

    Attributes
    ----------
    options : Namespace
        The arguments of the command.
    plan : Plan
        The guest.
    bare : bool
        Whether it is a program or firmware.
    """

    options: argparse.Namespace
    plan: Plan
    bare: bool


class MatrixProcesses:
    """Processes that work out rows; a context manager that ends them.

    Parameters
    ----------
    work : Work
        The matrix.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._most = len(os.sched_getaffinity(0))
        self._executor: ProcessPoolExecutor | None = None
        self._others = set(multiprocessing.active_children())

    def __enter__(self) -> "MatrixProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()  # also one that works on a row: nobody waits for it any more
            self._executor.shutdown(cancel_futures=True)

    def begin(self, host: str, row: Begun) -> "Future[list[Cell]] | None":
        """Begin to work out a row; None where that takes no less time than to do it here."""
        guest = row.guest
        if self._most < 2 or guest is None or guest.outcome.accesses < LEAST_ACCESSES:
            return None
        shared = guest.shared()
        if shared is None or sum(each.data.nbytes for each in self._work.plan.segments) > _MOST_BYTES:
            return None
        if self._executor is None:
            ForkingPickler.register(memoryview, _reduced)
            self._executor = ProcessPoolExecutor(
                self._most, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(self._work,)
            )
        # A process inherits the mask: an interrupt is the command's, which ends its processes.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._executor.submit(_cells, host, [trial.strategy for trial in row.rest], shared)
        except BrokenProcessPool:
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reduced(view: memoryview) -> tuple[Any, ...]:
    return memoryview, (bytes(view),)


_work: Work | None = None


def _begin(work: Work) -> None:
    """Begin a process."""
    global _work
    _work = work


def _cells(host: str, strategies: Sequence[str | None], guest: GuestRecord) -> list[Cell]:
    """In a process: the cells of some strategies on a host."""
    assert _work is not None
    row = [trial_of(_work.options, _work.plan, strategy, host, bare=_work.bare) for strategy in strategies]
    return list(judged(row, guest, Watcher()))
