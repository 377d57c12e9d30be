# SPDX-License-Identifier: GPL-2.0-or-later
"""The decompressor of a 32-bit Arm zImage, built from Debian's kernel source around Debian's own kernel.

A whole kernel takes long to build. So the file ``vmlinux`` that the decompressor is built from is Debian's kernel,
unpacked, with a BSS; the rest of the build is Linux's own.
"""

import lzma
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from testbed.builds.building import kept_build, run_build
from testbed.builds.kernel_source import kernel_tree
from testbed.builds.modules import BuildError
from testbed.packages.kernels import kernel

__all__ = ["Decompressor", "decompressor"]

VERSION = "6.1"

_CROSS = "arm-linux-gnueabihf-"
_XZ = b"\xfd7zXZ\0"

_CONFIG = """\
CONFIG_MMU=y
CONFIG_ARCH_MULTIPLATFORM=y
CONFIG_ARCH_MULTI_V7=y
CONFIG_ARCH_VIRT=y
CONFIG_ARCH_MESON=y
CONFIG_AEABI=y
CONFIG_ARM_PATCH_PHYS_VIRT=y
CONFIG_AUTO_ZRELADDR=y
CONFIG_USE_OF=y
CONFIG_ARM_APPENDED_DTB=y
CONFIG_ARM_ATAG_DTB_COMPAT=y
CONFIG_CC_OPTIMIZE_FOR_PERFORMANCE=y
CONFIG_KERNEL_GZIP=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DEBUG_INFO_DWARF5=y
"""
"""What concerns the decompressor, as Debian's armmp has it. But gzip is quicker to build with than xz."""

_VMLINUX = """\
.text
.global _stext
_stext: .incbin "Image"
.bss
.global __bss_start, __bss_stop
__bss_start: .space 0x80000
__bss_stop:
"""

_MAKEFILE = """\
ifeq ($(sub_make_done),1)
decompressor: prepare
	$(Q)$(MAKE) $(build)=arch/arm/boot arch/arm/boot/zImage
endif
"""
"""A target of the kernel's Makefile, without the target ``vmlinux`` that its own ``zImage`` needs."""


class Decompressor(NamedTuple):
    """A build of the decompressor.

    Attributes
    ----------
    image : Path
        ``zImage``.
    linked : Path
        ``arch/arm/boot/compressed/vmlinux``, with DWARF.
    source : Path
        The folder of its source, as the lines name it.
    """

    image: Path
    linked: Path
    source: Path


def decompressor() -> Decompressor:
    """Return the decompressor; it is built unless it was before, in a minute of a processor.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source or the kernel cannot be fetched.
    BuildError
        If it cannot be built.
    """
    source = kernel_tree(VERSION)
    unpacks = kernel("armhf")

    def build(folder: Path, kept: Path) -> None:
        boot = _build(source, unpacks, folder)
        shutil.copy2(boot / "zImage", kept)
        shutil.copy2(boot / "compressed/vmlinux", kept)

    folder = kept_build(f"decompressor-{source.name}", build)
    return Decompressor(folder / "zImage", folder / "vmlinux", source)


def _build(source: Path, unpacks: Path, folder: Path) -> Path:
    """Build in a folder, and return the folder of what was built."""
    built = folder / "built"
    built.mkdir()
    (folder / "config").write_text(_CONFIG)
    (folder / "decompressor.mk").write_text(_MAKEFILE)
    (folder / "Image").write_bytes(_unpacked(unpacks))
    (folder / "vmlinux.S").write_text(_VMLINUX)
    linking = "-Wl,-Ttext=0xc0208000,--build-id=none,-e,_stext,-n"
    run_build((f"{_CROSS}gcc", "-nostdlib", "-static", linking, "-o", "built/vmlinux", "vmlinux.S"), folder)
    make = ("make", "-s", "-C", str(source), f"O={built}", "ARCH=arm", f"CROSS_COMPILE={_CROSS}")
    own = {"KCONFIG_ALLCONFIG": str(folder / "config"), "MAKEFILES": str(folder / "decompressor.mk")}
    environment = {**os.environ, **own}
    run_build((*make, "allnoconfig"), folder, environment)
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    run_build((*make, jobs, "decompressor"), folder, environment)
    return built / "arch/arm/boot"


def _unpacked(zimage: Path) -> bytes:
    """The kernel in a zImage: it is the last xz stream, as the decompressor itself has the magic number, too."""
    data = zimage.read_bytes()
    try:
        return lzma.LZMADecompressor().decompress(data[data.rfind(_XZ) :])
    except lzma.LZMAError as error:
        raise BuildError(f"{zimage}: has no kernel compressed by xz: {error}") from error
