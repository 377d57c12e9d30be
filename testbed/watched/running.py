# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a machine under `coldline watch` while it builds guests, and returns the report."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from testbed.machines.qemu_command import MachineError

__all__ = ["END_S", "UNTIL", "Watching", "run_watched"]

UNTIL: Final = "guest: in user space"
"""What `testbed/dom0/guest-init` says."""

END_S: Final = 300.0
"""How long the check may take after its time limit, in seconds."""

_PROGRESS_S: Final = 30.0


@dataclass(frozen=True)
class Watching:
    """What to build and how to check it.

    Attributes
    ----------
    builders : tuple of str
        ``xl``, or a strategy, for each guest, in their order.
    start : str
        What caches may hold at the first instruction: `coldline watch --start`.
    hazards : int
        How many hazards get a story.
    until : str
        What a guest's console says when it is up.
    timeout_s : float
        Time limit in seconds.
    more : tuple of str
        More options for `coldline watch`.
    """

    builders: tuple[str, ...]
    start: str = "cold"
    hazards: int = 0
    until: str = UNTIL
    timeout_s: float = 3600.0
    more: tuple[str, ...] = ()


def run_watched(
    command: Sequence[str],
    folder: Path,
    wanted: Watching,
    names: Sequence[str],
    say: Callable[[str], None],
    only: Sequence[tuple[int, int]] = (),
) -> dict[str, Any]:
    """Run a machine under `coldline watch`, and let it build the guests.

    The folder gets ``console``, ``report`` (text) and ``report.json``.

    Parameters
    ----------
    command : sequence of str
        QEMU's command line.
    folder : Path
        The folder of this host that the machine mounts.
    wanted : Watching
        What to build.
    names : sequence of str
        The names of the guests with the VMIDs 1, 2, ….
    say : callable
        Receives progress messages.
    only : sequence of pairs of int
        Addresses and sizes of what is checked; if empty, all RAM is.

    Returns
    -------
    dict
        The report's JSON object; under ``builders`` what was wanted, under ``built`` what the machine said of each,
        and under ``console`` what its console said.

    Raises
    ------
    MachineError
        If the machine cannot be watched.
    """
    (folder / "builders").write_text(" ".join(wanted.builders))
    (folder / "until").write_text(wanted.until)
    watched = folder / "watched"
    watched.unlink(missing_ok=True)
    report = folder / "report.json"
    line = [
        sys.executable,
        "-m",
        "coldline",
        "watch",
        "--start",
        wanted.start,
        "--hazards",
        str(wanted.hazards),
    ]
    line += [word for base, size in only for word in ("--only", f"{base:#x},{size >> 10}K")]
    line += [word for vmid, name in enumerate(names, 1) for word in ("--name", f"{vmid}={name}")]
    line += [
        "--format",
        f"text={folder / 'report'}",
        "--format",
        f"json={report}",
        *wanted.more,
        "--",
        *command,
    ]
    console = folder / "console"
    with console.open("wb") as file:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        try:
            with console.open("rb") as reading:
                _follow(process, reading, wanted.timeout_s, say)
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
    said = console.read_text(errors="replace")
    try:
        found: dict[str, Any] = json.loads(report.read_text())
    except (OSError, ValueError) as error:
        raise MachineError(f"no report (exit status {process.returncode})\n{said[-1000:]}") from error
    lines = watched.read_text().splitlines() if watched.exists() else []
    return found | {
        "builders": list(wanted.builders),
        "built": [line.split(" ", 1) for line in lines if line.split(" ", 1)[0] in wanted.builders],
        "console": said,
    }


def _follow(
    process: "subprocess.Popen[bytes]", console: IO[bytes], timeout_s: float, say: Callable[[str], None]
) -> None:
    """Wait for the end; tell what dom0 says, and now and then how far the check is."""
    end, told = time.monotonic() + timeout_s, time.monotonic()
    rest, last, interrupted = b"", "", False
    while process.poll() is None:
        time.sleep(0.2)
        *whole, rest = (rest + console.read()).split(b"\n")
        for each in whole:
            text = each.decode(errors="replace").strip()
            if text.startswith("watch: "):
                say(text.removeprefix("watch: "))
                told = time.monotonic()
            elif text.startswith(("coldline: ", "hazard: ")):
                last = text.removeprefix("coldline: ")
        if last and time.monotonic() > told + _PROGRESS_S:
            say(last)
            last, told = "", time.monotonic()
        if time.monotonic() > end:
            if interrupted:
                raise MachineError(f"the check does not end {END_S:.0f} s after its time limit")
            say(f"not done after {timeout_s:.0f} s: it is interrupted")
            process.send_signal(signal.SIGINT)
            interrupted, end = True, time.monotonic() + END_S
