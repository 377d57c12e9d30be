# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder that keeps what was fetched, and what is written there for several processes at once.

It is ``.cache/debian`` at the top of the tree; ``COLDLINE_CACHE`` names another folder in place of ``.cache``.
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
    """Return the folder that keeps what was fetched; it need not exist yet."""
    root = os.environ.get("COLDLINE_CACHE") or Path(__file__).resolve().parent.parent / ".cache"
    return Path(root).absolute() / "debian"


def architecture_folder(architecture: str, suite: str | None) -> Path:
    """Return the folder of an architecture's packages, of one suite or of all that the apt sources name.

    Raises
    ------
    UsageError
        If that is no name of a suite.
    """
    if suite and not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise UsageError(f"{suite!r} is no name of a suite of Debian's")
    return cache_folder() / (f"{architecture}-{suite}" if suite else architecture)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes, making it if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Write a file so that whoever reads it sees all of it or none."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.write_text(text)
    scratch.replace(path)
