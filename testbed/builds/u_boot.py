# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot for QEMU's machine ``virt``, built from source: its image, and its linked file with symbols and lines."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from testbed.builds.building import kept_build, run_build
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

    def build(folder: Path, kept: Path) -> None:
        make = ("make", "-s", "-C", str(source), f"O={folder}", _CROSS)
        run_build((*make, "qemu_arm64_defconfig"), folder)
        run_build((*make, f"-j{len(os.sched_getaffinity(0))}", "u-boot.bin"), folder)
        for name in ("u-boot.bin", "u-boot"):
            shutil.copy2(folder / name, kept)

    folder = kept_build(f"u-boot-{VERSION}", build)
    return UBoot(folder / "u-boot.bin", folder / "u-boot", source)
