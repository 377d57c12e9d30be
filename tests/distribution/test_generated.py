# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page and the shells' completions: current, and right as man and a shell read them."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from coldline.cli.completion import FILES
from coldline.cli.main import parser
from distribution.__main__ import ROOT, generated
from tests.helpers.command import Cli
from tests.helpers.requirements import require

pytest.importorskip("shtab")


def commands() -> Iterator[str]:
    for action in parser()._actions:
        if action.dest == "command":
            yield from action.choices or ()


@pytest.mark.parametrize("path", generated(), ids=str)
def test_a_generated_file_is_current(path: object) -> None:
    assert (ROOT / str(path)).read_text() == generated()[path], "scripts/generate writes it"  # type: ignore[index]


def test_man_reads_the_page_without_a_warning() -> None:
    require(shutil.which("groff"), "no groff")
    page = ROOT / "distribution" / "coldline.1"
    line = ["groff", "-man", "-ww", "-Tascii", "-rCHECKSTYLE=3", str(page)]
    shown = subprocess.run(line, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert all("coldline " + name.replace("-", "\\-") in page.read_text() for name in commands())


@pytest.mark.parametrize("shell", FILES)
def test_the_command_prints_the_file(shell: str, cli: Cli) -> None:
    found = cli("completion", shell)
    assert (found.status, found.err) == (0, "")
    assert found.out == (ROOT / "coldline" / "completions" / FILES[shell]).read_text()


def completed(*words: str) -> list[str]:
    """Bash's completions of the last of some words."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_coldline; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    file = ROOT / "coldline" / "completions" / FILES["bash"]
    line = ["bash", "-c", script, "bash", str(file), *words]
    return subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("coldline", "mat"), ["matrix"]),
        (("coldline", "boot", "--strategy", "unc"), ["uncached", "uncached-hypercall"]),
        (("coldline", "boot", "--sample", "midway-arm6"), ["midway-arm64"]),
        (("coldline", "check", "--witn"), ["--witness"]),
        (("coldline", "check", "pyproject"), ["pyproject.toml"]),
    ],
    ids=lambda words: words[-1],
)
def test_bash_completes(words: tuple[str, ...], found: list[str]) -> None:
    assert completed(*words) == found
