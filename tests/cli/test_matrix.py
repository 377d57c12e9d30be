# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline matrix`` side by side: the same table, whatever becomes of its processes."""

import json
import multiprocessing
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from coldline.cli import matrix, matrix_processes
from coldline.cli.status import INTERRUPTED, SUCCESS
from coldline.errors import ColdlineError, ImageError, PlanError
from coldline.recorded_guest import GuestRecord
from tests.helpers.command import ERROR, MIDWAY, Cli

SMALL = ("matrix", *MIDWAY[1:], "--json")


@pytest.fixture
def table(cli: Cli) -> Any:
    """The table of one process."""
    return json.loads(cli(*SMALL).out)["verdicts"]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two processes, also for a small guest; the hosts that they work out."""
    monkeypatch.setattr(matrix_processes, "LEAST_ACCESSES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    hosts: list[str] = []
    begin = matrix_processes.MatrixProcesses.begin

    def noted(self: Any, host: str, row: Any) -> Any:
        future = begin(self, host, row)
        hosts.extend([host] if future is not None else [])
        return future

    monkeypatch.setattr(matrix_processes.MatrixProcesses, "begin", noted)
    return hosts


def test_it_is_that_of_one_process(cli: Cli, table: Any, processes: list[str]) -> None:
    found = cli(*SMALL)
    assert (found.status, found.err) == (SUCCESS, "")
    assert json.loads(found.out)["verdicts"] == table
    assert processes == list(table)
    assert multiprocessing.active_children() == []


def test_it_is_whole_when_a_process_is_killed(
    cli: Cli, table: Any, processes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = matrix._Rows.finish

    def killing(self: Any) -> None:
        (first, *_) = multiprocessing.active_children()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        finish(self)

    monkeypatch.setattr(matrix._Rows, "finish", killing)
    found = cli(*SMALL)
    assert (found.status, json.loads(found.out)["verdicts"]) == (SUCCESS, table)
    assert processes != []


def test_an_interrupt_ends_the_processes(
    cli: Cli, table: Any, processes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "wait", interrupted)
    found = cli(*SMALL)
    assert (found.status, found.err) == (INTERRUPTED, "coldline: interrupted\n")
    rows = json.loads(found.out)["verdicts"]
    assert {cell["verdict"] for row in rows.values() for cell in row.values()} == {"not-tried"}
    assert multiprocessing.active_children() == []
    assert processes == list(table)


def test_an_interrupt_is_the_commands_alone(
    cli: Cli, table: Any, processes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a terminal, processes get it, too: even while they start, they must not tell of it."""
    finish = matrix._Rows.finish
    blocked: list[int] = []

    def looking(self: Any) -> None:
        for each in multiprocessing.active_children():
            status = Path(f"/proc/{each.pid}/status").read_text().split()
            blocked.append(int(status[status.index("SigBlk:") + 1], 16))
        finish(self)

    monkeypatch.setattr(matrix._Rows, "finish", looking)
    assert cli(*SMALL).status == SUCCESS
    assert blocked != []
    assert all(mask >> (signal.SIGINT - 1) & 1 for mask in blocked)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    assert processes == list(table)


def test_an_error_of_a_process_is_that_of_the_command(
    cli: Cli, table: Any, processes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of the guest is cut off before the processes read it."""

    def cut(self: Any) -> Any:
        self._spool._kept._events.truncate(100)
        return GuestRecord(self._spool.shared(), self._answers, self.outcome)

    monkeypatch.setattr("coldline.recorded_guest.RecordedGuest.shared", cut)
    found = cli(*SMALL)
    assert (found.status, found.out) == (ERROR, "")
    assert found.err.startswith("coldline: ")
    assert found.err.count("\n") == 1
    assert processes != []


@pytest.mark.parametrize("error", [PlanError("no RAM"), ImageError("a\n.img", "bad magic")])
def test_an_error_can_be_passed_on(error: ColdlineError) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def test_large_images_are_not_copied(
    cli: Cli, table: Any, processes: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matrix_processes, "_MOST_BYTES", 100)
    found = cli(*SMALL)
    assert json.loads(found.out)["verdicts"] == table
    assert processes == []
