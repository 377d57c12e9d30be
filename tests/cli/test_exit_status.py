# SPDX-License-Identifier: GPL-2.0-or-later
"""The exit status of a command's process: no failure has the status of a verdict."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from coldline.arm import MemoryType
from coldline.cli import main
from coldline.errors import RepeatError
from coldline.events import Event, Op
from coldline.events.batch import Batch
from coldline.events.source import Batches, Sink
from coldline.first_pass import check
from coldline.rules import Profile
from coldline.simulation import Trial
from coldline.trace.files import TraceFile
from coldline.verdict import judge
from tests.helpers.command import ERROR, HAZARD, MIDWAY
from tests.helpers.requirements import require

INTERRUPTED = 130
COLDLINE = (sys.executable, "-m", "coldline")
FULL = Path("/dev/full")

RACE = """\
builder map 0x40000000 0x1000 normal-wb
builder write 0x40000000 64
builder dc civac 0x40000000 64
builder unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000000 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest read 0x40000000 8
"""

COMMANDS = {
    "check": ["check", "{race}"],
    "check quietly": ["check", "--quiet", "{race}"],
    "check in JSON": ["check", "--json", "{race}"],
    "check of none": ["check", "/no/such.trace"],
    "boot": [*MIDWAY, "--strategy", "flush"],
    "boot quietly": [*MIDWAY, "--quiet"],
    "matrix": ["matrix", *MIDWAY[1:]],
    "corpus": ["corpus"],
    "help": ["--help"],
    "usage": ["check", "--no-such-option"],
}


@pytest.fixture
def race(tmp_path: Path) -> Path:
    path = tmp_path / "race.trace"
    path.write_text(RACE)
    return path


def words(name: str, race: Path) -> list[str]:
    return [each.format(race=race) for each in COMMANDS[name]]


def shell(redirection: str, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """The command with the descriptors that a shell gives it."""
    line = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COLDLINE, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_standard_output_is_an_error(name: str, race: Path) -> None:
    found = shell(">&-", words(name, race))
    assert (found.returncode, found.stdout) == (ERROR, "")
    assert found.stderr == "coldline: standard output is closed\n"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_error_is_an_error(name: str, race: Path, closed: str) -> None:
    assert shell(closed, words(name, race)).returncode == ERROR


def test_a_closed_standard_input_is_an_error_where_it_is_read(race: Path) -> None:
    found = shell("<&-", ["check", "-"])
    assert (found.returncode, found.stdout) == (ERROR, "")
    assert found.stderr.startswith("coldline: -: ")
    assert found.stderr.count("\n") == 1
    assert shell("<&-", ["check", str(race)]).returncode == HAZARD


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_an_error(name: str, race: Path) -> None:
    require(FULL.is_char_device(), "no /dev/full")
    found = shell(f">{FULL}", words(name, race))
    assert found.returncode == ERROR
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("name", ["check of none", "usage"])
def test_an_error_that_cannot_be_printed_is_an_error(name: str, race: Path) -> None:
    require(FULL.is_char_device(), "no /dev/full")
    assert shell(f"2>{FULL}", words(name, race)).returncode == ERROR
    assert shell(f">{FULL} 2>{FULL}", words(name, race)).returncode == ERROR


@pytest.mark.parametrize(
    "raised", ["ValueError('a\\nb')", "AssertionError", "SystemError('x')", "RecursionError", "KeyError(1)"]
)
def test_an_uncaught_exception_is_an_internal_error(race: Path, raised: str) -> None:
    program = (
        "import sys, coldline.cli.check as module, coldline.__main__ as process\n"
        f"def fail(*_): raise {raised}\n"
        "module.run_check = fail\nprocess.run()\n"
    )
    found = subprocess.run([sys.executable, "-c", program, "check", race], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (ERROR, "")
    first, *_, last = found.stderr.splitlines()
    assert first.startswith("Traceback")
    assert last.startswith(f"coldline: internal error: {raised.partition('(')[0]}")


def test_what_cannot_be_imported_is_an_error() -> None:
    program = (
        "import sys\nsys.modules['coldline.cli'] = None\nimport coldline.__main__ as process\nprocess.run()\n"
    )
    found = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (ERROR, "")
    assert "ModuleNotFoundError" in found.stderr


def test_an_interrupt_has_a_status_of_its_own(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        subprocess.Popen(
            [*COLDLINE, "check", pipe],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process,
        pipe.open("wb"),
    ):  # once this is open, the command has begun to read
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (INTERRUPTED, b"", b"coldline: interrupted\n")


@pytest.mark.parametrize(
    ("last", "verdict"),
    [("w read 0x1000 8", "inconclusive"), ("n read 0x1000 8", "hazard")],
)
def test_an_interrupt_reports_the_verdict_so_far(
    last: str,
    verdict: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace = tmp_path / "a.trace"
    text = "w map 0x1000 0x1000 normal-wb\nn map 0x1000 0x1000 normal-nc\nw write 0x1000 8\n"
    trace.write_text(f"{text}{last}\n")
    run = TraceFile.run

    def interrupted(self: TraceFile, sink: Sink, *, instructions: bool = False) -> None:
        run(self, sink, instructions=instructions)
        raise KeyboardInterrupt

    monkeypatch.setattr(TraceFile, "run", interrupted)
    assert main(["check", "--json", str(trace), "missing.trace"]) == INTERRUPTED
    printed = capsys.readouterr()
    (document,) = map(json.loads, printed.out.splitlines())
    assert document["verdict"] == verdict
    assert document["inconclusive_because"] == ["it was interrupted"]
    assert printed.err == "coldline: interrupted\n"


def test_an_interrupt_of_a_run_reports_the_verdict_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Trial.run

    def interrupted(self: Trial, sink: Sink, **options: Any) -> None:
        run(self, sink, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trial, "run", interrupted)
    assert main([*MIDWAY, "--strategy", "hypercall"]) == INTERRUPTED
    printed = capsys.readouterr()
    assert "inconclusive: no hazard was found, but it was interrupted\n" in printed.out
    assert "MMU never on" not in printed.out
    assert printed.err.endswith("coldline: interrupted\n")


# -- runs that do not repeat -----------------------------------------------------------------------------------

_MAP = Event("a", Op.MAP, 0x1000, 0x1000, MemoryType.NORMAL_WB)
_OTHER = Event("b", Op.MAP, 0x1000, 0x1000, MemoryType.NORMAL_NC)
_STALE = [_MAP, _OTHER, Event("a", Op.WRITE, 0x1000, 8), Event("b", Op.READ, 0x1000, 8)]
_FINE = [_MAP, _OTHER, Event("b", Op.WRITE, 0x1000, 8), Event("b", Op.READ, 0x1000, 8)]


@pytest.mark.parametrize("second", [_FINE, _STALE[:-1], [*_STALE, _STALE[-1]], []])
def test_a_source_that_does_not_repeat_is_told_of(second: list[Event]) -> None:
    first_pass, second_pass = Batches([Batch.of(_STALE)]), Batches([Batch.of(second)])
    checker = check(first_pass, Profile())
    assert judge(checker, first_pass, most=5, stories=5).hazards[0].story
    with pytest.raises(RepeatError, match="their source did not repeat them"):
        judge(checker, second_pass, most=5, stories=5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "{race}"], "coldline: {race}: the file was changed while it was read: event 8 "),
        (
            [*MIDWAY, "--no-order", "--strategy", "flush"],
            "coldline: two runs of this guest differ, which is a fault of coldline: event ",
        ),
    ],
)
def test_a_run_that_does_not_repeat_is_an_error_in_a_line(
    race: Path, arguments: list[str], said: str
) -> None:
    program = (
        "import coldline.explain.least_cost as module, coldline.__main__ as process\n"
        "module._bad_microstates = lambda *_: []\nprocess.run()\n"
    )
    line = [sys.executable, "-c", program, *(each.format(race=race) for each in arguments)]
    found = subprocess.run(line, capture_output=True, text=True)
    assert found.returncode == ERROR
    assert found.stderr.startswith(said.format(race=race))
    assert found.stderr.count("\n") == 1


def test_a_warning_names_its_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "a.trace"
    trace.write_text("cpu dcache off\ncpu walk 0x1000 8 normal-wb\n")
    words = "line 2: 'walk' of normal-wb while cpu's dcache is off (SCTLR.C clear) is taken as normal-nc"
    assert main(["check", str(trace)]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"coldline: {trace}: warning: {words}\n"
    assert words not in printed.out
    assert main(["check", "--json", str(trace)]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["warnings"] == [words]
    assert printed.err == ""
