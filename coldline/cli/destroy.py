# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline destroy``."""

import argparse

from coldline.hypervisor.xen import RealWorld
from coldline.hypervisor.xen.domain_list import Domains


def run_destroy(options: argparse.Namespace) -> int:
    """End a domain at once, and remove what is left of it; exit status 0."""
    domains = Domains(RealWorld())
    domains.destroy(domains.find(options.domain))
    return 0
