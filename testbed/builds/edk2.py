# SPDX-License-Identifier: GPL-2.0-or-later
"""EDK2's first phases for QEMU's machine ``virt``, 32-bit Arm, built from source: the image, and each module's file.

What comes after memory initialisation, the phase DXE, is left out: it is most of the build, and unpacked from a
compressed volume.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from testbed.builds.building import kept_build, run_build
from testbed.packages.upstream_source import upstream_source

__all__ = ["VERSION", "Edk2", "edk2"]

VERSION = "2025.02"
SUITE = "trixie"
"""Debian 13 has this version, the last one in Debian with 32-bit Arm."""

_CROSS = "arm-linux-gnueabihf-"
_TOOLS = ("GenFfs", "GenFv", "GenFw", "GenSec")
"""The programs of BaseTools that these phases need. Others need sources that Debian's package does not have."""

_LEFT_OUT = ("gEfiShellPkgTokenSpaceGuid", "gEfiNetworkPkgTokenSpaceGuid")
"""Whose PCDs no module of these phases declares."""


class Edk2(NamedTuple):
    """A build of EDK2.

    Attributes
    ----------
    image : Path
        ``QEMU_EFI.fd``.
    modules : Path
        A folder with the linked file of each module, such as ``PeiCore.dll``, with DWARF.
    source : Path
        The folder of its source, as the lines name it.
    """

    image: Path
    modules: Path
    source: Path


def edk2() -> Edk2:
    """Return EDK2 for 32-bit Arm; it is built unless it was before, in a minute of a processor.

    Raises
    ------
    testbed.packages.apt.FetchError
        If the source cannot be fetched.
    BuildError
        If it cannot be built.
    """
    source = upstream_source("edk2", VERSION, suite=SUITE)

    def build(folder: Path, kept: Path) -> None:
        built = _build(source, folder)
        (kept / "modules").mkdir()
        shutil.copy2(built / "FV/QEMU_EFI.fd", kept)
        for linked in built.rglob("DEBUG/*.dll"):
            shutil.copy2(linked, kept / "modules")

    folder = kept_build(f"edk2-{VERSION}", build)
    return Edk2(folder / "QEMU_EFI.fd", folder / "modules", source)


def _build(source: Path, folder: Path) -> Path:
    """Build in a folder, and return the folder of what was built; the source stays as it is."""
    tools, conf = folder / "BaseTools", folder / "Conf"
    shutil.copytree(source / "BaseTools", tools, symlinks=True)
    conf.mkdir()
    for name in ("target", "tools_def", "build_rule"):
        text = _text(tools / f"Conf/{name}.template")
        # Debian's compiler for this architecture has another ABI by default.
        flags = r"^(\*_GCCNOLTO_ARM_PLATFORM_FLAGS\s*=.*)$"
        (conf / f"{name}.txt").write_text(re.sub(flags, r"\1 -mfloat-abi=soft", text, flags=re.MULTILINE))
    _write_platform(source / "ArmVirtPkg", folder)
    environment = {
        **os.environ,
        "WORKSPACE": str(folder),
        "PACKAGES_PATH": str(source),
        "EDK_TOOLS_PATH": str(tools),
        "CONF_PATH": str(conf),
        "PYTHON_COMMAND": sys.executable,
        "GCCNOLTO_ARM_PREFIX": _CROSS,
        "PATH": f"{tools / 'BinWrappers/PosixLike'}:{os.environ['PATH']}",
    }
    programs = ("make", "-s", "-C", str(tools / "Source/C"), f"EDK2_PATH={source}")
    run_build((*programs, f"APPLICATIONS={' '.join(_TOOLS)}"), folder, environment)
    words = ("-n", "1", "-a", "ARM", "-t", "GCCNOLTO", "-p", "Pei.dsc", "-b", "RELEASE")
    run_build(("build", *words), folder, environment)
    return folder / "Build/ArmVirtQemu-ARM/RELEASE_GCCNOLTO"


def _write_platform(package: Path, folder: Path) -> None:
    """Write ArmVirtQemu's description without the phase DXE."""
    shared = _text(package / "ArmVirt.dsc.inc").partition("[Components")[0]
    platform = _text(package / "ArmVirtQemu.dsc").partition("\n  #\n  # DXE\n  #\n")[0]
    platform = platform.replace("ArmVirtPkg/ArmVirtQemu.fdf", "Pei.fdf").replace(
        "ArmVirtPkg/ArmVirt.dsc.inc", "ArmVirt.dsc.inc"
    )
    platform = re.sub(r"^!include NetworkPkg/.*\n", "", platform, flags=re.MULTILINE)
    left_out = re.compile(rf"^\s*(?:{'|'.join(_LEFT_OUT)})\..*\n", re.MULTILINE)
    (folder / "ArmVirt.dsc.inc").write_text(left_out.sub("", shared))
    (folder / "Pei.dsc").write_text(left_out.sub("", platform) + "\n")
    flash = _text(package / "ArmVirtQemu.fdf").replace("!include ArmVirtQemuFvMain.fdf.inc\n", "")
    before, _, after = flash.partition("  FILE FV_IMAGE =")
    flash = before + after[after.index("!include") :]
    flash = re.sub(r"^!include (VarStore|ArmVirtRules)", r"!include ArmVirtPkg/\1", flash, flags=re.MULTILINE)
    (folder / "Pei.fdf").write_text(flash)


def _text(path: Path) -> str:
    return path.read_bytes().decode().replace("\r\n", "\n")
