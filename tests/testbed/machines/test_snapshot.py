# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of booted machines, with a stand-in for QEMU."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coldline.errors import ColdlineError
from testbed.machines import machine, qemu_command
from testbed.packages.cache import cache_folder
from testbed.packages.sources import Sources


def snapshots_of(made_up: Sources) -> list[Path]:
    return sorted((cache_folder().parent / "testbed" / "snapshots" / made_up.architecture).glob("*"))


def run_one(made_up: Sources, initrd: Path, host: Path) -> bool:
    """Run; return whether that was from a snapshot."""
    return machine.run(made_up, initrd, host, "true", timeout_s=20).restored


@pytest.mark.long
def test_a_snapshot_is_of_what_went_in(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu('echo 0 >"$host/status"')
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    for path in (initrd, made_up.xen, made_up.kernel):
        path.write_text("other content")
        assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True], path
    monkeypatch.setenv("FAKE_QEMU_VERSION", "2")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    monkeypatch.setattr(qemu_command, "_XEN_OPTIONS", "dom0_mem=1M")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    # the same content elsewhere, with another folder of the host
    elsewhere = Path(shutil.copy(initrd, initrd.with_name("elsewhere")))
    other = host.with_name("other")
    other.mkdir()
    assert run_one(made_up, elsewhere, other)
    assert len(snapshots_of(made_up)) == 4, "no more are kept"


@pytest.mark.parametrize("how", ["FAKE_QEMU_DIES=saving", "FAKE_QEMU_MIGRATES=failed"])
def test_a_snapshot_that_was_interrupted_is_none(
    made_up: Sources,
    initrd: Path,
    host: Path,
    qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    qemu('echo 0 >"$host/status"')
    monkeypatch.setenv(*how.split("="))
    with pytest.raises(ColdlineError):
        run_one(made_up, initrd, host)
    assert snapshots_of(made_up) == []
    monkeypatch.delenv(how.split("=")[0])
    leftover = cache_folder().parent / "testbed" / "snapshots" / "arm64" / "abc.999999999"
    leftover.write_text("half, by a process that was killed")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    assert not leftover.exists()


def test_a_damaged_snapshot_is_replaced(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None]
) -> None:
    qemu('echo 0 >"$host/status"')
    run_one(made_up, initrd, host)
    (path,) = snapshots_of(made_up)
    path.write_text("damaged")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
