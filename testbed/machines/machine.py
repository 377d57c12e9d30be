# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands in the dom0 of a machine with Xen, emulated by QEMU."""

import contextlib
import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from testbed.machines import qemu_command, snapshot
from testbed.machines.pace import progress_of
from testbed.machines.qemu_command import MachineError
from testbed.machines.qmp import ControlError, Qmp
from testbed.packages.sources import Sources

__all__ = ["Outcome", "run", "shell"]

# the kernel ends QEMU when this process dies, for whatever reason
_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_BOOTED = b"dom0 is ready"  # init prints this, and then waits for a line
PROGRESS_S = 30.0
_BOOT_S, _RESTORE_S, _ANSWER_S = 120.0, 60.0, 30.0


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes
    ----------
    status : int
        The exit status of the command in dom0.
    seconds : float
        The time from QEMU's start to its end.
    restored : bool
        Whether dom0 was restored from an earlier snapshot.
    """

    status: int
    seconds: float
    restored: bool


def run(
    sources: Sources,
    initrd: Path,
    folder: Path,
    command: str | list[str],
    *,
    timeout_s: float,
    snapshots: bool = True,
    counted: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run a shell command, or pytest, in a dom0 with ``/host`` as `folder`, and power off.

    The command's output is in the file ``output`` of `folder`, the consoles of Xen and dom0 in ``console``.

    Parameters
    ----------
    sources : Sources
        Xen and dom0's kernel.
    initrd : Path
        dom0's initramfs.
    folder : Path
        A folder of the host that dom0 writes to.
    command : str or list of str
        Lines for ``sh``; or arguments for pytest, which dom0 has already loaded.
    timeout_s : float
        Time limit in seconds.
    snapshots : bool
        Restore a snapshot of the booted machine, which is made if there is none; otherwise boot.
    counted : bool
        Let the machine's clock count instructions, 2 ns each, independent of the host's load.
    say : callable
        Takes a line about the progress, every `PROGRESS_S` seconds.

    Raises
    ------
    MachineError
        If QEMU is not installed, or the command did not end, or not in time.
    """
    began = time.monotonic()
    end = began + timeout_s
    for name in ("run", "pytest", "status"):
        (folder / name).unlink(missing_ok=True)
    if isinstance(command, str):
        (folder / "run").write_text(command + "\n")
    else:
        (folder / "pytest").write_text(json.dumps(command))
    words = qemu_command.words(sources, initrd, folder, counted=counted)
    saved, restored = _saved(sources, initrd, folder, end, counted=counted) if snapshots else (None, False)
    console = folder / "console"
    with console.open("wb") as file, _started(words, file, saved) as machine:
        try:
            machine.ready(end)
        except MachineError:
            if saved is None or not restored:
                raise
            saved.unlink(missing_ok=True)  # damaged: the machine boots again
            timeout_s = end - time.monotonic()
            return run(sources, initrd, folder, command, timeout_s=timeout_s, counted=counted, say=say)
        say(f"dom0 is up after {time.monotonic() - began:.0f} s")
        machine.go()
        while machine.status is None and time.monotonic() < end:
            machine.await_end(min(PROGRESS_S, end - time.monotonic()))
            if machine.status is None:
                done = progress_of(folder / "output") or "running"
                say(f"{time.monotonic() - began:.0f} of at most {timeout_s:.0f} s: {done}")
        machine.ended(end, f"not done after {timeout_s:g} s")
    try:
        status = int((folder / "status").read_text())
    except (OSError, ValueError) as error:
        raise MachineError(
            f"dom0 ended without a result (QEMU's exit status {machine.status})\n{_last_lines(console)}"
        ) from error
    return Outcome(status, time.monotonic() - began, restored)


def shell(sources: Sources, initrd: Path, folder: Path) -> int:
    """Connect dom0's console to this terminal; return QEMU's exit status. Ctrl-a x ends QEMU."""
    for name in ("run", "pytest"):
        (folder / name).unlink(missing_ok=True)
    end = time.monotonic() + _BOOT_S
    saved, _ = _saved(sources, initrd, folder, end)
    with _started(qemu_command.words(sources, initrd, folder, serial="mon:stdio"), None, saved) as machine:
        machine.ready(end)
        return machine.process.wait()


def _saved(
    sources: Sources, initrd: Path, folder: Path, end: float, *, counted: bool = False
) -> tuple[Path, bool]:
    """Return a snapshot of the booted machine, and whether it existed before."""
    apart_from_paths = replace(sources, xen=Path("xen"), kernel=Path("kernel"))
    path = snapshot.snapshot_path(
        qemu_command.program(sources),
        qemu_command.words(apart_from_paths, Path("initrd"), Path("host"), counted=counted),
        (sources.xen, sources.kernel, initrd),
        sources.architecture,
    )
    if path.is_file():
        os.utime(path)  # the last to be removed
        return path, True
    unfinished = path.with_suffix(f".{os.getpid()}")
    console = folder / "console-boot"
    words = qemu_command.words(sources, initrd, folder, counted=counted)
    with console.open("wb") as file, _started(words, file, None) as machine:
        machine.ready(end)
        try:
            machine.save(unfinished, end)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    unfinished.replace(path)
    snapshot.prune(path.parent)
    return path, False


class _Machine:
    """A running QEMU."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: Path, console: Path | None, saved: bool
    ) -> None:
        self.process = process
        self._control = control
        self._console = console
        self._saved = saved

    @property
    def status(self) -> int | None:
        """QEMU's exit status, once it has ended."""
        return self.process.poll()

    def ready(self, end: float) -> None:
        """Wait until dom0 has booted and waits."""
        if self._saved:
            self._restored(min(end, time.monotonic() + _RESTORE_S))
        else:
            self._booted(min(end, time.monotonic() + _BOOT_S))

    def _booted(self, end: float) -> None:
        assert self._console is not None
        while _BOOTED not in self._console.read_bytes():
            if self.status is not None:
                raise self._error(f"the machine ended as it booted (QEMU's exit status {self.status})")
            if time.monotonic() > end:
                raise self._error("dom0 has not booted in time")
            time.sleep(0.05)

    def _restored(self, end: float) -> None:
        with self._qmp(end) as qmp:
            while (status := qmp.command("query-status")["status"]) == "inmigrate":
                if time.monotonic() > end:
                    raise self._error("the snapshot is not restored in time")
                time.sleep(0.02)
            if status != "paused":
                raise self._error(f"the snapshot cannot be restored: QEMU is {status!r}")
            qmp.command("cont")

    def go(self) -> None:
        """Let dom0 continue."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the result is checked elsewhere
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()

    def save(self, path: Path, end: float) -> None:
        """Write a snapshot, and end QEMU."""
        with self._qmp(end) as qmp:
            qmp.command("stop")
            qmp.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            qmp.command("migrate", uri=f"exec:cat >{shlex.quote(os.fspath(path))}")
            while (status := qmp.command("query-migrate").get("status")) != "completed":
                if status in ("failed", "cancelled") or time.monotonic() > end:
                    raise self._error(f"the machine cannot be saved: the snapshot is {status!r}")
                time.sleep(0.02)
            qmp.command("quit")
        self.ended(end, "QEMU does not end")

    def await_end(self, seconds: float) -> None:
        """Wait until QEMU has ended, or for a time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(0.0, seconds))

    def ended(self, end: float, complaint: str) -> None:
        """Wait until QEMU has ended."""
        try:
            self.process.wait(timeout=max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise self._error(complaint) from error

    def _qmp(self, end: float) -> Qmp:
        while True:
            try:
                return Qmp(self._control, timeout_s=_ANSWER_S)
            except ControlError as error:  # it may be about to open its socket
                if self.status is not None or time.monotonic() > end:
                    raise self._error(str(error)) from error
                time.sleep(0.01)

    def _error(self, complaint: str) -> MachineError:
        return MachineError(f"{complaint}\n{_last_lines(self._console)}" if self._console else complaint)


@contextmanager
def _started(words: list[str], console: BinaryIO | None, saved: Path | None) -> Iterator[_Machine]:
    """Start QEMU, from a snapshot if there is one; QEMU is ended at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="coldline-qemu-") as temporary:
        control = Path(temporary) / "qmp"
        words = [*words, "-qmp", f"unix:{control},server=on,wait=off"]
        if saved is not None:
            words += ["-incoming", f"exec:cat {shlex.quote(os.fspath(saved))}"]
        process = subprocess.Popen(
            [*_WITH_US, *words],
            stdin=None if console is None else subprocess.PIPE,
            stdout=console,
            stderr=console,
        )
        try:
            yield _Machine(
                process, control, None if console is None else Path(console.name), saved is not None
            )
        finally:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _last_lines(console: Path, count: int = 15) -> str:
    text = console.read_bytes().decode(errors="replace")
    lines = ["".join(char for char in line if char.isprintable()) for line in text.splitlines()]
    return "\n".join(lines[-count:])
