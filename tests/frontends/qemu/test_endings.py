# SPDX-License-Identifier: GPL-2.0-or-later
"""How a watched machine can end: each failure is one line and status 2, and nothing hangs or stays behind."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.frontends.qemu import plugin, session
from coldline.trace import spool
from tests.helpers import machines
from tests.helpers.command import DRIVER, ERROR, HAZARD, INCONCLUSIVE, Cli
from tests.helpers.machines import DATA, machine, write_program
from tests.helpers.tiny_guests import code, ldr, mov, off, store

_PATIENCE_S = 60


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def endless(tmp_path: Path) -> Path:
    """A program that stores and loads for ever."""
    return write_program(tmp_path / "program", code(mov(2, DATA), store(2, 2), ldr(4, 2), a64.b(-2)))


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    return [
        int(each)
        for path in Path(f"/proc/{process}/task").glob("*/children")
        for each in path.read_text().split()
    ]


@contextmanager
def started(words: list[str], *options: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The command, which watches a machine, and QEMU's process once it has executed something."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, "watch", *options, "--", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as command:  # fmt: skip
        try:
            yield command, _qemu_of(command)
        finally:
            command.kill()


def _qemu_of(command: "subprocess.Popen[str]") -> int:
    limit = time.monotonic() + _PATIENCE_S
    while time.monotonic() < limit:
        for each in children(command.pid):
            name = Path(f"/proc/{each}/comm").read_text()
            if name.startswith("qemu") and _cpu_time(each) > 30:
                return each
        time.sleep(0.05)
    command.kill()
    raise AssertionError(f"QEMU does not run: {command.communicate()}")


def _cpu_time(process: int) -> int:
    """The time that a process has had, in hundredths of a second."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_qemu_that_is_killed(qemu: list[str], tmp_path: Path) -> None:
    with started(machine(qemu, endless(tmp_path)), "--json") as (command, process):
        os.kill(process, signal.SIGKILL)
        out, err = command.communicate(timeout=_PATIENCE_S)
    assert command.returncode == ERROR
    assert err.splitlines()[-1] == "coldline: QEMU was ended by signal 9"
    document = json.loads(out)
    schema = json.loads(resources.files("coldline.report").joinpath("schema", "report-1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["verdict"] == "inconclusive"
    assert document["inconclusive_because"] == ["QEMU was ended by signal 9"]
    assert document["machine"]["status"] == -9
    assert document["coverage"]["other_reads"] > 0


def test_a_reader_that_is_killed_ends_qemu(
    qemu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left in the folder of temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with started(machine(qemu, endless(tmp_path))) as (command, process):
        command.kill()
        command.wait(_PATIENCE_S)
        limit = time.monotonic() + _PATIENCE_S
        while Path(f"/proc/{process}").exists() and time.monotonic() < limit:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.05)
        else:
            assert not Path(f"/proc/{process}").exists()
        command.communicate()
    assert list(temporary.iterdir()) == []


def test_an_interrupt_ends_it(qemu: list[str], tmp_path: Path) -> None:
    with started(machine(qemu, endless(tmp_path)), "--quiet") as (command, process):
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=_PATIENCE_S)
    assert command.returncode == 130
    assert err.splitlines()[-1] == "coldline: interrupted"
    assert out.startswith("inconclusive: no hazard was found, but it was interrupted\n")
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["-device", "no-such-device"], "'no-such-device' is not a valid device model name"),
        (["-bios", "/absent"], "Could not find ROM image '/absent'"),
    ],
)
def test_qemu_that_does_not_start(
    cli: Cli, qemu: list[str], tmp_path: Path, words: list[str], complaint: str
) -> None:
    done = cli("watch", "--", *machine(qemu, write_program(tmp_path / "program", off()), *words))
    assert done.status == ERROR
    assert done.out == ""
    assert done.err.startswith("coldline: QEMU did not start the machine: ")
    assert complaint in done.err
    assert done.err.count("\n") == 1


def test_a_machine_that_reads_nothing_is_inconclusive(cli: Cli, qemu: list[str], tmp_path: Path) -> None:
    file = write_program(tmp_path / "program", off())
    done = cli("watch", "--only", "0x42000000,1M", "--", *machine(qemu, file))
    assert done.status == INCONCLUSIVE
    assert "no read, fetch or walk was judged" in done.out


def test_refused_options_are_one_line(cli: Cli) -> None:
    done = cli("watch", "--", "qemu-system-aarch64", "-M", "virt", "-enable-kvm")
    assert done.status == ERROR
    assert done.err == (
        "coldline: QEMU's -enable-kvm cannot be watched: KVM runs code that a plugin does not see\n"
    )


def stores_to_many_lines(tmp_path: Path) -> Path:
    """A program that stores to 1024 lines, and ends."""
    loop = code(store(2, 2), a64.add(2, 2, 64), a64.subs(3, 3, 1), a64.b_ne(-3))
    return write_program(tmp_path / "program", code(mov(2, DATA + 0x10000), mov(3, 1024), loop, off()))


@pytest.mark.parametrize("many", [True, False])
def test_a_full_disk_ends_it(cli: Cli, qemu: list[str], tmp_path: Path, many: bool) -> None:
    """The disk is full as the machine runs, or when the last events are written."""
    file = (
        stores_to_many_lines(tmp_path)
        if many
        else write_program(tmp_path / "program", code(mov(2, DATA), ldr(4, 2), off()))
    )
    done = cli(
        "watch", "--json", "--trace", "/dev/full", "--trace-format", "text", "--", *machine(qemu, file)
    )
    assert done.status == ERROR
    told = "/dev/full: cannot write a trace: No space left on device"
    assert done.err.splitlines()[-1] == f"coldline: {told}"
    document = json.loads(done.out)
    assert document["inconclusive_because"] == [told]
    assert document["coverage"]["other_fetches"] > 0


def test_without_room_for_the_events_there_are_no_stories(
    cli: Cli, qemu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool._Keeper, "take", full)
    first, second = machines.starts_second_core([])
    file = write_program(tmp_path / "program", first, second)
    done = cli("watch", "--", *machine(qemu, file, vcpus=2))
    assert done.status == HAZARD
    assert done.err.splitlines()[-1] == (
        "coldline: no stories: a temporary file for the events cannot be written: No space left on device"
    )
    assert f"stale-read: cpu1.el1 may get old bytes at {DATA:#x}" in done.out


def test_a_plugin_that_is_not_there(
    cli: Cli, qemu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "plugin_code", lambda: b"not a plugin")
    done = cli("watch", "--quiet", "--", *machine(qemu, write_program(tmp_path / "program", off())))
    assert done.status == ERROR
    assert done.out == ""
    assert done.err.startswith("coldline: QEMU did not start the machine: ")
    assert "file too short" in done.err
    assert done.err.count("\n") == 1


def test_a_plugin_that_cannot_be_compiled(
    cli: Cli, qemu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "cache_folder", SimpleNamespace(folder=lambda: None))
    monkeypatch.setattr(plugin, "shutil", SimpleNamespace(which=lambda name: None))
    done = cli("watch", "--quiet", "--", *machine(qemu, write_program(tmp_path / "program", off())))
    assert (done.status, done.out) == (ERROR, "")
    assert done.err == (
        "coldline: a plugin for QEMU has to be compiled once, and there is no C compiler (cc, gcc or clang): "
        "install gcc\n"
    )


def test_where_events_are_kept_is_told_beforehand(
    cli: Cli, qemu: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = machine(qemu, write_program(tmp_path / "program", code(mov(2, DATA), ldr(4, 2), off())))
    kept = cli("watch", "--json", "--hazards", "1", "--", *words)
    told = f"coldline: events are kept in {tmp_path} until the report: 24 to 48 bytes each, and "
    assert kept.err.startswith(told)
    spool = json.loads(kept.out)["machine"]["spool"]
    assert spool["folder"] == str(tmp_path)
    events = json.loads(kept.out)["events"]
    assert 24 * events < spool["bytes"] < 48 * events + 4096
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    none = cli("watch", "--json", "--hazards", "0", "--", *words)
    assert "events are kept" not in none.err
    assert json.loads(none.out)["machine"]["spool"] is None
