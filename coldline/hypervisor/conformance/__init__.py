# SPDX-License-Identifier: GPL-2.0-or-later
"""Conformance checks for hypervisors: simulated hosts, a real Xen, or a back end of your own.

Each function of `CHECKS` takes a `HypervisorUnderTest`. It raises `ConformanceError` where the hypervisor breaks the
protocol of `coldline.hypervisor.Hypervisor`, or lets the hypervisor's own error through.
"""

from collections.abc import Callable
from typing import Final

from coldline.hypervisor.conformance import domains, mappings
from coldline.hypervisor.conformance.subject import HypervisorUnderTest

__all__ = ["CHECKS", "HypervisorUnderTest"]

CHECKS: Final[tuple[Callable[[HypervisorUnderTest], None], ...]] = (
    mappings.bytes_arrive,
    mappings.types_are_honoured_or_refused,
    mappings.mappings_have_bounds,
    mappings.user_maintenance_is_the_architectures,
    mappings.closed_mappings_do_nothing,
    mappings.mappings_move,
    mappings.moved_mappings_hold_what_they_map,
    mappings.pages_are_mapped_once,
    domains.ranges_are_whole_pages_of_ram,
    mappings.mappings_have_a_largest_size,
    domains.domains_start_once,
    domains.domains_are_destroyed_once,
    domains.mapped_domains_die_when_they_are_unmapped,
    domains.invalid_domains_are_refused,
)
"""Every check."""
