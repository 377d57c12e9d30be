# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the kernel's checkpatch.pl, from Debian's package of its source, on the driver and on a patch to Linux."""

import os
import shutil
import subprocess
from pathlib import Path

from testbed.builds.kernel_source import CHECKPATCH, kernel_files
from testbed.builds.modules import DRIVER, BuildError

__all__ = ["check"]

LINUX_PATCH = DRIVER / "rfc-v2" / "0001-linux-uncached-mappings.patch"

# An out-of-tree module has no entry in MAINTAINERS, and no device tree bindings.
_WORDS = ("--no-tree", "--strict", "--terse", "--show-types")
_CLEAN = "total: 0 errors, 0 warn"


def check(release: str, *, suite: str | None = None) -> str:
    """Return checkpatch's complaints about the driver and about `LINUX_PATCH`, or an empty string.

    Parameters
    ----------
    release : str
        The kernel's release, such as ``6.1.0-52-arm64``; its first two numbers name the source package.
    suite : str, optional
        The Debian suite of the kernel.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source cannot be fetched (some 140 MB, the first time).
    BuildError
        If Perl is not installed, or the script fails.
    """
    if shutil.which("perl") is None:
        raise BuildError("perl is not installed")
    script = kernel_files(release, suite=suite) / CHECKPATCH
    files = sorted(path for path in DRIVER.iterdir() if path.suffix in (".c", ".h"))
    # a file of a repository's is taken for source code, even if it is a patch
    said = _run(script, "--file", *files) + _run(script, "-", text=LINUX_PATCH.read_text())
    return "\n".join(line for line in said if _CLEAN not in line)


def _run(script: Path, *words: str | Path, text: str = "") -> list[str]:
    done = subprocess.run(
        ["perl", os.fspath(script), *_WORDS, *(os.fspath(word) for word in words)],
        cwd=DRIVER,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr:
        raise BuildError(f"checkpatch.pl: {done.stderr.strip()}")
    return done.stdout.splitlines()
