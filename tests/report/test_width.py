# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports for people fit the columns that they have, and have escapes only where a terminal takes them."""

import io
import sys
from pathlib import Path

import pytest

from coldline.cli import main
from coldline.report.matrix_text import matrix_table
from coldline.report.model import Cell, Matrix
from coldline.verdict import Verdict
from tests.helpers.command import MIDWAY, Cli

STALE = """\
dom0 map 0x40000000 0x1000 normal-wb
dom0 write 0x40000000 64
guest mmu off
guest read 0x40000000 8
"""
COHERENT = "guest mmu off\nguest read 0x40000000 8\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, str]:
    """What the command writes to a terminal as standard output, and to one as standard error."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    main(arguments)
    monkeypatch.undo()
    return out.getvalue(), err.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "a").write_text(STALE)
    (tmp_path / "b").write_text(COHERENT)
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_lines_are_wrapped_at_columns(
    cli: Cli, files: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    long = cli("check", "a", "b").out
    monkeypatch.setenv("COLUMNS", "60")
    wrapped = cli("check", "a", "b").out
    assert max(map(len, wrapped.splitlines())) <= 60
    assert wrapped.partition("hazard: 1")[2].split() == long.partition("hazard: 1")[2].split()
    assert "not covered: " not in wrapped.splitlines()[-1]


def test_a_line_in_a_pipe_is_whole(cli: Cli, files: list[str]) -> None:
    (line,) = [line for line in cli("check", files[1]).out.splitlines() if line.startswith("not covered: ")]
    assert line.endswith("(nc-may-hit)")
    assert len(line) > 200


def test_a_terminal_gets_colours_unless_it_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, files: list[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\033[1;31m" in on_terminal(monkeypatch, "check", files[0])[0]
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv(name, value)
        assert "\033" not in on_terminal(monkeypatch, "check", files[0])[0]


@pytest.mark.parametrize("command", [["matrix", *MIDWAY[1:]], list(MIDWAY)])
def test_a_dumb_terminal_has_no_line_that_is_written_again(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out, err = on_terminal(monkeypatch, *command)
    assert not {"\r", "\033"} & {*out, *err}


def test_a_matrix_fits_eighty_columns(cli: Cli) -> None:
    lines = cli("matrix", *MIDWAY[1:]).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "| kvm-arm64      | flush              | stale-fetch                         |" in lines


def test_a_matrix_has_a_column_for_each_strategy_where_that_fits() -> None:
    verdict = Cell(Verdict.COHERENT)
    matrix = Matrix(
        image="x", core="c", strategies=("none", "flush"), cells={"rfc": {"none": verdict, "flush": verdict}}
    )
    assert matrix_table(matrix, 80) == "\n".join(
        (
            "| host | none     | flush    |",
            "| ---- | -------- | -------- |",
            "| rfc  | coherent | coherent |\n",
        )
    )
    assert matrix_table(matrix, 29).splitlines()[2:] == [
        "| rfc  | none     | coherent |",
        "| rfc  | flush    | coherent |",
    ]


def test_the_longest_verdict_goes_on_in_the_next_row() -> None:
    kinds = ("lost-write", "stale-fetch", "stale-read")
    cell = Cell(Verdict.HAZARD, kinds, final_read_only=True)
    row = {"none": cell, "uncached-hypercall": cell}
    matrix = Matrix(image="x", core="c", strategies=tuple(row), cells={"xen-4.17-arm64": row})
    lines = matrix_table(matrix, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split("|")[3].strip() for line in lines[2:4]] == [
        "lost-write, stale-fetch, stale-read",
        "(final read)",
    ]


def test_a_plan_is_wrapped_at_columns(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cli("plan", "--sample", "midway-arm64", "--memory", "16M").out
    monkeypatch.setenv("COLUMNS", "100")
    wrapped = cli("plan", "--sample", "midway-arm64", "--memory", "16M").out
    assert max(map(len, whole.splitlines())) > 100 >= max(map(len, wrapped.splitlines()))
    assert sorted(whole.split()) == sorted(wrapped.split())
