# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a run in dom0 is, and how long it may take on this machine."""

import re
import time
from pathlib import Path
from typing import Final

LIMIT_S: Final = 900.0
"""The time limit of a run on a machine that does `_WORK` in `_NOMINAL_S`."""

_WORK: Final = 4_000_000
_NOMINAL_S: Final = 0.25
"""Seconds for an empty loop of `_WORK` turns: Python 3.11 on the idle machine of the times in docs."""

_MOST: Final = 8.0
_RESULTS: Final = re.compile(r"^[.FEsxX]+(?= +\[|$)", re.MULTILINE)
_CRITICAL: Final = re.compile(r"[FE]")


def slowness() -> float:
    """Return how many times longer than on the nominal machine things take here and now, from 1 to 8.

    It is measured by the clock, so that other work on the machine counts, too.
    """
    began = time.perf_counter()
    for _ in range(_WORK):
        pass
    return min(max((time.perf_counter() - began) / _NOMINAL_S, 1.0), _MOST)


def progress_of(output: Path) -> str:
    """Return how many tests pytest has done, and how many of them failed; empty before the first."""
    try:
        text = output.read_text(errors="replace")
    except OSError:
        return ""
    results = "".join(_RESULTS.findall(text))
    if not results:
        return ""
    failed = len(_CRITICAL.findall(results))
    return f"{len(results)} tests done" + (f", {failed} failed" if failed else "")
