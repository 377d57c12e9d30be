# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline pause``, ``unpause`` and ``destroy``: one operation on one domain of Xen."""

import argparse

from coldline.hypervisor.xen import SystemBindings
from coldline.hypervisor.xen.domain_list import DomainList


def run_pause(options: argparse.Namespace) -> int:
    """Pause a domain; return exit status 0."""
    domains = DomainList(SystemBindings())
    domains.pause(domains.find(options.domain))
    return 0


def run_unpause(options: argparse.Namespace) -> int:
    """Unpause a domain; return exit status 0."""
    domains = DomainList(SystemBindings())
    domains.unpause(domains.find(options.domain))
    return 0


def run_destroy(options: argparse.Namespace) -> int:
    """Destroy a domain, and remove what is left of it; return exit status 0."""
    domains = DomainList(SystemBindings())
    domains.destroy(domains.find(options.domain))
    return 0
