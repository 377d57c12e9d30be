# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs dom0's commands as a user does."""

import subprocess
from typing import Any

COLDLINE = ("coldline",)


def coldline(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COLDLINE, *words], capture_output=True, text=True, check=False, **options)


def good(*words: str) -> str:
    done = coldline(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def xl(*words: str) -> str:
    done = subprocess.run(["xl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.returncode, done.stderr)
    return done.stdout
