# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints the documentation's verdict tables: every strategy on every host model, for samples and Debian's images.

From a shell, at the top of the tree::

    python -m testbed.verdict_tables u-boot-arm64 edk2-arm64 -- --memory 512M

prints each table between the markers that it has in docs/. Words after ``--`` go to ``coldline matrix``.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from coldline.cli import main as coldline
from coldline.errors import ColdlineError, UsageError
from testbed.packages import debian
from testbed.packages.kernels import kernel, kernel_file, release_of

__all__ = ["GUESTS", "WIDE", "Guest", "arguments_of", "main"]


WIDE = "1000"
"""The columns of a page's table, which has a column for each strategy."""


class Guest(NamedTuple):
    """A guest with a verdict table.

    Attributes
    ----------
    arguments : tuple of str
        The arguments of ``coldline matrix`` other than its image.
    image : callable or None
        Fetches the image, if it has one; returns its path.
    """

    arguments: tuple[str, ...]
    image: Callable[[], Path] | None = None


def _in_package(architecture: str, package: str, path: str) -> Callable[[], Path]:
    return lambda: debian.packages(architecture, [package])[package] / path


def _zimage(flavour: str) -> Callable[[], Path]:
    def fetch() -> Path:
        binary = debian.current_kernel("armhf", flavour).binary
        return kernel_file(debian.packages("armhf", [binary])[binary], release_of(binary))

    return fetch


_AT_ONCE = "--no-order"
"""The findings of these pages do not rest on barriers; what an order adds to them has a section of its own."""

_U_BOOT = (_AT_ONCE, "--until", "console:Hit any key")
_EDK2 = (_AT_ONCE, "--until", "console:UEFI firmware")
_PAST_MMU = (_AT_ONCE, "--until", "3000000")
"""Ends runs soon after the MMU is on, when hazards have shown. On arm32, EDK2 prints its banner before that, and a
zImage's whole boot takes two thousand million instructions."""

GUESTS = MappingProxyType(
    {
        "midway-arm64": Guest(("--sample", "midway-arm64")),
        "midway-arm64-architecture": Guest(("--sample", "midway-arm64", "--core", "architecture")),
        "midway-arm32": Guest(("--sample", "midway-arm32")),
        "debian-arm64": Guest((), kernel),
        "debian-arm64-unstable": Guest((), lambda: kernel(suite="unstable")),
        "debian-armmp": Guest(_PAST_MMU, _zimage("armmp")),
        "debian-armmp-lpae": Guest(_PAST_MMU, _zimage("armmp-lpae")),
        "u-boot-arm64": Guest(
            (*_U_BOOT, "--bios"), _in_package("arm64", "u-boot-qemu", "usr/lib/u-boot/qemu_arm64/u-boot.bin")
        ),
        "u-boot-arm32": Guest(
            (*_U_BOOT, "--bios"),
            _in_package("arm64", "u-boot-qemu", "usr/lib/u-boot/qemu_arm/u-boot.bin"),
        ),
        "edk2-arm64": Guest(
            (*_EDK2, "--bios"),
            _in_package("arm64", "qemu-efi-aarch64", "usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
        ),
        "edk2-arm32": Guest(
            (*_PAST_MMU, "--bios"),
            _in_package("armhf", "qemu-efi-arm", "usr/share/AAVMF/AAVMF32_CODE.fd"),
        ),
    }
)
"""Every guest, by the name of its table."""


def arguments_of(name: str) -> list[str]:
    """Return the arguments of `coldline` for a guest, after fetching its image.

    Raises
    ------
    UsageError
        If there is no such guest.
    FetchError
        If its image could not be fetched.
    """
    if name not in GUESTS:
        raise UsageError(f"no table is called {name!r}; choose from: {', '.join(GUESTS)}")
    guest = GUESTS[name]
    return [*guest.arguments, *([str(guest.image())] if guest.image else [])]


def main(arguments: list[str]) -> int:
    """Print tables; return the exit status."""
    names, more = arguments, []
    if "--" in arguments:
        at = arguments.index("--")
        names, more = arguments[:at], arguments[at + 1 :]
    try:
        for name in names:
            told = arguments_of(name)
            print(f"<!-- generated: matrix {name} -->", flush=True)
            os.environ["COLUMNS"] = WIDE
            status = coldline(["matrix", *told, *more])
            print("<!-- end -->", flush=True)
            if status:
                return status
    except ColdlineError as error:
        print(f"testbed.verdict_tables: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
