# SPDX-License-Identifier: GPL-2.0-or-later
"""Some files of the kernel's source, from Debian's package of it."""

import hashlib
import shutil
import tarfile
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from testbed.packages import apt, debian
from testbed.packages.cache import architecture_folder, cache_folder

__all__ = ["CHECKPATCH", "PRIVCMD", "PRIVCMD_HEADER", "kernel_files", "kernel_tree"]

CHECKPATCH = "scripts/checkpatch.pl"
"""The script that checks the style; the files that it reads are beside it."""

PRIVCMD = ("drivers/xen/privcmd.c", "drivers/xen/privcmd-buf.c", "drivers/xen/privcmd.h")
"""The source of the module ``xen-privcmd``."""

PRIVCMD_HEADER = "include/uapi/xen/privcmd.h"
"""Its interface."""

_FILES = (
    CHECKPATCH, "scripts/spelling.txt", "scripts/const_structs.checkpatch", *PRIVCMD, PRIVCMD_HEADER,
)  # fmt: skip

_TREE = (
    "arch/arm/[!b]*", "arch/arm/boot/[!d]*", "arch/x86/entry/syscalls/syscall_32.tbl", "include/*", "lib/*",
    "scripts/*", "tools/include/*", "*Kconfig*", "Kbuild", "Makefile", "kernel/bounds.c", "kernel/time/timeconst.bc",
)  # fmt: skip
"""What ``make prepare`` and the decompressor of 32-bit Arm need."""


def kernel_files(release: str, *, suite: str | None = None) -> Path:
    """Return a folder with some files of a kernel's source, by their paths in it.

    Parameters
    ----------
    release : str
        The kernel's release, such as ``6.1.0-52-arm64``; its first two numbers name the source package.
    suite : str, optional
        The Debian suite of the kernel.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source cannot be fetched (some 140 MB, the first time), or does not have the files.
    """
    return _fetched(".".join(release.split(".")[:2]), _FILES, suite)


def kernel_tree(version: str, *, suite: str | None = None) -> Path:
    """Return a folder with what of the kernel's source its 32-bit Arm decompressor is built from.

    Parameters
    ----------
    version : str
        The kernel's version, such as ``6.1``.
    suite : str, optional
        The Debian suite of the kernel.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source cannot be fetched (some 140 MB, the first time), or does not have the files.
    """
    return _fetched(version, _TREE, suite)


def _fetched(version: str, patterns: tuple[str, ...], suite: str | None) -> Path:
    digest = hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:8]
    folder = cache_folder() / f"linux-{version}-{digest}"
    if not folder.is_dir():
        architecture = apt.host_architecture()
        name = f"linux-source-{version}"
        package = debian.packages(architecture, [name], suite=suite)[name]
        (archive,) = package.glob("usr/src/*.tar.xz")
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
            unpacked = Path(temporary) / "files"
            _unpack(archive, patterns, unpacked)
            unpacked.replace(folder)
        shutil.rmtree(package)  # only these files are needed
        (architecture_folder(architecture, suite) / "trees" / name).unlink()
    return folder


def _unpack(archive: Path, patterns: tuple[str, ...], folder: Path) -> None:
    missing, named = set(patterns), {each for each in patterns if "*" not in each}
    with tarfile.open(archive, "r|xz") as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            found = {each for each in patterns if fnmatchcase(inside, each)}
            if found and (file := tar.extractfile(member) if member.isfile() else None):
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                (folder / inside).write_bytes(file.read())
                (folder / inside).chmod(0o755 if member.mode & 0o100 else 0o644)
                missing -= found
                if not missing and len(named) == len(patterns):
                    return
    if missing:
        raise apt.FetchError(f"{archive.name}: no file {min(missing)}")
