# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's current kernels, extracted from their packages."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from coldline.errors import UsageError
from testbed import apt, cache

__all__ = ["ARCHITECTURES", "META_PACKAGES", "kernel"]

META_PACKAGES = {
    # Debian's name first, then Ubuntu's
    "arm64": ("linux-image-arm64", "linux-image-generic"),
    "armhf": ("linux-image-armmp-lpae", "linux-image-generic-lpae"),
}
ARCHITECTURES = tuple(META_PACKAGES)
"""The architectures with kernels."""

_KERNEL_PACKAGE = re.compile(r"^ *Depends: (linux-image-\d\S*)$", re.MULTILINE)


def kernel(architecture: str = "arm64", *, refresh: bool = False) -> Path:
    """Return Debian's current kernel for an architecture, in the package's format (arm64: an Image).

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`, by Debian's name.
    refresh : bool
        Ask the package servers for a newer one. Otherwise a kernel that was fetched before is returned without using
        the network.

    Raises
    ------
    UsageError
        If the architecture is not one of `ARCHITECTURES`.
    testbed.apt.FetchError
        If there is no such package, or it could not be fetched.
    """
    if architecture not in META_PACKAGES:
        raise UsageError(f"no kernel for {architecture!r}; choose from: {', '.join(ARCHITECTURES)}")
    folder = cache.cache_folder() / architecture
    if not refresh and (cached := _current(folder)):
        return cached
    try:
        with cache.locked(folder):
            # another process may have fetched it while this one waited
            if not refresh and (cached := _current(folder)):
                return cached
            return _fetch_kernel(architecture, folder)
    except OSError as error:
        raise apt.FetchError(f"{error.filename or folder}: {error.strerror}") from error


def _current(folder: Path) -> Path | None:
    link = folder / "current"
    return link.resolve() if link.is_file() else None


def _fetch_kernel(architecture: str, folder: Path) -> Path:
    options = apt.options(architecture, folder)
    # A source without this architecture only makes the update fail.
    update = apt.run("apt-get", *options, "update", check=False)
    package = _find_kernel_package(architecture, options, update)
    target = folder / package.replace("linux-image-", "vmlinuz-", 1)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        if not target.is_file():
            apt.say(f"fetching {package} ({architecture})")
            apt.run("apt-get", *options, "download", package, cwd=scratch)
            (archive,) = scratch.glob("*.deb")
            unpacked = scratch / "vmlinuz"
            _unpack(archive, f"boot/{target.name}", unpacked)
            unpacked.replace(target)
        link = scratch / "current"
        link.symlink_to(target.name)
        link.replace(folder / "current")
    return target


def _find_kernel_package(
    architecture: str, options: list[str], update: subprocess.CompletedProcess[str]
) -> str:
    """Find the package that the architecture's meta-package currently depends on."""
    names = META_PACKAGES[architecture]
    for name in names:
        depends = apt.run("apt-cache", *options, "depends", "--important", name, check=False)
        if found := _KERNEL_PACKAGE.search(depends.stdout):
            return found[1]
    why = f" ({apt.complaint(update)})" if update.returncode else ""
    raise apt.FetchError(
        f"the apt sources have neither {' nor '.join(names)} for {architecture}{why}; "
        "COLDLINE_APT_SOURCES can name a file of sources that do"
    )


def _unpack(archive: Path, member: str, target: Path) -> None:
    """Write one regular file of a Debian package to `target`."""
    command = ["dpkg-deb", "--fsys-tarfile", os.fspath(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                for entry in tar:
                    if entry.isfile() and entry.name.removeprefix("./") == member:
                        source = tar.extractfile(entry)
                        assert source is not None
                        with target.open("wb") as file:
                            shutil.copyfileobj(source, file, 1 << 20)
                        return
        except (tarfile.TarError, EOFError) as error:
            raise apt.FetchError(f"{archive.name}: damaged: {error}") from error
        finally:
            process.kill()
    raise apt.FetchError(f"{archive.name}: no file {member}")
