# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot for QEMU's machine ``virt``, built from source: its image, and its linked file with symbols and lines."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from testbed.builds.modules import BuildError
from testbed.packages import cache
from testbed.packages.upstream_source import upstream_source

__all__ = ["VERSION", "UBoot", "u_boot"]

VERSION = "2025.01"
SUITE = "trixie"
"""Debian 13 has this version; the source package of Debian 12's is not on each server."""

_CROSS = "CROSS_COMPILE=aarch64-linux-gnu-"


class UBoot(NamedTuple):
    """A build of U-Boot.

    Attributes
    ----------
    image : Path
        ``u-boot.bin``.
    linked : Path
        ``u-boot``, with DWARF.
    source : Path
        The folder of its source, as the lines name it.
    """

    image: Path
    linked: Path
    source: Path


def u_boot() -> UBoot:
    """Return U-Boot for arm64 (``qemu_arm64_defconfig``); it is built unless it was before, in some two minutes.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source cannot be fetched.
    BuildError
        If it cannot be built.
    """
    source = upstream_source("u-boot", VERSION, suite=SUITE)
    folder = cache.cache_folder() / f"u-boot-{VERSION}"
    with cache.locked(cache.cache_folder()):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
                built = Path(temporary) / "built"
                _make(source, built, "qemu_arm64_defconfig")
                _make(source, built, f"-j{len(os.sched_getaffinity(0))}", "u-boot.bin")
                kept = Path(temporary) / "kept"
                kept.mkdir()
                for name in ("u-boot.bin", "u-boot"):
                    shutil.copy2(built / name, kept)
                kept.replace(folder)
    return UBoot(folder / "u-boot.bin", folder / "u-boot", source)


def _make(source: Path, built: Path, *words: str) -> None:
    command = ["make", "-s", "-C", str(source), f"O={built}", _CROSS, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"make: {error.strerror}") from error
    if done.returncode:
        raise BuildError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
