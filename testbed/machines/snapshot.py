# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of booted machines: restoring one takes a second, booting takes many.

A snapshot's name is a digest of everything that the machine was made of, so a snapshot that is found always fits. It
is written under another name and renamed when it is complete, so an incomplete one is never found.
"""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from coldline.errors import ColdlineError
from testbed.packages.cache import cache_folder

__all__ = ["SUFFIX", "SnapshotError", "prune", "snapshot_path"]

SUFFIX = ".snapshot"
_KEPT = 4  # snapshots of an architecture, of some 300 MB each


class SnapshotError(ColdlineError):
    """A file that a snapshot depends on cannot be read."""


def snapshot_path(program: str, words: Iterable[str], files: Iterable[Path], folder: str) -> Path:
    """Return the path of a machine's snapshot, which need not exist yet.

    Parameters
    ----------
    program : str
        QEMU's name: its version is part of the digest.
    words : iterable of str
        Its arguments, apart from paths.
    files : iterable of Path
        The files that it loads: their content is part of the digest.
    folder : str
        The architecture's folder.

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
        raise SnapshotError(f"a file of the snapshot's key cannot be read: {error}") from error
    target = cache_folder().parent / "testbed" / "snapshots" / folder
    target.mkdir(parents=True, exist_ok=True)
    return target / (digest.hexdigest()[:16] + SUFFIX)


def prune(folder: Path) -> None:
    """Remove all but the latest snapshots of a folder, and the remains of unfinished ones."""
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
    """Return whether the process still exists whose number is in a file's name."""
    pid = path.name.rpartition(".")[2]
    return pid.isdecimal() and os.path.isdir(f"/proc/{pid}")
