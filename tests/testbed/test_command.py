# SPDX-License-Identifier: GPL-2.0-or-later
"""The testbed's command line, without QEMU and Debian's packages."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed import __main__ as command
from testbed.builds import modules
from testbed.packages import apt, debian
from testbed.packages.sources import Sources
from tests.helpers.requirements import require


@pytest.mark.parametrize("status", [pytest.param(0, marks=pytest.mark.long), 1])
def test_the_command_keeps_results_and_tells(
    made_up: Sources,
    tmp_path: Path,
    qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
) -> None:
    require(shutil.which("cpio"), "no cpio")
    monkeypatch.setattr(command, "sources", lambda *_, **__: made_up)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")
    qemu(
        f'echo "5 tests" >"$host/output"; echo "<testsuites/>" >"$host/results.xml"; echo {status} >"$host/status"'
    )
    results = tmp_path / "results"
    assert command.main(["test", "arm64", "--results", str(results)]) == status
    assert (results / "arm64" / "results.xml").read_text() == "<testsuites/>\n"
    written = capsys.readouterr()
    assert "testbed: arm64: dom0 is up after " in written.err
    assert written.out == ("5 tests\n" if status else "")
    assert ("passed" in written.err) == (status == 0)


def test_the_command_takes_both_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(architecture: str, **_: Any) -> None:
        asked.append(architecture)
        raise apt.FetchError("no more")

    monkeypatch.setattr(command, "sources", refuse)
    for arguments, first in (([], "arm64"), (["armhf"], "armhf"), (["armhf", "arm64"], "armhf")):
        asked.clear()
        assert command.main(["test", *arguments]) == 2
        assert asked == [first]
    with pytest.raises(SystemExit):
        command.main(["test", "riscv64"])


@pytest.mark.long
def test_an_architecture_without_a_xen_is_left_out_unless_named(
    made_up: Sources,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qemu: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    require(shutil.which("cpio"), "no cpio")

    def some(architecture: str, *, suite: str, refresh: bool) -> Sources:
        assert (suite, refresh) == ("later", False)
        if architecture == "armhf":
            raise debian.MissingError("xen-system-armhf (armhf): later has no suitable package")
        return made_up

    monkeypatch.setattr(command, "sources", some)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")
    qemu('echo "5 tests" >"$host/output"; echo 0 >"$host/status"')
    assert command.main(["test", "--suite", "later"]) == 0
    written = capsys.readouterr().err
    assert "arm64: Xen 4.17 with Linux 6.1.0-0-arm64" in written
    assert "skipped: xen-system-armhf (armhf): later has no suitable package" in written
    assert command.main(["test", "armhf", "--suite", "later"]) == 2


def test_the_command_tells_of_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["driver", "arm64"]) == 2
    assert "apt-get is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("suite", ["..", "a/b", "a b", "Trixie", "-o"])
def test_what_is_no_suite(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    assert command.main(["driver", f"--suite={suite}"]) == 2
    assert "invalid name of a Debian suite" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["armhf", "--host", "kvm-arm64"], "Linux has no KVM for arm32"),
        (["armhf", "--by", "flush"], "no strategy 'flush' on arm32"),
        (["arm64", "--by", "syscall"], "no strategy 'syscall' on arm64"),
        (["arm64", "--host", "kvm-arm64", "--by", "xl"], "on KVM the guest is a small Linux"),
    ],
)
def test_what_cannot_be_watched(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert command.main(["watch", *words]) == 2
    assert said in capsys.readouterr().err
