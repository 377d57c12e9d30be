# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that the locale cannot decode or encode are escaped once, in text and in JSON."""

import json
import os
from pathlib import Path

import pytest

from tests.helpers.command import COHERENT, ERROR, command

C_LOCALE = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = {"e-acute": ("\u00e9".encode(), rb"\udcc3\udca9"), "a lone byte": (b"x\xff", rb"x\udcff")}
COHERENT_TRACE = "guest mmu off\nguest read 0x40000000 8\n"


@pytest.mark.parametrize(("name", "escaped"), NAMES.values(), ids=NAMES)
def test_a_files_name_is_escaped_once(tmp_path: Path, name: bytes, escaped: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text(COHERENT_TRACE)
    found = command("check", "--quiet", name, cwd=tmp_path, env=C_LOCALE)
    assert found.returncode == COHERENT
    assert found.stdout.startswith(escaped + b": coherent")


@pytest.mark.parametrize(("name", "escaped"), NAMES.values(), ids=NAMES)
def test_the_name_in_an_error_is_escaped_once(tmp_path: Path, name: bytes, escaped: bytes) -> None:
    found = command("check", name, cwd=tmp_path, env=C_LOCALE)
    assert (found.returncode, found.stderr) == (
        ERROR,
        b"coldline: " + escaped + b": No such file or directory\n",
    )
    said = json.loads(command("check", "--json", name, cwd=tmp_path, env=C_LOCALE).stdout)
    assert said["error"] == f"{said['file']}: No such file or directory"
    assert os.fsencode(said["file"]) == name


def test_a_word_of_an_option_is_escaped_once(tmp_path: Path) -> None:
    found = command("boot", "--sample", "a\\b\xff", env=C_LOCALE)
    assert found.stderr.startswith(rb"coldline: no sample is called 'a\b\udcc3\udcbf'; ")


def test_an_agent_that_standard_output_cannot_encode_is_escaped_once(tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    agent = "\u00e9"
    path.write_text(
        f"{agent} map 0x1000 0x1000 normal-wb\n{agent} write 0x1000 8\nb mmu off\nb read 0x1000 8\n", "utf-8"
    )
    found = command("check", path, env=C_LOCALE)
    assert found.returncode == 1, found.stderr
    assert rb" \xe9 write 0x1000 8" in found.stdout
