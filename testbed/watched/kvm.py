# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a Linux with KVM under `coldline watch`, and lets `testbed.kvm` build guests there: each gets its verdict."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from testbed.machines.qemu_command import MachineError
from testbed.packages.sources import Sources
from testbed.watched.qemu import watchable_qemu
from testbed.watched.running import Watching, run_watched

__all__ = ["CORES", "GUEST", "STRATEGIES", "watch", "words"]

STRATEGIES: Final = ("hypercall", "flush", "none")
"""What can build a guest: a VMM's memory is always write-back, and KVM's own maintenance is always done."""

CORES: Final = {"kvm-arm64": "cortex-a57", "kvm-s2fwb": "max"}
"""QEMU's core for each host model: without FEAT_S2FWB, and with it, with FEAT_LPA2, too."""

GUEST: Final = "guest"
"""KVM numbers its guests' VMIDs from 1: the first one is ``guest1``."""

_OPTIONS: Final = "console=ttyAMA0 rdinit=/init loglevel=4 nokaslr"


def words(sources: Sources, initrd: Path, folder: Path, core: str) -> list[str]:
    """Return QEMU's command line for a Linux that starts at EL2.

    The machine's clock counts instructions, 2 ns each, so that its time does not depend on how slowly it is watched.

    Raises
    ------
    MachineError
        If QEMU does not accept a path.
    """
    if "," in os.fspath(folder):
        raise MachineError(f"QEMU does not accept a path with a comma: {folder}")
    return [
        *watchable_qemu(), "-machine", "virt,virtualization=on,gic-version=3", "-cpu", core,
        "-m", "1024", "-smp", "1", "-icount", "shift=1,sleep=off",
        "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
        "-kernel", os.fspath(sources.kernel), "-append", _OPTIONS, "-initrd", os.fspath(initrd),
        "-fsdev", f"local,id=host,path={folder},security_model=none",
        "-device", "virtio-9p-device,fsdev=host,mount_tag=host",
    ]  # fmt: skip


def watch(
    sources: Sources, initrd: Path, folder: Path, wanted: Watching, model: str, say: Callable[[str], None]
) -> dict[str, Any]:
    """Boot a Linux with KVM under `coldline watch`, and let it build the guests.

    Parameters
    ----------
    sources : Sources
        Its kernel, which is the guests', too.
    initrd : Path
        Its small initramfs.
    folder : Path
        A folder of this host, filled for it.
    wanted : Watching
        What to build.
    model : str
        A key of `CORES`.
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
    names = [f"{GUEST}{number}" for number in range(1, len(wanted.builders) + 1)]
    return run_watched(words(sources, initrd, folder, CORES[model]), folder, wanted, names, say)
