# SPDX-License-Identifier: GPL-2.0-or-later
"""A program's source, from Debian's source package of it."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from testbed.packages import apt, cache

__all__ = ["upstream_source"]


def upstream_source(package: str, version: str, *, suite: str | None = None) -> Path:
    """Return the folder of a program's source, as upstream released it: Debian's own patches are not applied.

    Parameters
    ----------
    package : str
        Debian's name of the source package, such as ``xen``.
    version : str
        The beginning of its version, such as ``4.17``.
    suite : str, optional
        Debian's suite to take it from, instead of all suites in the sources. Of its source packages of that version,
        the newest one that the server has is taken.

    Raises
    ------
    testbed.packages.apt.FetchError
        If there is none, or it cannot be fetched or unpacked.
    """
    folder = cache.cache_folder() / f"source-{suite}" if suite else cache.cache_folder() / "source"
    target = folder / f"{package}-{version}"
    try:
        with cache.locked(folder):
            if not target.is_dir():
                _fetch(package, version, folder, suite).replace(target)
    except OSError as error:
        raise apt.FetchError(f"{error.filename or folder}: {error.strerror}") from error
    return target


def _fetch(package: str, version: str, folder: Path, suite: str | None) -> Path:
    options = apt.with_sources(folder, suite=suite)
    shown = apt.run("apt-cache", *options, "showsrc", package, check=False).stdout
    versions = sorted(
        set(re.findall(rf"^Version: ({re.escape(version)}[.+-]\S+)$", shown, re.MULTILINE)),
        key=_key,
        reverse=True,
    )
    why = "no such version"
    for each in versions:
        apt.say(f"fetching the source of {package} {each}")
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
            words = ["source", "--download-only", "--only-source", f"{package}={each}"]
            done = apt.run("apt-get", *options, *words, check=False, cwd=Path(temporary))
            # A server may have upstream's archive, which several versions of the package share, and not the rest.
            archives = list(Path(temporary).glob("*.orig.tar.*[!c]"))
            if archives:
                return _unpacked(archives[0], folder / f"{package}.new")
            why = apt.complaint(done)  # a newer version may be announced before the server has it
    raise apt.FetchError(f"the source of {package} {version}: {why}")


def _key(version: str) -> list[tuple[int, str]]:
    """Return a key for sorting: the numbers in a version."""
    return [(int(number), "") for number in re.findall(r"\d+", version)]


def _unpacked(archive: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=target.parent) as scratch:
        apt.run("tar", "--extract", f"--file={archive}", f"--directory={scratch}")
        (tree,) = (Path(entry.path) for entry in os.scandir(scratch))
        return tree.replace(target)
