# SPDX-License-Identifier: GPL-2.0-or-later
"""An interrupt while stories are worked out: the verdict, the stories that are complete, and a status of its own.

The signals are real. Each process shows every story as it begins, on a pipe of one page that it fills long before its
last story, so it is still at its stories when the signal comes.
"""

import fcntl
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.helpers.tiny_guests as a64
from coldline.cli import main, matrix
from coldline.cli.matrix_rows import judged
from coldline.consequence import rerun
from coldline.events.source import Sink
from coldline.repair import repairs
from coldline.simulation import Trial
from coldline.trace.files import TraceFile
from tests.helpers.command import DRIVER, MIDWAY, Cli
from tests.helpers.tiny_guests import RAM, code, mov
from tests.report.test_formats import validated

INTERRUPTED = 130
STORIES = 500
TALKATIVE = f"from coldline.cli import progress; progress.FIRST = progress.EVERY = 0.0; {DRIVER}"
"""The command, with a line of progress for each step."""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A read of each of many lines through a cache that may hold what was there before a write past it."""
    path = tmp_path / "many.trace"
    lines = [0x1000 + index * 64 for index in range(STORIES)]
    path.write_text(
        "w map 0x1000 0x10000 normal-wb\nn map 0x1000 0x10000 normal-nc\nw write 0x1000 0x10000\n"
        "w dc civac 0x1000 0x10000\nn write 0x1000 0x10000\n"
        + "".join(f"w read {line:#x} 8\n" for line in lines)
    )
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A guest that reads a word of each of many lines of its image, with its MMU off."""
    loop = [a64.ldr(3, 1), a64.add(1, 1, 64), a64.subs(2, 2, 1), a64.b_ne(-3)]
    path = tmp_path / "Image"
    words = code(mov(1, RAM + 0x1000), mov(2, STORIES), loop, [a64.b(0)])
    path.write_bytes(a64.image(words, size=0x1000 + STORIES * 64))
    return path


@pytest.fixture(params=["check", "boot"])
def command(request: pytest.FixtureRequest, trace: Path, image: Path) -> list[str]:
    """A command whose stories take long."""
    if request.param == "check":
        return ["check", str(trace), "missing.trace"]
    return ["boot", str(image), "--memory", "16M", "--strategy", "none", "--hazards", str(2 * STORIES)]


def interrupted_at(story: int, *words: str) -> tuple[int, str, str]:
    """Interrupt a command once it works out a story; return its status and what it wrote after that."""
    with subprocess.Popen(
        [sys.executable, "-c", TALKATIVE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        # Tests that a shell runs in the background are started with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        try:
            for line in process.stderr:
                if f"working out story {story} of " in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, out, err


def test_stories_that_are_complete_are_shown(command: list[str]) -> None:
    status, out, err = interrupted_at(5, *command, "--json")
    (document,) = map(json.loads, out.splitlines())  # further files are not read
    told = [each for each in document["hazards"] if each["witness"]]
    assert status == INTERRUPTED
    assert err.splitlines()[-1] == "coldline: interrupted"
    assert document["verdict"] == "hazard"
    assert document["inconclusive_because"][-1] == "it was interrupted"
    assert sum(document["hazards_by_kind"].values()) >= STORIES
    assert 4 <= len(told) < STORIES  # the fifth was begun
    assert told == document["hazards"][: len(told)]
    assert all(each["witness"][-1]["event"] for each in told)


def test_the_verdict_is_told_in_text(command: list[str]) -> None:
    status, out, err = interrupted_at(2, *command)
    assert status == INTERRUPTED
    assert err.splitlines()[-1] == "coldline: interrupted"
    assert "1. stale-" in out
    assert "hazard: " in out
    assert "judged: " in out


# -- at a point that no signal hits reliably -------------------------------------------------------------------


class _Interrupted:
    """Does something a number of times, and then raises KeyboardInterrupt in place of it."""

    def __init__(self, do: Callable[..., Any], *, after: int) -> None:
        self._do, self.left = do, after

    def __call__(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self._do(*arguments)


class _SecondRun:
    """Raises KeyboardInterrupt at the end of the second run of a source."""

    def __init__(self, run: Any) -> None:
        self._run, self._runs = run, 0

    def __call__(self, source: Any, sink: Sink, **options: Any) -> Any:
        outcome = self._run(source, sink, **options)
        self._runs += 1
        if self._runs == 2:
            raise KeyboardInterrupt
        return outcome


@pytest.fixture
def second_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (TraceFile, Trial):
        run = _SecondRun(source.run)
        monkeypatch.setattr(source, "run", lambda *given, run=run, **options: run(*given, **options))


@pytest.mark.usefixtures("second_run")
def test_an_interrupt_of_the_second_pass_leaves_the_verdict(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["check", str(trace)], [*MIDWAY, "--strategy", "flush"]):
        assert main([*words, "--json"]) == INTERRUPTED
        printed = capsys.readouterr()
        (document,) = map(json.loads, printed.out.splitlines())
        assert document["verdict"] == "hazard"
        assert document["hazards"]
        assert not any(each["witness"] for each in document["hazards"])
        assert printed.err.endswith("coldline: interrupted\n")


def test_an_interrupt_of_the_search_for_repairs_leaves_the_verdict_and_its_stories(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repairs, "find_repairs", interrupted)
    assert main(["check", "--repair", "--json", str(trace)]) == INTERRUPTED
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["verdict"] == "hazard"
    assert all(each["witness"] for each in document["hazards"])
    assert printed.err.endswith("coldline: interrupted\n")


def test_an_interrupt_at_the_end_of_the_first_pass_reports_what_it_found(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace has been read, and the thread that judges it is not done."""
    join = threading.Thread.join
    interrupts = [KeyboardInterrupt]

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        if self.name == "reader of events" and interrupts:
            raise interrupts.pop()
        join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    assert main(["check", "--json", str(trace)]) == INTERRUPTED
    document = json.loads(capsys.readouterr().out)
    assert not interrupts
    assert document["verdict"] == "hazard"
    assert len(document["hazards"]) == STORIES


def test_what_old_bytes_did_is_shown_as_far_as_it_is_known(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (*MIDWAY, "--no-order", "--host", "bootloader-dirty", "--inject", "all", "--json")
    whole = json.loads(cli(*words).out)["causes"]
    monkeypatch.setattr(rerun, "_show", _Interrupted(rerun._show, after=1))
    found = cli(*words)
    assert (found.status, found.err) == (INTERRUPTED, "coldline: interrupted\n")
    (document,) = validated(found.out)
    first, second = (cause["consequence"] for cause in document["causes"])
    assert first == whole[0]["consequence"]
    assert second["summary"] == "not given: it was interrupted"


def test_a_matrix_keeps_the_verdicts_that_it_has(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(cli("matrix", *MIDWAY[1:], "--json").out)["verdicts"]
    interrupted = _Interrupted(judged, after=2)
    monkeypatch.setattr(matrix, "judged", interrupted)
    found = cli("matrix", *MIDWAY[1:], "--json")
    assert (found.status, found.err) == (INTERRUPTED, "coldline: interrupted\n")
    (document,) = validated(found.out)
    for number, (host, row) in enumerate(whole.items()):
        untried = {strategy: {"verdict": "not-tried"} for strategy in row}
        assert document["verdicts"][host] == (row if number < 2 else untried)
    untried_cells = sum(map(len, list(whole.values())[1:]))
    interrupted.left = 1
    text = cli("matrix", *MIDWAY[1:])
    assert (text.status, text.out.count("not tried")) == (INTERRUPTED, untried_cells)
    interrupted.left = 1
    page = cli("matrix", *MIDWAY[1:], "--format", "html")
    assert (page.status, page.out.count("not tried")) == (INTERRUPTED, untried_cells)
