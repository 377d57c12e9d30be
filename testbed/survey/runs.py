# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs images, each in a process of its own, and keeps the results, a JSON object in each line of a file."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from testbed.survey.images import Image

_KEPT = (
    "verdict",
    "host",
    "strategy",
    "end",
    "pc",
    "fault",
    "poll",
    "instructions",
    "hazards_found",
    "hazards_by_kind",
)
_CONTROL = re.compile(r"\x1b\[[0-9;=?]*[a-zA-Z]|[^\n -~]")
"""A terminal's control sequences, and what is not printable ASCII."""

_CONSOLE = 200
"""Characters of the console that are kept, of its last lines."""


def key_of(result: dict[str, Any]) -> tuple[str, ...]:
    """Return what makes a result the same as that of another run."""
    return (result["suite"], result["architecture"], result["package"], result["image"], *result["words"])


def read_results(path: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the results in a file, by `key_of`; a line that was cut off is left out."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                result = json.loads(line)
            except ValueError:
                continue
            found[key_of(result)] = result
    return found


def run_all(
    images: Iterable[Image],
    results: Path,
    work: Path,
    *,
    jobs: int,
    timeout: int,
    instructions: int,
    said: Callable[[str], None],
) -> None:
    """Run the images that have no result yet; append each result to the file as it comes.

    Parameters
    ----------
    images : iterable of Image
        The images.
    results : Path
        The file.
    work : Path
        The folder of the files that were taken out of images.
    jobs : int
        How many run at once.
    timeout : int
        Seconds for each.
    instructions : int
        The most instructions of each.
    said : callable
        Takes a line when a result has come.
    """
    known = read_results(results)

    def one(image: Image) -> None:
        result = run(image, work, timeout=timeout, instructions=instructions)
        with results.open("a") as file:
            file.write(json.dumps(result) + "\n")
        said(f"{image.suite} {image.package} {image.name}: {result.get('verdict') or result['error']}")

    with ThreadPoolExecutor(jobs) as pool:
        for image in images:
            start = {"suite": image.suite, "architecture": image.architecture, "package": image.package}
            if key_of({**start, "image": image.name, "words": image.words}) not in known:
                pool.submit(one, image)


def run(image: Image, work: Path, *, timeout: int, instructions: int) -> dict[str, Any]:
    """Run an image; return its result."""
    words = [word.replace("{tree}", str(image.tree)).replace("{work}", str(work)) for word in image.words]
    command = [sys.executable, "-m", "coldline", "boot", "--json", "--hazards", "0"]
    command += ["--max-instructions", str(instructions), *words]
    result: dict[str, Any] = {
        "suite": image.suite,
        "architecture": image.architecture,
        "package": image.package,
        "image": image.name,
        "words": image.words,
        "error": "",
    }
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired:
        return {**result, "error": f"not done after {timeout} s"}
    result["seconds"] = round(time.monotonic() - began, 1)
    complaint = done.stderr.replace(f"{image.tree}/", "").replace(f"{work}/", "")
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return {
            **result,
            "error": complaint.strip().splitlines()[-1:][0] if complaint.strip() else "no report",
        }
    result |= {name: report.get(name) for name in _KEPT}
    result["devices"] = report.get("coverage", {}).get("devices", [])
    lines = [
        line.strip() for line in _CONTROL.sub("", report.get("console", "")).splitlines() if line.strip()
    ]
    result["console"] = [line[:_CONSOLE] for line in [*lines[:1], *lines[1:][-1:]]]
    return result
