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
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that the terminal's modes are restored
    bindings = SystemBindings()
    domains = DomainList(bindings)
    domain = domains.find(options.domain)
    with (
        console_lock(domain.domid),
        contextlib.closing(open_console(bindings, domain, vuart=options.vuart)) as console,
    ):
        if attach(console, lambda: domains.is_alive(domain), raw=options.raw):
            print(f"coldline: domain {domain.domid} has ended", file=sys.stderr)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
