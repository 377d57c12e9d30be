# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of Debian's packages for other architectures, fetched with this host's own apt and never installed.

From a shell, at the top of the tree::

    python -m testbed.packages.debian kernel arm64

prints the path of Debian's current arm64 kernel (`kernels`), fetching it the first time. `current_kernel` says which
packages have a kernel and its modules. `packages` gives whole packages, unpacked. `cache` says where they are kept,
`apt` where they come from.
"""

import argparse
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from coldline.errors import ColdlineError
from testbed.packages import apt, cache
from testbed.packages.kernels import ARCHITECTURES, BINARY_PACKAGE, kernel

__all__ = [
    "KernelPackages",
    "MissingError",
    "current",
    "current_kernel",
    "dependencies",
    "digest_of",
    "main",
    "packages",
]


class MissingError(apt.FetchError):
    """A package does not exist."""


class KernelPackages(NamedTuple):
    """The packages of one kernel, by name.

    Attributes
    ----------
    image : str
        ``linux-image-RELEASE``, which an installation asks for.
    binary, modules : str
        The packages with the kernel and with its modules: `image` itself, or two that it depends on.
    """

    image: str
    binary: str
    modules: str


def current(
    architecture: str, meta_package: str, pattern: str, *, suite: str | None = None, refresh: bool = False
) -> str:
    """Return the package that a meta-package currently depends on, such as the latest kernel.

    An earlier result is returned without using the network, unless `refresh`.

    Parameters
    ----------
    architecture : str
        Debian's name of it.
    meta_package : str
        The meta-package, such as ``linux-image-arm64``.
    pattern : str
        A regular expression that the whole name of the wanted package matches.
    suite : str, optional
        Debian's suite to search, instead of all suites in the sources.
    refresh : bool
        Ask the package servers again.

    Raises
    ------
    MissingError
        If the suite, or the apt sources, have no such meta-package, or it depends on nothing that matches.
    testbed.packages.apt.FetchError
        If it cannot be fetched.
    """
    folder = cache.architecture_folder(architecture, suite)
    with cache.locked(folder):
        record = folder / f"{meta_package}.current"
        if not refresh and record.is_file():
            return record.read_text()
        options = apt.updated(architecture, folder, suite=suite, refresh=refresh)
        depends = apt.run("apt-cache", *options, "depends", "--important", meta_package, check=False)
        found = re.search(rf"^[ |]*(?:Pre)?Depends: ({pattern})$", depends.stdout, re.MULTILINE)
        if found is None:
            where = f"{suite} has" if suite else "the apt sources have"
            raise MissingError(f"{meta_package} ({architecture}): {where} no suitable package")
        cache.write(record, found[1])
        return found[1]


def current_kernel(
    architecture: str, flavour: str, *, suite: str | None = None, refresh: bool = False
) -> KernelPackages:
    """Return the packages of Debian's current kernel of a flavour, such as ``armmp-lpae``.

    The other parameters and the errors are those of `current`.
    """
    image = current(
        architecture, f"linux-image-{flavour}", rf"linux-image-\d\S*-{flavour}", suite=suite, refresh=refresh
    )
    try:
        binary = current(architecture, image, BINARY_PACKAGE, suite=suite)
    except MissingError:
        return KernelPackages(image, image, image)
    return KernelPackages(image, binary, binary.replace("linux-binary-", "linux-modules-", 1))


def dependencies(
    architecture: str,
    names: Iterable[str],
    *,
    there: Iterable[str] = (),
    suite: str | None = None,
    refresh: bool = False,
) -> list[str]:
    """Return packages with all their dependencies, as an installation would have; of alternatives the first.

    Parameters
    ----------
    architecture : str
        Debian's name of it.
    names : iterable of str
        The packages.
    there : iterable of str
        Packages that are installed already: they and their dependencies are left out.
    suite : str, optional
        Debian's suite to search, instead of all suites in the sources.
    refresh : bool
        Ask the package servers again. Otherwise they are asked only the first time.

    Raises
    ------
    MissingError
        If there is no such package.
    testbed.packages.apt.FetchError
        If the servers do not answer.
    """
    folder = cache.architecture_folder(architecture, suite)
    with cache.locked(folder):
        options = apt.updated(architecture, folder, suite=suite, refresh=refresh)
        told = apt.run(
            "apt-cache", *options, "depends", "--recurse", "--important", *names, check=False
        ).stdout
    needs: dict[str, list[str]] = {}
    package, alternative = "", False
    for line in told.splitlines():
        if not line.startswith(" "):
            package, alternative = line, False
            needs[package] = []
        elif found := re.match(r" ([ |])(?:Pre)?Depends: (\S+)$", line):
            if not alternative:
                needs[package].append(found[2])
            alternative = found[1] == "|"
    missing = [name for name in names if name not in needs]
    if missing:
        raise MissingError(f"{missing[0]} ({architecture}): no such package")
    installed = frozenset(there)
    found_so_far: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found_so_far and name not in installed and not name.startswith("<"):
            found_so_far[name] = None
            waiting += needs.get(name, [])
    return list(found_so_far)


def packages(
    architecture: str, names: Iterable[str], *, suite: str | None = None, refresh: bool = False
) -> dict[str, Path]:
    """Return the folder of each package, unpacked by ``dpkg -x`` and not installed.

    Parameters
    ----------
    architecture : str
        Debian's name of it; packages for every architecture are found under each.
    names : iterable of str
        The packages, without their dependencies. An item can be alternatives, as in Debian's dependencies
        (``libssl3 | libssl3t64``): the first existing one is used, and its key in the result is the whole item.
    suite : str, optional
        Debian's suite to take them from, instead of all suites in the sources.
    refresh : bool
        Ask the package servers for newer ones. Otherwise packages that were fetched before are returned without
        using the network.

    Raises
    ------
    testbed.packages.apt.FetchError
        If there is no such package, or one could not be fetched or unpacked.
    """
    wanted = {name: name.split(" | ") for name in sorted(set(names))}
    folder = cache.architecture_folder(architecture, suite)
    try:
        with cache.locked(folder):
            trees = folder / "trees"
            trees.mkdir(exist_ok=True)
            missing = [
                alternatives
                for alternatives in wanted.values()
                if refresh or not any((trees / name).is_symlink() for name in alternatives)
            ]
            if missing:
                _fetch_packages(architecture, missing, folder, suite=suite, refresh=refresh)
            there = {
                name: next(path for each in alternatives if (path := trees / each).is_symlink())
                for name, alternatives in wanted.items()
            }
            return {name: path.resolve(strict=True) for name, path in there.items()}
    except OSError as error:
        raise apt.FetchError(f"{error.filename or folder}: {error.strerror}") from error


def _fetch_packages(
    architecture: str, wanted: list[list[str]], folder: Path, *, suite: str | None, refresh: bool
) -> None:
    """Fetch and unpack packages; each name becomes a link to a folder with the version in its name."""
    options = apt.updated(architecture, folder, suite=suite, refresh=refresh)
    names = [_available(alternatives, options) for alternatives in wanted]
    trees = folder / "trees"
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        apt.say(f"fetching {len(names)} packages ({architecture})")
        apt.run("apt-get", *options, "download", *names, cwd=scratch)
        archives = {archive.name.partition("_")[0]: archive for archive in scratch.glob("*.deb")}
        for name in names:
            if name not in archives:
                raise apt.FetchError(f"{name} ({architecture}): apt fetched no such package")
            target = trees / archives[name].stem
            if not target.is_dir():
                unpacked = scratch / name
                apt.run("dpkg-deb", "--extract", os.fspath(archives[name]), os.fspath(unpacked))
                with archives[name].open("rb") as archive:
                    cache.write(_digest_file(target), hashlib.file_digest(archive, "sha256").hexdigest())
                unpacked.replace(target)
            archives[name].unlink()
            link = scratch / "link"
            link.symlink_to(target.name)
            link.replace(trees / name)


def digest_of(tree: Path) -> str:
    """Return the SHA-256 of the package whose folder `packages` returned; empty if it was not kept."""
    try:
        return _digest_file(tree).read_text()
    except FileNotFoundError:
        return ""


def _digest_file(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.sha256")


def _available(alternatives: list[str], options: list[str]) -> str:
    """Return the first package that exists, or the first of all."""
    if len(alternatives) > 1:
        shown = apt.run("apt-cache", *options, "show", "--no-all-versions", *alternatives, check=False)
        there = set(re.findall(r"^Package: (\S+)$", shown.stdout, re.MULTILINE))
        return next((name for name in alternatives if name in there), alternatives[0])
    return alternatives[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.packages.debian", description="Fetch files of Debian's packages."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    kernel_parser = commands.add_parser("kernel", help="print the path of Debian's current kernel")
    kernel_parser.add_argument("architecture", nargs="?", default="arm64", choices=ARCHITECTURES)
    kernel_parser.add_argument("--suite", help="Debian's suite, such as unstable")
    kernel_parser.add_argument("--refresh", action="store_true", help="look for a newer one")
    options = parser.parse_args(arguments)
    try:
        print(kernel(options.architecture, suite=options.suite, refresh=options.refresh))
    except ColdlineError as error:
        apt.say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
