# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines as they were when dom0 had booted, kept in files: booting anew takes seconds, to go on from there one.

A snapshot belongs to what went into the machine, byte for byte; one that is found is one that fits. It is written
under another name and renamed when it is whole, so that one whose writing was interrupted is never found.
"""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from coldline.errors import ColdlineError
from testbed.cache import cache_folder

__all__ = ["SUFFIX", "SnapshotError", "prune", "snapshot_path"]

SUFFIX = ".snapshot"
_KEPT = 4  # of an architecture: some 300 MB each


class SnapshotError(ColdlineError):
    """What belongs to a snapshot cannot be read."""


def snapshot_path(program: str, words: Iterable[str], files: Iterable[Path], folder: str) -> Path:
    """Return where the snapshot of a machine is, or has to be written.

    Parameters
    ----------
    program : str
        QEMU's name: its version is part of what went in.
    words : iterable of str
        Its arguments, apart from paths.
    files : iterable of Path
        The files that it loads: their content is part of what went in.
    folder : str
        The architecture's.

    Raises
    ------
    SnapshotError
        If a file cannot be read, or QEMU not be run.
    """
    digest = hashlib.sha256()
    try:
        done = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        digest.update("\0".join((done.stdout.partition("\n")[0], *words)).encode())
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except (OSError, subprocess.CalledProcessError) as error:
        raise SnapshotError(f"a snapshot cannot be named: {error}") from error
    target = cache_folder().parent / "testbed" / "snapshots" / folder
    target.mkdir(parents=True, exist_ok=True)
    return target / (digest.hexdigest()[:16] + SUFFIX)


def prune(folder: Path) -> None:
    """Remove all but the latest snapshots of a folder, and what was left of those that were never finished."""
    by_age = sorted(folder.iterdir(), key=_age)
    whole = [path for path in by_age if path.suffix == SUFFIX]
    unfinished = [path for path in by_age if path.suffix != SUFFIX and not _is_alive(path)]
    for path in (*unfinished, *whole[:-_KEPT]):
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _is_alive(path: Path) -> bool:
    """Whether the process is there that a file is named after."""
    pid = path.name.rpartition(".")[2]
    return pid.isdecimal() and os.path.isdir(f"/proc/{pid}")
