# SPDX-License-Identifier: GPL-2.0-or-later
"""Where Debian's installer for network boot is: a kernel of Linux, and the initrd that belongs to it.

The text installer is run. The graphical one of arm64 has the same kernel, and more in its initrd.
"""

import re
from pathlib import Path
from typing import Final

__all__ = ["INSTALLER", "kernel_and_initrd"]

INSTALLER: Final = re.compile(r"debian-installer-\d+-netboot-(arm64|armhf)")
"""The names of packages, which every architecture's lists have, with the architecture of the installer."""

_KERNELS: Final = ("linux", "vmlinuz")


def kernel_and_initrd(tree: Path) -> tuple[Path, Path] | None:
    """Return the kernel and the initrd of the text installer in a package; None if it has none."""
    for kernel in sorted(tree.glob("usr/lib/debian-installer/images/*/*/text/debian-installer/*/*")):
        initrd = kernel.with_name("initrd.gz")
        if kernel.name in _KERNELS and initrd.is_file():
            return kernel, initrd
    return None
