# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that `coldline watch` can use: the host's, or Debian's backport of a later one, which is not installed."""

import re
import shutil
import subprocess
from functools import cache

from coldline.frontends.qemu.command_line import OLDEST, PROGRAM
from testbed.machines.qemu_command import MachineError
from testbed.packages import apt, debian
from testbed.packages.sources import BACKPORTS

__all__ = ["watchable_qemu"]


@cache
def watchable_qemu(name: str = PROGRAM) -> tuple[str, ...]:
    """Return the first words of the command line of a QEMU with a name: its program, and where its firmware is.

    Raises
    ------
    MachineError
        If the backport does not start on this host.
    testbed.packages.apt.FetchError
        If it cannot be fetched.
    """
    path = shutil.which(name)
    if path is not None:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"version (\d+)\.(\d+)", told)
        if found and (int(found[1]), int(found[2])) >= OLDEST:
            return (path,)
    trees = debian.packages(apt.host_architecture(), ["qemu-system-arm", "qemu-system-data"], suite=BACKPORTS)
    program = trees["qemu-system-arm"] / "usr" / "bin" / name
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"QEMU of {BACKPORTS} does not start here: {done.stderr.strip()}")
    return str(program), "-L", str(trees["qemu-system-data"] / "usr" / "share" / "qemu")
