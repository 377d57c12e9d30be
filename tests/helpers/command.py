# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the command: in the test's process by the fixture ``cli``, or in a separate process."""

import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

COHERENT, HAZARD, ERROR, INCONCLUSIVE = 0, 1, 2, 3
MIDWAY = ("boot", "--sample", "midway-arm64", "--memory", "16M")
DRIVER = "import sys; from coldline.cli import main; sys.exit(main())"


class Result(NamedTuple):
    """The result of a command."""

    status: int
    out: str
    err: str


Cli = Callable[..., Result]


def command(*arguments: object, **options: object) -> "subprocess.CompletedProcess[bytes]":
    """Run the command in a separate process."""
    words = [each if isinstance(each, (str, bytes)) else str(each) for each in arguments]
    line = [sys.executable, "-c", DRIVER, *words]
    return subprocess.run(line, capture_output=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def unknown_operation(word: str, near: str = "") -> str:
    """The error for a word of a trace that is no operation, and that is close to one or to none."""
    meant = f"did you mean '{near}'? " if near else ""
    operations = (
        "read, write, fetch, walk, dc zva, dc ivac, dc cvac, dc civac, dc cvau, dc isw, dc csw, dc cisw, ic ivau, "
        "ic iallu, ic ialluis, map, unmap, mmu on, mmu off, icache on, icache off, dcache on, dcache off"
    )
    return f"unknown operation '{word}'; {meant}choose from: {operations}"
