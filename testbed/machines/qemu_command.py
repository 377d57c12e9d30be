# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line for a machine with Xen and a dom0: its hardware, and the files that it loads."""

import os
import shutil
from pathlib import Path

from coldline.errors import ColdlineError
from testbed.packages.sources import Sources

__all__ = ["PROGRAMS", "MachineError", "program", "words"]

PROGRAMS = {"arm64": "qemu-system-aarch64", "armhf": "qemu-system-arm"}
"""QEMU's program by emulated architecture."""

# Xen finds dom0's modules in the device tree that QEMU makes. They must not overlap what QEMU itself loads at the
# start of RAM (0x40000000), or the device tree at 0x48000000.
KERNEL_ADDRESS, INITRD_ADDRESS = 0x50000000, 0x58000000
_MACHINES = {
    "arm64": (
        "-machine", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a57", "-m", "2048",
    ),
    # without highmem=off, dom0 hangs when it searches for PCI devices
    "armhf": (
        "-machine", "virt,virtualization=on,gic-version=2,highmem=off", "-cpu", "cortex-a15", "-m", "2048",
    ),
}  # fmt: skip
_XEN_OPTIONS = "dom0_mem=768M dom0_max_vcpus=1 console=dtuart loglvl=all guest_loglvl=all bootscrub=0"
# no commas: QEMU's -device would end at one
_KERNEL_OPTIONS = "console=hvc0 rdinit=/init loglevel=4"


class MachineError(ColdlineError):
    """The machine cannot be started, or failed; then the message ends with the last lines of its console."""


def program(sources: Sources) -> str:
    """Return QEMU's program for an architecture.

    Raises
    ------
    MachineError
        If it is not installed.
    """
    name = PROGRAMS[sources.architecture]
    if shutil.which(name) is None:
        raise MachineError(f"{name} is not installed: scripts/setup --testbed installs it")
    return name


def words(
    sources: Sources, initrd: Path, folder: Path, serial: str = "stdio", *, counted: bool = False
) -> list[str]:
    """Return the command that starts QEMU with Xen and a dom0.

    Parameters
    ----------
    sources : Sources
        Xen and dom0's kernel.
    initrd : Path
        dom0's initramfs.
    folder : Path
        A folder of the host that dom0 can mount.
    serial : str
        The target of the console: QEMU's ``-serial``.
    counted : bool
        Let the machine's clock count instructions, 2 ns each.

    Raises
    ------
    MachineError
        If QEMU is not installed, or does not accept a path.
    """
    for path in (sources.xen, sources.kernel, initrd, folder):
        if "," in os.fspath(path):
            raise MachineError(f"QEMU does not accept a path with a comma: {path}")
    return [
        program(sources), *_MACHINES[sources.architecture], "-accel", "tcg,thread=single", "-smp", "1",
        "-display", "none", "-nodefaults", "-no-reboot", "-serial", serial,
        "-kernel", os.fspath(sources.xen), "-append", _XEN_OPTIONS,
        "-device", f"guest-loader,addr={KERNEL_ADDRESS:#x},kernel={sources.kernel},bootargs={_KERNEL_OPTIONS}",
        "-device", f"guest-loader,addr={INITRD_ADDRESS:#x},initrd={initrd}",
        "-fsdev", f"local,id=host,path={folder},security_model=none",
        "-device", "virtio-9p-device,fsdev=host,mount_tag=host",
        *(("-icount", "shift=1,sleep=off") if counted else ()),
    ]  # fmt: skip
