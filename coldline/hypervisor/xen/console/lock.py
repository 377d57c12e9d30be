# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock that gives one client a guest's console: the same lock that xl's xenconsole takes.

Source: xen tools/console/client/main.c (4.17), console_lock and console_unlock. Each domain has one lock, which
hvc0 and the emulated PL011 share.
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
"""XEN_LOCK_DIR, as Xen and Debian define it."""

_LOCKS: Final = "/proc/locks"


@contextlib.contextmanager
def console_lock(domid: int, folder: str = FOLDER) -> Iterator[None]:
    """Hold the lock of a domain's consoles during the block.

    Parameters
    ----------
    domid : int
        The domain's number.
    folder : str
        The folder of the lock file.

    Raises
    ------
    HypervisorError
        If another client holds it, or its file cannot be opened. The message names the process where that is known.
    """
    path = f"{folder}/xenconsole.{domid}"
    step = f"domain {domid}: console"
    with error_context(f"{step}: {path}"):
        while True:
            # O_NOFOLLOW: other users may write to the folder
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = _who_has(descriptor)
                os.close(descriptor)
                raise HypervisorError(f"{step} is in use: {who} holds the lock {path}") from None
            except BaseException:
                os.close(descriptor)
                raise
            if _is_still(path, descriptor):
                break
            os.close(descriptor)  # its last holder has removed it in the meantime, so it locks nothing
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
    """Return which process holds a file's lock: linux Documentation/filesystems/proc.rst."""
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with contextlib.suppress(OSError):
        for line in Path(_LOCKS).read_text().splitlines():
            match line.split():
                case [_, "FLOCK", _, "WRITE", pid, file, *_] if file == f"{device}:{status.st_ino}":
                    return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    return "another client"
