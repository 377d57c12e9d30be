# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs programs for this host's architecture from another Debian release, with that release's C library.

A program that is built for a later C library than the host's does not start directly. The other release's loader
starts it, with that release's libraries; nothing is installed.
"""

import os
import subprocess
import sys
from pathlib import Path

from testbed.packages import apt, debian

__all__ = ["can_run", "python", "with_libraries"]

_COMPLAINT = "version `GLIBC_"  # of the loader, about what its own C library lacks


def can_run(program: Path) -> bool:
    """Return whether the host's C library is new enough for a file; true if it is not a program for this host."""
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return True
    # the loader then lists the libraries and starts nothing: ld.so(8)
    done = subprocess.run(
        [os.fspath(program)],
        env={**os.environ, "LC_ALL": "C", "LD_TRACE_LOADED_OBJECTS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return _COMPLAINT not in done.stdout + done.stderr


def with_libraries(program: Path, suite: str | None, *libraries: str) -> list[str]:
    """Return the command that starts a program of another release.

    Parameters
    ----------
    program : Path
        The program.
    suite : str, optional
        Debian's suite that it is from; by default any in the sources.
    *libraries : str
        The packages that it needs in addition to ``libc6``.

    Raises
    ------
    testbed.packages.apt.FetchError
        If a library cannot be fetched.
    """
    trees = debian.packages(apt.host_architecture(), ["libc6", *libraries], suite=suite)
    loader = min(trees["libc6"].rglob("ld-linux*.so.*"))
    folders = sorted({os.fspath(path.parent) for tree in trees.values() for path in tree.rglob("lib*.so.*")})
    return [os.fspath(loader), "--library-path", ":".join(folders), os.fspath(program)]


def python(name: str, suite: str | None) -> list[str]:
    """Return the command that starts a Python of some version: this one if it has that version, else Debian's.

    Parameters
    ----------
    name : str
        ``python3.13``.
    suite : str, optional
        Debian's suite to take it from; by default any in the sources.

    Raises
    ------
    testbed.packages.apt.FetchError
        If it cannot be fetched.
    """
    if name == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return [sys.executable]
    parts = (f"{name}-minimal", f"lib{name}-minimal", f"lib{name}-stdlib")
    trees = debian.packages(apt.host_architecture(), parts, suite=suite)
    program, minimal, rest = (trees[part] for part in parts)
    library = rest / "usr/lib" / name
    return [
        "env",
        f"PYTHONHOME={minimal / 'usr'}",
        f"PYTHONPATH={library}:{library / 'lib-dynload'}",
        *with_libraries(program / "usr/bin" / name, suite, "zlib1g", "libexpat1"),
    ]
