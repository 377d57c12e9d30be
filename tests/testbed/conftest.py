# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand-ins for packages, for QEMU and for its host's folder."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.machines import image
from testbed.packages.sources import Sources
from tests.helpers.repository import ROOT

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Stand-ins for packages, of a few files each."""
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "debian" / "arm64").mkdir(parents=True)
    modules_folder = tmp_path / "modules"
    for name in image._MODULES:
        path = modules_folder / "kernel" / name / f"{name}.ko"
        path.parent.mkdir(parents=True)
        path.write_text(name)
    old, new = tmp_path / "old", tmp_path / "new"
    for path, text in (
        (old / "bin" / "program", "old layout"),
        (old / "bin" / "busybox", "busybox"),
        (old / "usr" / "share" / "doc" / "old" / "copyright", "left out"),
        (new / "usr" / "lib" / "library.so.1.0", "new layout"),
        (new / "usr" / "bin" / PYTHON, "python"),
        (new / "usr" / "lib" / PYTHON / "module.py", "value = 1\n"),
        (new / "usr" / "lib" / PYTHON / "broken.py", "print 1\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (new / "usr" / "lib" / "library.so.1").symlink_to("library.so.1.0")
    for name in ("xen", "vmlinuz", "driver.ko"):
        (tmp_path / name).write_text(name)
    return Sources(
        architecture="arm64",
        suite=None,
        release="6.1.0-0-arm64",
        xen_version="4.17",
        python=PYTHON,
        xen=tmp_path / "xen",
        kernel=tmp_path / "vmlinuz",
        modules=modules_folder,
        headers=tmp_path,
        common_headers=tmp_path,
        kbuild=tmp_path,
        user_space=(old, new),
    )


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that replaces QEMU with a stand-in, whose dom0 runs a shell script; $host is its folder."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def install(script: str) -> None:
        program = programs / "qemu-system-aarch64"
        words = [sys.executable, str(ROOT / "tests" / "helpers" / "fake_qemu.py"), script]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)

    return install


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of the host that dom0 mounts."""
    folder = tmp_path / "host"
    folder.mkdir()
    return folder


@pytest.fixture
def initrd(tmp_path: Path) -> Path:
    """An initramfs that no machine boots."""
    path = tmp_path / "initrd"
    path.write_text("initrd")
    return path
