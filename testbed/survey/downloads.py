# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells which packages a survey will fetch, before it fetches them, one after another."""

import re
from collections.abc import Iterable

from testbed.packages import apt, cache

__all__ = ["packages_to_fetch", "sizes_of"]

_RECORD = re.compile(r"^Package: (\S+)$|^Size: (\d+)$", re.MULTILINE)


def packages_to_fetch(suite: str, architecture: str, names: Iterable[str]) -> dict[str, int]:
    """Return those of a suite's packages that are not there yet, and the bytes of each.

    Raises
    ------
    testbed.packages.apt.FetchError
        The package servers do not answer.
    """
    folder = cache.architecture_folder(architecture, suite)
    with cache.locked(folder):
        missing = [name for name in names if not (folder / "trees" / name).is_symlink()]
        if not missing:
            return {}
        options = apt.updated(architecture, folder, suite=suite, refresh=False)
        shown = apt.run("apt-cache", *options, "show", "--no-all-versions", *missing, check=False).stdout
    return {name: bytes_ for name, bytes_ in sizes_of(shown).items() if name in missing}


def sizes_of(shown: str) -> dict[str, int]:
    """Return the bytes of each package that ``apt-cache show`` tells of."""
    sizes: dict[str, int] = {}
    name = ""
    for found in _RECORD.finditer(shown):
        if found[1]:
            name = found[1]
        else:
            sizes[name] = int(found[2])
    return sizes
