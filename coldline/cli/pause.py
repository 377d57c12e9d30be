# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline pause``."""

import argparse

from coldline.hypervisor.xen import RealWorld
from coldline.hypervisor.xen.domain_list import Domains


def run_pause(options: argparse.Namespace) -> int:
    """Stop a domain where it is; exit status 0."""
    domains = Domains(RealWorld())
    domains.pause(domains.find(options.domain))
    return 0
