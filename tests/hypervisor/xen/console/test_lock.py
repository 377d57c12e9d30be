# SPDX-License-Identifier: GPL-2.0-or-later
"""The console lock, while another process holds it as xenconsole does: with util-linux's flock."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from coldline.errors import HypervisorError
from coldline.hypervisor.xen.console import lock as consolelock
from coldline.hypervisor.xen.console.lock import console_lock
from tests.helpers.requirements import require


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, Popen[bytes]]]:
    """The lock's path, and another process that holds it."""
    require(shutil.which("flock"), "no flock: util-linux has it")
    path = tmp_path / "xenconsole.7"
    words: list[str | Path] = ["flock", "-x", path, "sh", "-c", "echo locked; exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        yield path, process
        process.stdin.close()


def test_another_has_it(held: tuple[Path, Popen[bytes]], tmp_path: Path) -> None:
    path, process = held
    with pytest.raises(HypervisorError) as refused, console_lock(7, str(tmp_path)):
        pass
    assert str(refused.value) == (
        f"domain 7: console is in use: flock (process {process.pid}) holds the lock {path}"
    )
    assert path.exists(), "it is the other's"
    with console_lock(8, str(tmp_path)):
        pass


def test_another_has_it_and_nobody_knows(
    held: tuple[Path, Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consolelock, "_LOCKS", str(tmp_path / "none"))
    with pytest.raises(HypervisorError, match=r"^domain 7: console is in use: another client holds the lock"):
        console_lock(7, str(tmp_path)).__enter__()


def test_we_have_it(tmp_path: Path) -> None:
    require(shutil.which("flock"), "no flock: util-linux has it")
    path = tmp_path / "xenconsole.7"
    with console_lock(7, str(tmp_path)):
        assert path.stat().st_mode & 0o777 == 0o600
        assert subprocess.run(["flock", "-n", path, "true"], check=False).returncode == 1
        with pytest.raises(HypervisorError, match=rf"python\S* \(process {os.getpid()}\) holds the lock"):
            console_lock(7, str(tmp_path)).__enter__()
    assert not path.exists()
    path.write_text("")  # left by one that was killed
    with console_lock(7, str(tmp_path)):
        pass
    assert not path.exists()


def test_it_is_given_back_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), console_lock(7, str(tmp_path)):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert not [name for name in os.listdir("/proc/self/fd") if _names(name, tmp_path)]


def _names(descriptor: str, folder: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(folder))
    except OSError:
        return False


def test_a_file_that_was_removed_locks_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder removes the file after we open it and before we lock it: then a new file is opened."""
    path = tmp_path / "xenconsole.7"
    real = fcntl.flock
    calls: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not calls:
            path.unlink()
        calls.append(operation)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with console_lock(7, str(tmp_path)):
        assert len(calls) == 2
        assert path.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "xenconsole.7").symlink_to(target)
    with pytest.raises(HypervisorError, match=r"xenconsole\.7: Too many levels of symbolic links$"):
        console_lock(7, str(tmp_path)).__enter__()
    assert not target.exists()
    with pytest.raises(HypervisorError, match=r"^domain 7: console: .*/none/xenconsole.7: No such file"):
        console_lock(7, str(tmp_path / "none")).__enter__()
