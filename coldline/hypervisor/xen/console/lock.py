# SPDX-License-Identifier: GPL-2.0-or-later
"""One client at a guest's console: the lock that xl's xenconsole takes, taken as it takes it.

Source: xen tools/console/client/main.c (4.17), console_lock and console_unlock. The lock is of the domain: hvc0 and
the emulated PL011 share it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen.failures import error_context

FOLDER: Final = "/var/lock"
"""XEN_LOCK_DIR, as Xen and Debian have it."""

_LOCKS: Final = "/proc/locks"


@contextlib.contextmanager
def console_lock(domid: int, folder: str = FOLDER) -> Iterator[None]:
    """Be the one client of a domain's consoles, until the end or this process's.

    Parameters
    ----------
    domid : int
        The domain's number.
    folder : str
        Where the lock's file is.

    Raises
    ------
    HypervisorError
        If another client has it, which is named where the kernel tells, or the file cannot be had.
    """
    path = f"{folder}/xenconsole.{domid}"
    step = f"domain {domid}: console"
    with error_context(f"{step}: {path}"):
        while True:
            # no link: others than root may write to the folder
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = _who_has(descriptor)
                os.close(descriptor)
                raise HypervisorError(f"{step}: {who} is at it, and has {path} locked") from None
            except BaseException:
                os.close(descriptor)
                raise
            if _is_still(path, descriptor):
                break
            os.close(descriptor)  # its last holder removed it meanwhile: it locks nobody out
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _who_has(descriptor: int) -> str:
    """The process that has a file locked, by the kernel's list: linux Documentation/filesystems/proc.rst."""
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with contextlib.suppress(OSError):
        for line in Path(_LOCKS).read_text().splitlines():
            match line.split():
                case [_, "FLOCK", _, "WRITE", pid, file, *_] if file == f"{device}:{status.st_ino}":
                    return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    return "another client"
