# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache folder for fetched packages, which several processes may use at the same time.

It is ``.cache/debian`` at the top of the tree; ``COLDLINE_CACHE`` names another folder instead of ``.cache``.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coldline.errors import UsageError

__all__ = ["architecture_folder", "cache_folder", "locked", "write"]


def cache_folder() -> Path:
    """Return the cache folder, which need not exist yet."""
    root = os.environ.get("COLDLINE_CACHE") or Path(__file__).resolve().parents[2] / ".cache"
    return Path(root).absolute() / "debian"


def architecture_folder(architecture: str, suite: str | None) -> Path:
    """Return the folder of an architecture's packages, from one suite or from all in the apt sources.

    Raises
    ------
    UsageError
        If the suite's name is invalid.
    """
    if suite and not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise UsageError(f"invalid name of a Debian suite: {suite!r}")
    return cache_folder() / (f"{architecture}-{suite}" if suite else architecture)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` against other processes; it is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Write a file atomically: a reader sees all of it or nothing."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text)
    scratch.replace(path)
