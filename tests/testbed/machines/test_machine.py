# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in dom0, with a stand-in for QEMU."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.machines import machine
from testbed.machines.qemu_command import MachineError
from testbed.packages.sources import Sources
from tests.helpers.repository import ROOT


@pytest.mark.parametrize("snapshots", [False, True])
def test_a_run_that_ends(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None], snapshots: bool
) -> None:
    (host / "status").write_text("77")  # of a run before
    qemu('cat "$host/run" >"$host/output"; echo 3 >"$host/status"; echo Xen says')
    for restored in (False, snapshots):
        outcome = machine.run(made_up, initrd, host, "some command", timeout_s=20, snapshots=snapshots)
        assert outcome.status == 3
        assert outcome.restored == restored
        assert 0 < outcome.seconds < 20
        assert (host / "output").read_text() == "some command\n"
        assert (host / "console").read_text() == ("Xen says\n" if snapshots else "dom0 is ready\nXen says\n")


def test_what_pytest_is_told(made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None]) -> None:
    qemu('cat "$host/pytest" >"$host/output"; test ! -e "$host/run"; echo $? >"$host/status"')
    (host / "run").write_text("of a run before")
    assert machine.run(made_up, initrd, host, ["-k", "a or b", "tests"], timeout_s=20).status == 0
    assert json.loads((host / "output").read_text()) == ["-k", "a or b", "tests"]


@pytest.mark.parametrize(
    ("script", "timeout_s", "message"),
    [
        (
            "printf 'boot\\033[31m\\nPanic on CPU 0\\n'; exit 4",
            20,
            r"without a result \(QEMU's exit status 4\)",
        ),
        ("echo rubbish >$host/status; echo Panic on CPU 0", 20, "without a result"),
        ("echo Panic on CPU 0; exec sleep 60", 2, r"not done after 2 s"),
    ],
)
def test_a_run_without_a_result(
    made_up: Sources,
    initrd: Path,
    host: Path,
    qemu: Callable[[str], None],
    script: str,
    timeout_s: int,
    message: str,
) -> None:
    qemu(script)
    with pytest.raises(MachineError, match=message) as caught:
        machine.run(made_up, initrd, host, "true", timeout_s=timeout_s)
    assert str(caught.value).endswith("Panic on CPU 0")
    assert "\033" not in str(caught.value)


def test_qemu_ends_with_who_started_it(tmp_path: Path) -> None:
    """QEMU ends even if that process is killed."""
    program, ours = tmp_path / "program", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ >{ours}.new; mv {ours}.new {ours}\nexec sleep 60\n")
    program.chmod(0o755)
    script = (
        "import sys, time\nfrom testbed.machines import machine\n"
        "with machine._started(sys.argv[1:], open('/dev/null', 'wb'), None):\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(program)], cwd=ROOT) as starter:
        wait_for(ours.exists)
        process = Path("/proc") / ours.read_text().strip()
        assert process.exists()
        starter.kill()
    wait_for(lambda: has_ended(process))


def has_ended(process: Path) -> bool:
    try:
        return " Z " in (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(what: Callable[[], object], within_s: int = 10) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_qemu(made_up: Sources, tmp_path: Path, initrd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="qemu-system-aarch64 is not installed"):
        machine.run(made_up, initrd, tmp_path, "true", timeout_s=1)


def test_a_path_that_qemu_would_cut(
    made_up: Sources, tmp_path: Path, initrd: Path, qemu: Callable[[str], None]
) -> None:
    qemu("exit 0")
    folder = tmp_path / "a,b"
    folder.mkdir()
    with pytest.raises(MachineError, match="comma"):
        machine.run(made_up, initrd, folder, "true", timeout_s=1)
