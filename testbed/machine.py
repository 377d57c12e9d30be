# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with Xen and a dom0 on it, emulated by QEMU."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from coldline.errors import ColdlineError
from testbed.sources import Sources

__all__ = ["PROGRAMS", "MachineError", "Outcome", "run", "shell"]

# Xen finds dom0's modules by the device tree that QEMU makes. They keep clear of what QEMU itself loads at the
# start of RAM (0x40000000) and of the device tree at 0x48000000.
_KERNEL_ADDRESS, _INITRD_ADDRESS = 0x50000000, 0x58000000
PROGRAMS = {"arm64": "qemu-system-aarch64", "armhf": "qemu-system-arm"}
"""QEMU, by the architecture that it emulates."""
_MACHINES = {
    "arm64": (
        "-machine", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a57", "-m", "1024",
    ),
    # without highmem=off dom0 hangs as it looks for PCI devices
    "armhf": (
        "-machine", "virt,virtualization=on,gic-version=2,highmem=off", "-cpu", "cortex-a15", "-m", "2048",
    ),
}  # fmt: skip
_XEN_OPTIONS = "dom0_mem=384M dom0_max_vcpus=1 console=dtuart loglvl=all guest_loglvl=all bootscrub=0"
# no commas: QEMU's -device would end at one
_KERNEL_OPTIONS = "console=hvc0 rdinit=/init loglevel=4"


class MachineError(ColdlineError):
    """The machine did not do what it was started for; the message ends with its console's last lines."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    status : int
        The exit status of what ran in dom0.
    seconds : float
        From QEMU's start to its end.
    """

    status: int
    seconds: float


def run(sources: Sources, initrd: Path, folder: Path, command: str, *, timeout_s: float) -> Outcome:
    """Boot, run a shell command in dom0 with ``/host`` as `folder`, and power off.

    The command's output is in the file ``output`` of `folder`, the consoles of Xen and dom0 in ``console``.

    Parameters
    ----------
    sources : Sources
        Xen and dom0's kernel.
    initrd : Path
        dom0's initramfs.
    folder : Path
        A folder of the host that dom0 writes to.
    command : str
        Lines for ``sh``.
    timeout_s : float
        When to give up, in seconds.

    Raises
    ------
    MachineError
        If QEMU is not installed, or the command has not ended in time or at all.
    """
    (folder / "run").write_text(command + "\n")
    (folder / "status").unlink(missing_ok=True)
    console = folder / "console"
    began = time.monotonic()
    with console.open("wb") as file:
        try:
            done = subprocess.run(
                _command(sources, initrd, folder, "stdio"),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"not done after {timeout_s:g} s\n{_last_lines(console)}") from error
    seconds = time.monotonic() - began
    try:
        status = int((folder / "status").read_text())
    except (OSError, ValueError) as error:
        raise MachineError(
            f"dom0 ended without a result (QEMU's exit status {done.returncode})\n{_last_lines(console)}"
        ) from error
    return Outcome(status, seconds)


def shell(sources: Sources, initrd: Path, folder: Path) -> int:
    """Boot with dom0's console on this terminal; return QEMU's exit status. Ctrl-a x ends QEMU."""
    (folder / "run").unlink(missing_ok=True)
    return subprocess.run(_command(sources, initrd, folder, "mon:stdio"), check=False).returncode


def _command(sources: Sources, initrd: Path, folder: Path, serial: str) -> list[str]:
    program = PROGRAMS[sources.architecture]
    if shutil.which(program) is None:
        raise MachineError(f"{program} is not installed: scripts/setup --testbed installs it")
    for path in (sources.xen, sources.kernel, initrd, folder):
        if "," in os.fspath(path):
            raise MachineError(f"QEMU takes no path with a comma in it: {path}")
    return [
        program, *_MACHINES[sources.architecture], "-accel", "tcg,thread=single", "-smp", "1",
        "-display", "none", "-nodefaults", "-no-reboot", "-serial", serial,
        "-kernel", os.fspath(sources.xen), "-append", _XEN_OPTIONS,
        "-device", f"guest-loader,addr={_KERNEL_ADDRESS:#x},kernel={sources.kernel},bootargs={_KERNEL_OPTIONS}",
        "-device", f"guest-loader,addr={_INITRD_ADDRESS:#x},initrd={initrd}",
        "-fsdev", f"local,id=host,path={folder},security_model=none",
        "-device", "virtio-9p-device,fsdev=host,mount_tag=host",
    ]  # fmt: skip


def _last_lines(console: Path, count: int = 15) -> str:
    text = console.read_bytes().decode(errors="replace")
    lines = ["".join(char for char in line if char.isprintable()) for line in text.splitlines()]
    return "\n".join(lines[-count:])
