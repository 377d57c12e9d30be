# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress, on a terminal and in a log, and what is said before the stories are worked out."""

import io
import json
import re
from pathlib import Path

import pytest

from coldline.cli import progress
from coldline.cli.progress import Progress
from coldline.events.batch import Batch
from coldline.events.source import Batches
from coldline.first_pass import check
from coldline.report.reporters import text
from coldline.rules.profile import Profile
from coldline.trace.text import parse_event
from coldline.verdict import Judgement, Watcher, judge
from tests.helpers.command import HAZARD, MIDWAY, Cli

RACE = """\
builder map 0x40000000 0x1000 normal-wb
builder write 0x40000000 64
builder dc civac 0x40000000 64
builder unmap 0x40000000 0x1000
guest mmu off
guest write 0x40000008 8
guest map 0x40000000 0x1000 normal-wb
guest mmu on
guest read 0x40000000 64
"""
FOUND = "hazard: 1 found (stale-read 1)"


class Clock:
    """A time that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(out: io.StringIO, times: list[float]) -> str:
    """What is shown, if progress is told at each of these times."""
    clock = Clock()
    with Progress(True, out=out, clock=clock) as shown:
        for clock.now in times:
            shown.say(lambda: f"work {clock.now}")
    return out.getvalue()


def test_a_log_has_a_line_after_10_seconds_and_then_every_30() -> None:
    lines = said(io.StringIO(), [1, 9.9, 12, 41.9, 42, 71, 300]).splitlines()
    assert lines == [
        "coldline: 12 s: work 12",
        "coldline: 42 s: work 42",
        "coldline: 300 s: work 300",
    ]


def test_a_terminal_has_one_line_that_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "9")
    shown = said(Terminal(), [0.05, 1, 1.05, 2])
    assert shown == "\r1 s: wor\033[K\r2 s: wor\033[K\r\033[K"


def test_a_terminal_that_does_not_redraw_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert said(Terminal(), [10]) == "coldline: 10 s: work 10\n"


def test_nothing_is_said_if_it_is_not_wanted() -> None:
    out = io.StringIO()
    clock = Clock()
    with Progress(False, out=out, clock=clock) as shown:
        clock.now = 100
        shown.say(lambda: "work")
    assert out.getvalue() == ""


def test_a_line_of_the_console_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    both = Terminal()
    monkeypatch.setattr("sys.stdout", both)
    clock = Clock()
    with Progress(True, out=both, clock=clock) as shown:
        for clock.now, printed in ((1, b""), (2, b"Boo"), (3, b"ting\033[2J\n"), (4, b"")):
            shown.console(printed)
            shown.say(lambda: "work")
    assert both.getvalue() == (
        "\r1 s: work\033[K\r\033[KBooting[2J\n\r3 s: work\033[K\r4 s: work\033[K\r\033[K"
    )


@pytest.fixture
def always(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show all progress, and say what any first pass found; after `cli`, which shows none."""
    monkeypatch.setattr(progress, "FIRST", 0)
    monkeypatch.setattr(progress, "EVERY", 0)
    monkeypatch.setattr(text, "LONG", 0)


@pytest.fixture
def race(tmp_path: Path) -> Path:
    path = tmp_path / "race.trace"
    path.write_text(RACE)
    return path


def lines_of(err: str) -> list[str]:
    """The lines of progress, without the times."""
    return [line.split(" s: ", 1)[1] for line in err.splitlines()]


@pytest.mark.usefixtures("always")
def test_check_says_what_it_found_before_its_story(cli: Cli, race: Path) -> None:
    result = cli("check", race)
    assert result.status == HAZARD
    lines = result.out.splitlines()
    assert lines[0] == f"{race}: {FOUND}; working out the stories of 1"
    assert lines.count(f"{race}: {FOUND}") == 1
    assert lines_of(result.err) == [
        f"{race}: 9 events checked",
        f"{race}: hazards found: 1; second pass: 100 % of 9 events",
        f"{race}: hazards found: 1; working out story 1 of 1",
    ]


def test_a_short_check_says_it_once(cli: Cli, race: Path) -> None:
    result = cli("check", race)
    assert (result.out.count(FOUND), result.err) == (1, "")


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("command", [["check", "{race}"], MIDWAY], ids=["check", "boot"])
def test_quiet_shows_no_progress(cli: Cli, race: Path, command: list[str]) -> None:
    result = cli(*(word.format(race=race) for word in command), "--quiet")
    assert result.err == ""
    assert "working out" not in result.out


@pytest.mark.usefixtures("always")
def test_other_formats_are_one_document(cli: Cli, race: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    result = cli("check", "--json", "--format", f"text={file}", race)
    assert json.loads(result.out)["verdict"] == "hazard"
    assert "second pass" in result.err
    assert "working out" not in file.read_text()


@pytest.mark.usefixtures("always")
def test_boot_shows_both_passes(cli: Cli) -> None:
    result = cli(*MIDWAY, "--no-order", "--host", "bootloader-dirty")
    assert result.status == HAZARD
    shown = lines_of(result.err)
    assert any(re.fullmatch(r"242 instructions, \d+ accesses", line) for line in shown)
    assert any(line.startswith("hazards found: 2; second pass: 100 % of 18") for line in shown)
    assert shown[-4:] == [f"hazards found: 2; working out story {number} of 4" for number in (1, 2, 3, 4)]
    found = "hazard: 2 found (stale-fetch 1, stale-read 1)"
    lines = result.out.splitlines()
    assert lines.index(f"{found}; working out the stories of 2") < lines.index(found)


@pytest.mark.usefixtures("always")
def test_runs_with_old_bytes_say_how_far_they_are(cli: Cli) -> None:
    shown = lines_of(cli(*MIDWAY, "--strategy", "flush", "--inject", "all").err)
    whats = ("to see what the lines held", "as it was", "with old bytes of cause 1")
    for what in whats:
        said = re.compile(rf"running the guest {what}: [\d,]+ instructions")
        assert any(said.search(line) for line in shown), what


@pytest.mark.usefixtures("always")
def test_matrix_names_the_host(cli: Cli) -> None:
    result = cli("matrix", *MIDWAY[1:])
    shown = lines_of(result.err)
    assert all(" of " in line for line in shown)
    assert any("rfc (1 of " in line for line in shown)
    assert "working out" not in result.out


def test_what_was_found_is_told_before_the_second_pass() -> None:
    told: list[str] = []

    class Source(Batches):
        def run(self, sink: object, *, instructions: bool = False) -> None:
            told.append("run")
            super().run(sink)  # type: ignore[arg-type]

    class Recorder(Watcher):
        def found(self, judgement: Judgement, stories: int) -> None:
            told.append(f"found {judgement.kinds} {stories} {[each.story for each in judgement.hazards]}")

        def repeated(self, events: int) -> None:
            told.append(f"repeated {events}")

        def telling(self, story: int, stories: int) -> None:
            told.append(f"telling {story} of {stories}")

    events = [parse_event(line.split()) for line in RACE.splitlines()]
    source = Source([Batch.of(events[:4]), Batch.of(events[4:])])
    judgement = judge(check(source, Profile()), source, most=1, stories=1, watcher=Recorder())
    assert told == [
        "run",
        "found {'stale-read': 1} 1 [[]]",
        "run",
        "repeated 4",
        "repeated 9",
        "telling 1 of 1",
    ]
    assert judgement.hazards[0].story
