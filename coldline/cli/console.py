# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline console``."""

import argparse
import contextlib
import signal
import sys
from types import FrameType
from typing import NoReturn

from coldline.cli.console_session import attach
from coldline.hypervisor.xen import SystemBindings
from coldline.hypervisor.xen.console.consoles import open_console
from coldline.hypervisor.xen.console.lock import console_lock
from coldline.hypervisor.xen.domain_list import DomainList


def run_console(options: argparse.Namespace) -> int:
    """Connect to a guest's console until Ctrl-] is typed or the guest ends; return exit status 0."""
    connect(options.domain, vuart=options.vuart, raw=options.raw)
    return 0


def connect(name: str, *, vuart: bool = False, raw: bool = False) -> None:
    """Connect standard input and output to a guest's console until Ctrl-] is typed or the guest ends.

    Parameters
    ----------
    name : str
        The guest's name or domain ID.
    vuart : bool
        Connect to its emulated PL011, not to hvc0.
    raw : bool
        Print output unchanged.

    Raises
    ------
    ColdlineError
        If there is no such guest, or another process is connected to its console.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that the terminal's modes are restored
    bindings = SystemBindings()
    domains = DomainList(bindings)
    domain = domains.find(name)
    with (
        console_lock(domain.domid),
        contextlib.closing(open_console(bindings, domain, vuart=vuart)) as console,
    ):
        if attach(console, lambda: domains.is_alive(domain), raw=raw):
            print(f"coldline: domain {domain.domid} has ended", file=sys.stderr)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
