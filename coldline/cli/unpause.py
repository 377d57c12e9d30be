# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline unpause``."""

import argparse

from coldline.hypervisor.xen import RealWorld
from coldline.hypervisor.xen.domain_list import Domains


def run_unpause(options: argparse.Namespace) -> int:
    """Let a paused domain run; exit status 0."""
    domains = Domains(RealWorld())
    domains.unpause(domains.find(options.domain))
    return 0
