# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs Xen and dom0 under `coldline watch`, and lets dom0 build guests: each builder's guest gets its verdict.

dom0's own memory is left out of the check: Xen maps it one to one for dom0, and gives none of it to another guest.
So what is checked is what Xen gives to guests, Xen's own memory, and what was loaded.
"""

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from testbed.machines.qemu_command import INITRD_ADDRESS, KERNEL_ADDRESS, PROGRAMS, MachineError
from testbed.packages.sources import Sources
from testbed.watched.qemu import watchable_qemu
from testbed.watched.running import Watching, run_watched

__all__ = ["DOM0", "GUEST", "dom0_memory", "interest", "watch", "words"]

DOM0: Final = "dom0"
GUEST: Final = "dom1"
"""The names of the guests with the VMIDs 1 and 2; a later one with VMID 2 is ``dom1.2``, and so on."""

_HARDWARE: Final = {
    "arm64": ("-machine", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a57"),
    "armhf": ("-machine", "virt,virtualization=on,gic-version=2,highmem=off", "-cpu", "cortex-a15"),
}
_RAM: Final = (0x4000_0000, 1 << 30)
_DOM0_MIB: Final = 256
_XEN_OPTIONS: Final = (
    f"dom0_mem={_DOM0_MIB}M dom0_max_vcpus=1 console=dtuart loglvl=all guest_loglvl=all bootscrub=0"
)
_KERNEL_OPTIONS: Final = "console=hvc0 rdinit=/init loglevel=4 nokaslr"
_BANK: Final = re.compile(r"BANK\[\d+\] (0x[0-9a-f]+)-(0x[0-9a-f]+) ")
_LOADS: Final = "Loading zImage from"
"""Xen's console says this after it has said which memory dom0 has."""

_BOOT_S: Final = 300.0
_PIECE: Final = 1 << 16


def words(sources: Sources, initrd: Path, folder: Path) -> list[str]:
    """Return QEMU's command line for Xen and a small dom0.

    The machine's clock counts instructions, 2 ns each, so that its time does not depend on how slowly it is watched.

    Raises
    ------
    MachineError
        If QEMU does not accept a path.
    """
    for path in (sources.xen, sources.kernel, initrd, folder):
        if "," in os.fspath(path):
            raise MachineError(f"QEMU does not accept a path with a comma: {path}")
    return [
        *watchable_qemu(PROGRAMS[sources.architecture]), *_HARDWARE[sources.architecture],
        "-m", str(_RAM[1] >> 20), "-smp", "1", "-icount", "shift=1,sleep=off",
        "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
        "-kernel", os.fspath(sources.xen), "-append", _XEN_OPTIONS,
        "-device", f"guest-loader,addr={KERNEL_ADDRESS:#x},kernel={sources.kernel},bootargs={_KERNEL_OPTIONS}",
        "-device", f"guest-loader,addr={INITRD_ADDRESS:#x},initrd={initrd}",
        "-fsdev", f"local,id=host,path={folder},security_model=none",
        "-device", "virtio-9p-device,fsdev=host,mount_tag=host",
    ]  # fmt: skip


def dom0_memory(command: Sequence[str]) -> list[tuple[int, int]]:
    """Boot a machine until Xen's console has said which memory is dom0's; return first and end addresses.

    Raises
    ------
    MachineError
        If it does not say so.
    """
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    timer = time.monotonic() + _BOOT_S
    said = ""
    try:
        assert process.stdout is not None
        while _LOADS not in said and time.monotonic() < timer:
            if not select.select([process.stdout], [], [], 1.0)[0]:
                continue
            piece = os.read(process.stdout.fileno(), _PIECE)
            if not piece:
                break
            said += piece.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    banks = banks_of(said)
    if not banks or _LOADS not in said:
        last = "\n".join(said.splitlines()[-10:])
        raise MachineError(f"Xen does not say which memory is dom0's\n{last}")
    return banks


def banks_of(console: str) -> list[tuple[int, int]]:
    """Return the first and end addresses of dom0's memory, as Xen's console has them."""
    return [(int(first, 16), int(end, 16)) for first, end in _BANK.findall(console)]


def interest(banks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the addresses and sizes of the parts of RAM that are not dom0's."""
    base, size = _RAM
    parts, at = [], base
    for first, end in sorted(banks):
        if first > at:
            parts.append((at, first - at))
        at = max(at, end)
    if at < base + size:
        parts.append((at, base + size - at))
    return parts


def watch(
    sources: Sources, initrd: Path, folder: Path, wanted: Watching, say: Callable[[str], None]
) -> dict[str, Any]:
    """Boot Xen and dom0 under `coldline watch`, and let dom0 build the guests.

    Parameters
    ----------
    sources : Sources
        Xen and dom0's kernel.
    initrd : Path
        dom0's small initramfs.
    folder : Path
        A folder of the host, filled for dom0.
    wanted : Watching
        What to build.
    say : callable
        Receives progress messages.

    Returns
    -------
    dict
        As `run_watched` returns it.

    Raises
    ------
    MachineError
        If the machine cannot be watched.
    """
    command = words(sources, initrd, folder)
    banks = dom0_memory(command)
    say("dom0 has " + ", ".join(f"{first:#x}-{end:#x}" for first, end in banks) + "; the rest is checked")
    report = run_watched(command, folder, wanted, (DOM0, GUEST), say, interest(banks))
    if banks_of(report["console"]) != banks:
        raise MachineError("Xen has given dom0 other memory in the watched run than in the one before it")
    return report
