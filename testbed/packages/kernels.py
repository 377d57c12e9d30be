# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's current kernels, extracted from their packages.

Up to Debian 13 a kernel is ``boot/vmlinuz-RELEASE`` of ``linux-image-RELEASE``. In unstable that package is empty: it
depends on ``linux-binary-RELEASE``, which has ``usr/lib/modules/RELEASE/vmlinuz`` (linux 7.2.13-1).
"""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from coldline.errors import UsageError
from testbed.packages import apt, cache

__all__ = ["ARCHITECTURES", "BINARY_PACKAGE", "META_PACKAGES", "kernel", "kernel_file", "release_of"]

META_PACKAGES = {
    # Debian's name first, then Ubuntu's
    "arm64": ("linux-image-arm64", "linux-image-generic"),
    "armhf": ("linux-image-armmp-lpae", "linux-image-generic-lpae"),
}
ARCHITECTURES = tuple(META_PACKAGES)
"""The architectures with kernels."""

BINARY_PACKAGE = r"linux-binary-\d\S*"
"""A regular expression for the package that has the kernel, if ``linux-image-RELEASE`` depends on one."""

_KERNEL_PACKAGE = re.compile(r"^ *Depends: (linux-image-\d\S*)$", re.MULTILINE)
_BINARY_PACKAGE = re.compile(rf"^ *Depends: ({BINARY_PACKAGE})$", re.MULTILINE)


def release_of(package: str) -> str:
    """Return the kernel's release in the name of its package: ``6.1.0-52-arm64``."""
    return re.sub("^linux-(image|binary)-", "", package)


def kernel_file(package: Path, release: str) -> Path:
    """Return the kernel in the folder of its unpacked package.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the package has no kernel of that release.
    """
    for path in _kernel_paths(release):
        if (package / path).is_file():
            return package / path
    raise apt.FetchError(f"{package}: no file {' nor '.join(_kernel_paths(release))}")


def _kernel_paths(release: str) -> tuple[str, ...]:
    """Return the places of a kernel in its package, relative to the package's root."""
    return (f"boot/vmlinuz-{release}", f"usr/lib/modules/{release}/vmlinuz")


def kernel(architecture: str = "arm64", *, suite: str | None = None, refresh: bool = False) -> Path:
    """Return Debian's current kernel for an architecture, in the package's format (arm64: an Image).

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, by Debian's name.
    suite : str, optional
        Debian's suite, such as ``unstable``; by default those of the apt sources.
    refresh : bool
        Ask the package servers for a newer one. Otherwise a kernel that was fetched before is returned without using
        the network.

    Raises
    ------
    UsageError
        If the architecture is not one of `ARCHITECTURES`, or the suite's name is invalid.
    testbed.packages.apt.FetchError
        If there is no such package, or it could not be fetched.
    """
    if architecture not in META_PACKAGES:
        raise UsageError(f"no kernel for {architecture!r}; choose from: {', '.join(ARCHITECTURES)}")
    folder = cache.architecture_folder(architecture, suite)
    if not refresh and (cached := _current(folder)):
        return cached
    try:
        with cache.locked(folder):
            # another process may have fetched it while this one waited
            if not refresh and (cached := _current(folder)):
                return cached
            return _fetch_kernel(architecture, folder, suite)
    except OSError as error:
        raise apt.FetchError(f"{error.filename or folder}: {error.strerror}") from error


def _current(folder: Path) -> Path | None:
    link = folder / "current"
    return link.resolve() if link.is_file() else None


def _fetch_kernel(architecture: str, folder: Path, suite: str | None) -> Path:
    if suite:
        options, why = apt.updated(architecture, folder, suite=suite, refresh=True), ""
    else:
        options = apt.options(architecture, folder)
        # A source without this architecture only makes the update fail.
        update = apt.run("apt-get", *options, "update", check=False)
        why = f" ({apt.complaint(update)})" if update.returncode else ""
    package = _find_kernel_package(architecture, options, suite, why)
    release = release_of(package)
    target = folder / f"vmlinuz-{release}"
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        if not target.is_file():
            apt.say(f"fetching {package} ({architecture})")
            apt.run("apt-get", *options, "download", package, cwd=scratch)
            (archive,) = scratch.glob("*.deb")
            unpacked = scratch / "vmlinuz"
            _unpack(archive, _kernel_paths(release), unpacked)
            unpacked.replace(target)
        link = scratch / "current"
        link.symlink_to(target.name)
        link.replace(folder / "current")
    return target


def _find_kernel_package(architecture: str, options: list[str], suite: str | None, why: str) -> str:
    """Find the package with the kernel that the architecture's meta-package currently depends on."""

    def dependency(name: str, wanted: re.Pattern[str]) -> str | None:
        depends = apt.run("apt-cache", *options, "depends", "--important", name, check=False)
        found = wanted.search(depends.stdout)
        return found and found[1]

    names = META_PACKAGES[architecture]
    for name in names:
        if package := dependency(name, _KERNEL_PACKAGE):
            return dependency(package, _BINARY_PACKAGE) or package
    where = f"{suite} has" if suite else "the apt sources have"
    raise apt.FetchError(
        f"{where} neither {' nor '.join(names)} for {architecture}{why}; "
        "COLDLINE_APT_SOURCES can name a file of sources that do"
    )


def _unpack(archive: Path, members: tuple[str, ...], target: Path) -> None:
    """Write one regular file of a Debian package, the first that is one of `members`, to `target`."""
    command = ["dpkg-deb", "--fsys-tarfile", os.fspath(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for entry in tar:
                    if entry.isfile() and entry.name.removeprefix("./") in members:
                        source = tar.extractfile(entry)
                        assert source is not None
                        with target.open("wb") as file:
                            shutil.copyfileobj(source, file, 1 << 20)
                        return
        except (tarfile.TarError, EOFError) as error:
            raise apt.FetchError(f"{archive.name}: damaged: {error}") from error
        finally:
            process.kill()
    raise apt.FetchError(f"{archive.name}: no file {' nor '.join(members)}")
