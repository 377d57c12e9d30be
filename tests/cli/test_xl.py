# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline xl`` becomes xl, with a library loaded before its own."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from coldline.cli import xl
from coldline.cli.main import main
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require


class Opened:
    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library, for this machine; and a driver that is there."""
    require(shutil.which("gcc"), "no gcc")
    shutil.copytree(ROOT / "driver" / "preload", tmp_path / "preload")
    shutil.copy(ROOT / "driver" / "coldline.h", tmp_path)
    subprocess.run(["make", "-s", "-C", tmp_path / "preload"], check=True)
    monkeypatch.setattr(xl, "open_driver", Opened)
    return tmp_path / "preload" / xl.LIBRARY


def test_it_becomes_xl(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[Any] = []

    def execute(program: str, words: list[str], environment: Mapping[str, str]) -> None:
        became.extend((program, words, environment["LD_PRELOAD"]))
        raise FileNotFoundError

    monkeypatch.setattr(os, "execvpe", execute)
    monkeypatch.setenv("LD_PRELOAD", "/lib/other.so")
    assert main(["xl", "--preload", str(library), "create", "-p", "guest.cfg", "memory=64"]) == 2
    assert became == ["xl", ["xl", "create", "-p", "guest.cfg", "memory=64"], f"{library}:/lib/other.so"]


def test_what_is_missing(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["xl", "--preload", str(library), "list"]) == 2
    assert capsys.readouterr().err == "coldline: no xl: install what Debian calls xen-utils\n"
    assert main(["xl", "--preload", "/nowhere/x.so", "list"]) == 2
    assert capsys.readouterr().err.startswith("coldline: no /nowhere/x.so: make -C driver/preload install")
    broken = tmp_path / "broken.so"
    broken.write_text("text")
    assert main(["xl", "--preload", str(broken), "list"]) == 2
    assert f"{broken} cannot be loaded (" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["xl", "--preload", str(library), "list"]) == 2
    assert capsys.readouterr().err.startswith("coldline: no /dev/xen/coldline: ")
