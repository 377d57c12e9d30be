# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements of builds in dom0, with a stand-in for QEMU."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed import __main__ as command
from testbed.builds import modules
from testbed.packages.sources import Sources
from tests.helpers.requirements import require


@pytest.fixture
def measuring(
    made_up: Sources, qemu: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., int]:
    """`testbed bench arm64` with a dom0 in which a shell script writes the measurements."""
    require(shutil.which("cpio"), "no cpio")
    monkeypatch.setattr(command, "sources", lambda *_, **__: made_up)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")

    def measure(script: str, *words: str) -> Any:
        qemu(script)
        return command.main(["bench", "arm64", "--results", str(tmp_path / "results"), *words])

    return measure


@pytest.mark.long
def test_a_benchmark_is_a_table(
    measuring: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"kernel": 1 << 20, "initrd": 2 << 20, "memory": 3 << 20}
    xl = sizes | {"first": {"s": 2.0, "kib": 2048}, "again": {"s": 1.0, "kib": 2048}}
    uncached = sizes | {"first": {"s": 1.0, "kib": 4096}, "again": {"s": 0.7, "kib": 4096}}
    answers = {
        "starts": {"xl list": {"s": 0.02, "kib": 2048}},
        "xl": xl,
        "uncached": uncached,
        "flush": sizes | {"failed": "no memory"},
    }
    cases = "".join(f"*' {name} '*) echo '{json.dumps(answer)}' ;;\n" for name, answer in answers.items())
    otherwise = json.dumps(uncached)
    script = (
        f'case "$(cat "$host/run")" in\n{cases}*) echo \'{otherwise}\' ;;\nesac >"$host/bench.json"\n'
        'cat "$host/run" >>"$host/../asked"; echo 0 >"$host/status"'
    )
    assert measuring(script, "--initrd", "2", "--turns", "3") == 0
    printed = capsys.readouterr().out
    assert "| `xl list` | 10 M | 2 MiB |" in printed
    assert "kernel 1 MiB, initrd 2 MiB, memory 3 MiB:" in printed
    assert "| `xl create` | 1,000 M | 1.00 | 500 M | 1.00 | 2 MiB | 1.00 |" in printed
    assert "| `coldline xl create` | 500 M | 0.50 | 350 M | 0.70 | 4 MiB | 2.00 |" in printed
    assert "| `coldline create`, `uncached` | 500 M | 0.50 | 350 M | 0.70 | 4 MiB | 2.00 |" in printed
    assert "| `coldline create`, `flush` | fails | - | - | - | - | - |" in printed
    assert "| `coldline create`, `hypercall`, without the driver | 500 M |" in printed
    kept = json.loads((tmp_path / "results" / "arm64.json").read_text())
    assert kept["guests"][0]["builders"]["`xl create`"] == xl


@pytest.mark.long
def test_a_benchmark_that_fails_says_what_dom0_said(
    measuring: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert measuring('printf "Traceback\nno such thing\n" >"$host/output"; echo 1 >"$host/status"') == 2
    assert "exit status 1: no such thing\n" in capsys.readouterr().err
