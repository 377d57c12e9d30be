# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs one cell in a process of its own. Whatever happens there is a result."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from coldline.errors import SurveyError
from coldline.survey.digests import cell_digest
from coldline.survey.plan import SurveyCell

__all__ = ["Task", "head_of", "run_cell"]

_KEPT: Final = (
    "verdict", "host", "strategy", "end", "pc", "fault", "poll", "instructions", "accesses", "events",
    "hazards_found", "hazards_by_kind", "inconclusive_because", "coverage",
)  # fmt: skip
_OF_CAUSE: Final = (
    "kind",
    "words",
    "copy",
    "hazards",
    "address",
    "size",
    "identity",
    "repairs",
    "consequence",
)
_CONTROL: Final = re.compile(r"\x1b\[[0-9;=?]*[a-zA-Z]|[^\n -~]")
"""A terminal's control sequences, and what is not printable ASCII."""

_LONGEST: Final = 200
"""Characters of a line of the console, or of an error, that are kept."""

_CAUSES: Final = 20
_MOST: Final = 64 << 20
"""Causes of a cell, and bytes of a report, that are kept."""


class Task(NamedTuple):
    """A cell to run.

    Attributes
    ----------
    cell : SurveyCell
        The cell.
    digest : str
        Its digest, as whoever sends the task worked it out.
    folder : str
        The folder of the plan, in which the command is run.
    """

    cell: SurveyCell
    digest: str
    folder: str


def head_of(task: Task, error: str = "") -> dict[str, Any]:
    """Return what every result has, and an error if there is one."""
    cell = task.cell
    return {
        "digest": task.digest,
        "image": cell.image,
        "version": cell.version,
        "group": cell.group,
        "origin": cell.origin,
        "of_host": cell.host,
        "of_strategy": cell.strategy,
        "vcpus": cell.vcpus,
        "words": list(cell.words),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "error": error,
    }


def run_cell(task: Task) -> dict[str, Any]:
    """Run a cell; return its result, which has an ``error`` if there is no verdict."""
    cell, result = task.cell, head_of(task)
    try:
        found = cell_digest(cell, Path(task.folder))
    except SurveyError as error:
        return head_of(task, error.message)
    if found != task.digest:
        return head_of(task, "the worker has other files, or another coldline, than the survey")
    with tempfile.TemporaryDirectory(prefix="coldline-survey-") as kept:
        return result | _ran(cell, task.folder, Path(kept))


def _ran(cell: SurveyCell, folder: str, kept: Path) -> dict[str, Any]:
    command, *rest = cell.words
    words = [command, "--json", "--hazards", "1", *rest]
    began = time.monotonic()
    with (kept / "out").open("wb") as out, (kept / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "coldline.cli.survey_cell", str(kept / "usage"), *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            process.wait(cell.timeout)
            late = False
        except subprocess.TimeoutExpired:
            late = True
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    result: dict[str, Any] = {"seconds": round(time.monotonic() - began, 2)}
    if late:
        return {**result, "error": f"not done after {cell.timeout} s"}
    with contextlib.suppress(OSError, ValueError):  # it was killed before it told
        result |= json.loads((kept / "usage").read_bytes())
    return result | _told(kept, process.returncode)


def _told(kept: Path, status: int) -> dict[str, Any]:
    with (kept / "out").open("rb") as out:
        report = out.read(_MOST)
    try:
        told = json.loads(report)
    except (ValueError, RecursionError):
        complaint = _clean((kept / "err").read_bytes()[-4096:].decode("utf-8", "replace"))
        ended = f"ended by signal {-status}" if status < 0 else f"no report, exit status {status}"
        return {"error": complaint[-1] if complaint else ended}
    result = {name: told[name] for name in _KEPT if told.get(name) is not None}
    result["causes"] = [
        {name: cause[name] for name in _OF_CAUSE if name in cause}
        for cause in told.get("causes", [])[:_CAUSES]
    ]
    console = _clean(told.get("console") or "")
    result["console"] = [*console[:1], *console[1:][-1:]]
    return result


def _clean(text: str) -> list[str]:
    lines = (line.strip() for line in _CONTROL.sub("", text).splitlines())
    return [line[:_LONGEST] for line in lines if line]
