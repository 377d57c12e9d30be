# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen's source, from Debian's source package."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from testbed.packages import apt, cache

__all__ = ["xen_source"]

_PACKAGE = "xen"


def xen_source(version: str, *, suite: str | None = None) -> Path:
    """Return the folder of Xen's source, as upstream released it: Debian's own patches are not applied.

    Parameters
    ----------
    version : str
        Xen's, such as ``4.17``.
    suite : str, optional
        Debian's suite to take it from, instead of all suites in the sources. Of its source packages of that version,
        the newest one that the server has is taken.

    Raises
    ------
    testbed.packages.apt.FetchError
        If there is none, or it cannot be fetched or unpacked.
    """
    folder = cache.cache_folder() / f"source-{suite}" if suite else cache.cache_folder() / "source"
    target = folder / f"{_PACKAGE}-{version}"
    try:
        with cache.locked(folder):
            if not target.is_dir():
                _fetch(version, folder, suite).replace(target)
    except OSError as error:
        raise apt.FetchError(f"{error.filename or folder}: {error.strerror}") from error
    return target


def _fetch(version: str, folder: Path, suite: str | None) -> Path:
    options = apt.with_sources(folder, suite=suite)
    shown = apt.run("apt-cache", *options, "showsrc", _PACKAGE, check=False).stdout
    versions = sorted(
        set(re.findall(rf"^Version: ({re.escape(version)}\.\S+)$", shown, re.MULTILINE)),
        key=_key,
        reverse=True,
    )
    why = "no such version"
    for each in versions:
        apt.say(f"fetching the source of {_PACKAGE} {each}")
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
            words = ["source", "--download-only", "--only-source", f"{_PACKAGE}={each}"]
            done = apt.run("apt-get", *options, *words, check=False, cwd=Path(temporary))
            if done.returncode == 0:
                return _unpacked(Path(temporary), folder / f"{_PACKAGE}.new")
            why = apt.complaint(done)  # a newer version may be announced before the server has it
    raise apt.FetchError(f"the source of {_PACKAGE} {version}: {why}")


def _key(version: str) -> list[tuple[int, str]]:
    """Return a key for sorting: the numbers in a version."""
    return [(int(number), "") for number in re.findall(r"\d+", version)]


def _unpacked(folder: Path, target: Path) -> Path:
    (archive,) = folder.glob("*.orig.tar.*")
    shutil.rmtree(target, ignore_errors=True)
    scratch = folder / "unpacked"
    scratch.mkdir()
    apt.run("tar", "--extract", f"--file={archive}", f"--directory={scratch}")
    (tree,) = (Path(entry.path) for entry in os.scandir(scratch))
    return tree.replace(target)
