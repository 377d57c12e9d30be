# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps a domain after ``coldline create``: in the background, as a process of its own, or in this one."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from coldline.errors import ColdlineError, HypervisorError
from coldline.hypervisor.xen import SystemBindings, XenDomain
from coldline.hypervisor.xen.domain_setup import ShutdownActions
from coldline.hypervisor.xen.interrupts import SIGNALS, interrupts_between_calls
from coldline.hypervisor.xen.keeper import Keeper, Kept

if TYPE_CHECKING:
    from coldline.hypervisor.xen import Bindings

    Create = Callable[[argparse.Namespace, Bindings], tuple[XenDomain, str]]

LOG_FOLDER: Final = "/var/log/xen"
"""Where xl's keepers write their logs, too. Without it, there is no log."""


def keep_here(options: argparse.Namespace, domain: XenDomain, create: "Create") -> None:
    """Keep a domain in this process until its end, with a log on standard error.

    Parameters
    ----------
    options : argparse.Namespace
        The arguments that it was created with.
    domain : XenDomain
        The domain.
    create : callable
        Creates a domain from arguments, through bindings.

    Raises
    ------
    ColdlineError
        If the domain cannot be destroyed or built again.
    """
    _keep(options, domain, create, lambda line: print(f"coldline: {line}", file=sys.stderr, flush=True))


def keep_in_background(options: argparse.Namespace, domain: XenDomain, name: str, create: "Create") -> None:
    """Start a process that keeps a domain until its end.

    It writes to a log in `LOG_FOLDER`, and stays in the current directory, as it reads the guest's files again.

    Raises
    ------
    HypervisorError
        If the process cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        child = os.fork()
    except OSError as error:
        raise HypervisorError(f"domain {domain.domid}: no process to keep it: {error.strerror}") from error
    if child:
        os.waitpid(child, 0)
        return
    status = 2
    try:
        os.setsid()
        if os.fork() == 0:
            _detach(name)
            _keep(options, domain, create, _log)
        status = 0
    except ColdlineError as error:
        _log(str(error))
    except KeyboardInterrupt:
        _log("interrupted")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _detach(name: str) -> None:
    """Let go of the terminal: input is empty, output is the log."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    empty = os.open(os.devnull, os.O_RDWR)
    log = empty
    with contextlib.suppress(OSError):
        path = f"{LOG_FOLDER}/coldline-{name}.log"
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, target in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    for descriptor in {empty, log} - {0, 1, 2}:
        os.close(descriptor)


def _log(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}", file=sys.stderr, flush=True)


def _keep(
    options: argparse.Namespace, domain: XenDomain, create: "Create", log: Callable[[str], None]
) -> None:
    bindings = SystemBindings()
    again = argparse.Namespace(**vars(options))
    # the file was read and checked: what it sets is in the arguments now
    again.settings, again.trace, again.paused = [], None, False

    def restart(name: str, handle: bytes) -> Kept:
        from uuid import UUID

        again.name, again.uuid = name, UUID(bytes=handle)
        with interrupts_between_calls(bindings) as held:
            made, _ = create(again, held)
        return Kept(made.domid, made.handle)

    keeper = Keeper(bindings, options.actions or ShutdownActions(), restart, log)
    keeper.keep(Kept(domain.domid, domain.handle))
