# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the images in Debian's packages, and how each is run.

A board's U-Boot is the raw file ``u-boot.bin``, loaded where the first section of ``uboot.elf`` belongs. Its machine
is the device tree at the end of that file; trees in which U-Boot itself fills in the RAM's size get 512 MiB. All
registers that coldline has no device for read as zero.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from elftools.common.utils import struct_parse
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from coldline.errors import ColdlineError
from coldline.guest.tree_machine import describe_machine
from coldline.image import load_kernel
from coldline.support.units import MIB
from testbed.packages import apt, cache, debian
from testbed.packages.kernels import kernel_file, release_of
from testbed.survey import op_tee, trusted_firmware
from testbed.survey.installer import INSTALLER, kernel_and_initrd

ARCHITECTURES = ("arm64", "armhf")

_FLAVOURS = r"linux-image-((?:cloud-|rt-)?arm64(?:-16k)?|(?:rt-)?armmp(?:-lpae)?)"
_FIRMWARE = (
    r"u-boot-(?!menu|tools|update|sifive|starfive|microchip)[a-z0-9-]+|qemu-efi-(?:aarch64|arm)"
    r"|arm-trusted-firmware|optee-os"
)
_XEN = r"xen-hypervisor-4\.\d+-(?:arm64|armhf)"
_TREE_MAGIC = b"\xd0\x0d\xfe\xed"
_RAM_ALIGNMENT = 256 * MIB
_EFI = re.compile(r"(QEMU_EFI|AAVMF_CODE(\.no-secboot)?|AAVMF32_CODE)\.fd")
_FILES = (
    "u-boot.bin",
    "u-boot-dtb.bin",
    "u-boot-dtb.img",
    "u-boot.img",
    "u-boot.itb",
    "u-boot-dtb.imx",
    "u-boot-sunxi-with-spl.bin",
)
"""A board's U-Boot, the first of these that is there."""

_DEVICES = ("--mmio-default",)
_SHORT = ("--max-instructions", "5000000")
"""The Raspberry Pi's U-Boot then asks the video core, which does not answer, and waits for long."""

_LONG = ("--max-instructions", "400000000")
"""EDK2 unpacks itself before it does anything else."""

_MACHINES = {
    **dict.fromkeys(("rpi_2", "rpi_3", "rpi_3_32b", "rpi_arm64"), "raspi3b"),
    **dict.fromkeys(("rpi_4", "rpi_4_32b"), "raspi4b"),
}
_TREES = {
    "rpi_2": "bcm2836-rpi-2-b.dtb",
    "rpi_3": "bcm2837-rpi-3-b.dtb",
    "rpi_3_32b": "bcm2837-rpi-3-b.dtb",
    "rpi_arm64": "bcm2837-rpi-3-b.dtb",
    "rpi_4": "bcm2711-rpi-4-b.dtb",
    "rpi_4_32b": "bcm2711-rpi-4-b.dtb",
}
"""Device trees of the kernel's package, for a U-Boot that gets its tree from the firmware before it."""

_ON_CHIP_RAM = {
    "samsung,exynos5": "0x2020000,384K",
    "fsl,imx6": "0x900000,256K",
    "fsl,imx53": "0xf8000000,128K",
    "ti,dra7": "0x40300000,512K",
    "ti,am33xx": "0x40300000,64K",
    "ti,omap4": "0x40300000,64K",
    "ti,omap3": "0x40200000,64K",
    "allwinner,": "0,128K",
}
"""RAM on the chip, in which a U-Boot has its first stack, by a part of the tree, the first that is there.

Source: u-boot configs (2023.01), CONFIG_CUSTOM_SYS_INIT_SP_ADDR."""

_AMLOGIC_RAM = ("--mmio", "0xc8100240,4=0x2000000")
"""AO_SEC_GP_CFG0 has the size of RAM, here of 512 MiB: u-boot arch/arm/mach-meson/board-gx.c (2023.01)."""


class Image(NamedTuple):
    """An image and how it is run.

    Attributes
    ----------
    suite, architecture, package : str
        Debian's suite, its name of the architecture, and the package with its version.
    name : str
        The image: a kernel's release, or a board, or the file in the package.
    words : tuple of str
        The words after ``coldline boot``; each ``{tree}`` is the package's folder, each ``{work}`` a folder for the
        files that were taken out of the image.
    tree : Path
        The package's folder.
    """

    suite: str
    architecture: str
    package: str
    name: str
    words: tuple[str, ...]
    tree: Path


class Packages(NamedTuple):
    """The names of a suite's packages that have images.

    Attributes
    ----------
    kernels : tuple of str
        Those of kernels, one for each flavour.
    others : tuple of str
        Those of firmware, of Xen and of the installer.
    """

    kernels: tuple[str, ...]
    others: tuple[str, ...]


def packages_of(suite: str, architecture: str) -> Packages:
    """Return the packages of a suite that have images; a flavour without a kernel is reported and left out.

    Raises
    ------
    testbed.packages.apt.FetchError
        The package servers do not answer.
    """
    folder = cache.architecture_folder(architecture, suite)
    with cache.locked(folder):
        options = apt.updated(architecture, folder, suite=suite, refresh=False)
        names = sorted(set(apt.run("apt-cache", *options, "pkgnames").stdout.split()))
    kernels = []
    for flavour in (found[1] for name in names if (found := re.fullmatch(_FLAVOURS, name))):
        try:
            kernels.append(debian.current_kernel(architecture, flavour, suite=suite).binary)
        except ColdlineError as error:
            apt.say(f"left out: {error}")
    others = [name for name in names if re.fullmatch(f"{_FIRMWARE}|{_XEN}", name)]
    others += [name for name in names if (found := INSTALLER.fullmatch(name)) and found[1] == architecture]
    return Packages(tuple(kernels), tuple(others))


def images_of(suite: str, architecture: str, names: Packages, work: Path) -> Iterator[Image]:
    """Yield the images in a suite's packages, fetching them; what cannot be had is reported and left out."""
    kernels: list[Path] = []
    for name in (*names.kernels, *names.others):
        try:
            tree = debian.packages(architecture, [name], suite=suite)[name]
            if name in names.kernels:
                path = kernel_file(tree, release_of(name))
                kernels.append(tree)
                if len(kernels) == 1:
                    kernels += _trees_of(name, architecture, suite)
                yield Image(suite, architecture, tree.name, release_of(name), (_in(tree, path),), tree)
                continue
        except ColdlineError as error:
            apt.say(f"left out: {error}")
            continue
        for image, words in _images_in(name, tree, work / suite / architecture, kernels):
            yield Image(suite, architecture, tree.name, image, words, tree)


def _trees_of(kernel: str, architecture: str, suite: str) -> Iterable[Path]:
    """Return the package with a kernel's device trees, where they are not in the kernel's own."""
    base = kernel.replace("linux-binary-", "linux-base-", 1)
    return debian.packages(architecture, [base], suite=suite).values() if base != kernel else ()


def _images_in(
    package: str, tree: Path, work: Path, kernels: list[Path]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if package.startswith("u-boot-"):
        for elf in sorted(tree.glob("usr/lib/u-boot/*/uboot.elf")):
            words = _words_of_board(elf.parent, tree, work, kernels)
            if words is not None:
                yield elf.parent.name, words
    elif package.startswith("qemu-efi-"):
        architecture = "arm64" if package.endswith("aarch64") else "arm32"
        for file in sorted(path for path in tree.glob("usr/share/*/*.fd") if _EFI.fullmatch(path.name)):
            yield file.name, ("--bios", _in(tree, file), "--arch", architecture, *_LONG)
    elif package.startswith("xen-hypervisor-"):
        for file in sorted(path for path in tree.glob("boot/xen-*") if "." not in path.name[-7:]):
            yield file.name, (_in(tree, file), "--machine", "virt", "--el", "2")
    elif INSTALLER.fullmatch(package):
        if found := kernel_and_initrd(tree):
            kernel, initrd = found
            yield f"{kernel.parent.name} text", (_in(tree, kernel), "--initrd", _in(tree, initrd))
    elif package == "optee-os":
        for folder in sorted(tree.glob("usr/lib/optee/*")):
            try:
                of_board = op_tee.words_of(folder)
            except op_tee.HeaderError as error:
                apt.say(f"left out: {error}")
                continue
            if of_board:
                file, words = of_board
                yield f"{folder.name} {file.name}", (_in(tree, file), *_DEVICES, *words)
    else:
        for file in sorted(tree.glob("usr/lib/arm-trusted-firmware/*/bl31.*")):
            words = trusted_firmware.words_of(file.parent.name)
            yield f"{file.parent.name} {file.name}", (_in(tree, file), *_DEVICES, *words)


def _in(tree: Path, file: Path) -> str:
    return "{tree}/" + str(file.relative_to(tree))


def _words_of_board(folder: Path, tree: Path, work: Path, kernels: list[Path]) -> tuple[str, ...] | None:
    """Return how a board's U-Boot is run; None if it is not for Arm."""
    try:
        program = load_kernel(str(folder / "uboot.elf"))
    except ColdlineError:
        return None
    files = (folder / name for name in _FILES)
    binary = next((file for file in files if file.exists()), folder / "uboot.elf")
    if folder.name.startswith("qemu"):
        return ("--bios", _in(tree, binary), "--arch", program.architecture)
    base = first_section(folder / "uboot.elf", program.pieces[0].address)
    words = [_in(tree, binary), "--load", f"{base:#x}", "--entry", f"{program.entry:#x}"]
    words += ["--arch", program.architecture, *_DEVICES]
    ram = f"{base - base % _RAM_ALIGNMENT:#x},512M"
    if folder.name in _MACHINES:
        words += ["--machine", _MACHINES[folder.name], *_SHORT]
        given = next(
            (path for kernel in kernels for path in kernel.rglob(_TREES.get(folder.name, "-"))), None
        )
        if given is None:
            return tuple(words)
        kept = _kept(work, folder.name, given.read_bytes())
        return (*words, "--dtb-only", "{work}/" + str(kept.relative_to(work.parent.parent)))
    if binary.suffix != ".bin" or "with-spl" in binary.name:
        words = [_in(tree, binary), *_DEVICES]
    described = device_tree_in(binary.read_bytes())
    if described is None:
        return (*words, "--ram", ram)
    if b"amlogic,meson-gx" in described:
        words += _AMLOGIC_RAM
    kept = _kept(work, folder.name, described)
    words += ["--dtb-only", "{work}/" + str(kept.relative_to(work.parent.parent))]
    on_chip = next((at for part, at in _ON_CHIP_RAM.items() if part.encode() in described), None)
    if on_chip is not None:
        return (*words, "--ram", ram, "--ram", on_chip)
    return tuple(words) if _has_ram(kept, described, program.entry) else (*words, "--ram", ram)


def first_section(path: Path, segment: int) -> int:
    """Return the address of the first section in the first segment of an ELF file, where its raw file begins.

    The segment itself may begin before that, with the ELF header: a linker aligns it to the largest page.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)  # whose sections refuse those of a stripped file
        places = (elf["e_shoff"] + number * elf["e_shentsize"] for number in range(elf.num_sections()))
        headers = [struct_parse(elf.structs.Elf_Shdr, file, place) for place in places]
    return min(
        int(header["sh_addr"])
        for header in headers
        if header["sh_flags"] & SH_FLAGS.SHF_ALLOC and header["sh_size"] and header["sh_addr"] >= segment
    )


def _kept(work: Path, name: str, tree: bytes) -> Path:
    kept = work / f"{name}.dtb"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(tree)
    return kept


def _has_ram(path: Path, described: bytes, entry: int) -> bool:
    try:
        machine = describe_machine(str(path), memoryview(described))
    except ColdlineError:
        return False
    return any(each.base <= entry < each.end for each in machine.ram)


def device_tree_in(content: bytes) -> bytes | None:
    """Return the last flattened device tree of version 17 in a file; None if there is none."""
    at = content.rfind(_TREE_MAGIC)
    while at >= 0:
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        version = int.from_bytes(content[at + 20 : at + 24], "big")
        if version == 17 and 40 < size <= len(content) - at:
            return content[at : at + size]
        at = content.rfind(_TREE_MAGIC, 0, at)
    return None
