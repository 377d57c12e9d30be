# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration files have the same outcome with xl and with coldline, or a stricter one with coldline."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.dom0.commands import COLDLINE, coldline
from testbed.dom0.config_files import CREATED, FILES, STRICTER, WRONG
from testbed.dom0.domains import Xen

pytestmark = pytest.mark.one_xen

TARGET = Path("/tmp/file.img")
DIFFERING = {"uuid", "vcpu_hard_affinity", "acpi", "nested_hvm"}
"""Members of libxl's configuration that are random, need Xen, or are for other guests than those on Arm."""

SET_LATER = {"domid", "max_vcpus", "avail_vcpus", "video_memkb", "colo_restore_enable", "nictype"}
"""Members that coldline shows with the defaults that libxl gives them later."""


@pytest.fixture(autouse=True)
def target() -> Iterator[None]:
    TARGET.write_bytes(bytes(1 << 20))
    yield
    TARGET.unlink()


def xl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["xl", *words], capture_output=True, text=True, check=False)


def unlike(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """The members in which two configurations differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        names = [*theirs, *(name for name in ours if name not in theirs and name not in SET_LATER)]
        return [
            each
            for name in names
            if name not in DIFFERING
            for each in unlike(theirs.get(name), ours.get(name), f"{where}/{name}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [each for pair in zip(theirs, ours, strict=True) for each in unlike(*pair, where)]
    return [] if theirs == ours else [f"{where}: {theirs!r}, and coldline's {ours!r}"]


@pytest.mark.parametrize("name", FILES)
def test_a_dry_run(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.cfg"
    file.write_text(FILES[name])
    theirs, ours = xl("create", "-n", str(file)), coldline("create", "-n", str(file))
    if name in STRICTER:
        assert (theirs.returncode, ours.returncode) == (0, 2), theirs.stderr + ours.stderr
        assert STRICTER[name] in ours.stderr
    elif theirs.returncode:
        assert ours.returncode == 2, theirs.stderr + ours.stderr
        assert ours.stdout == ""
    else:
        assert ours.returncode == 0, ours.stderr
        assert unlike(json.loads(theirs.stdout), json.loads(ours.stdout)) == []


@pytest.mark.parametrize("name", CREATED)
def test_a_guest(xen: Xen, tmp_path: Path, name: str) -> None:
    status, said = outcomes(xen, tmp_path, FILES[name])
    assert (status, CREATED[name] in said) == (int(bool(CREATED[name])), True), said


@pytest.mark.parametrize("name", WRONG)
def test_what_nobody_can_build(xen: Xen, tmp_path: Path, name: str) -> None:
    text, why = WRONG[name]
    status, said = outcomes(xen, tmp_path, text)
    assert status == 1
    assert why in said


def outcomes(xen: Xen, folder: Path, text: str) -> tuple[int, str]:
    """Build a file's guest by xl and by coldline; return whether that fails, the same for both, and coldline's error.

    After each, there is no guest.
    """
    file = folder / "file.cfg"
    file.write_text(text)
    found = []
    for command in (["xl", "create", "-q", "-p", "-e"], [*COLDLINE, "create", "-p", "-e"]):
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert xl("destroy", "file").returncode == 0
        assert xl("list", "file").returncode, f"{command[0]} leaves a guest"
        assert not {"vbd", "vif"} & set(xen.bindings.store.list("/local/domain/0/backend"))
        found.append((min(done.returncode, 1), done.stderr))
    assert found[0][0] == found[1][0], found
    return found[1][0], found[1][1].strip()
