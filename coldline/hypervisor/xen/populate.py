# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives a domain memory in extents of the sizes of stage 2 entries."""

import errno
import os
from typing import Final

from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import MAX_EXTENTS, Hypercalls
from coldline.support.units import PAGE_SIZE

_ORDERS: Final = (18, 9, 0)
"""Sizes of the extents, as powers of two of frames: 1 GiB, 2 MiB and 4 KiB, as stage 2 entries."""


def populate_extents(hypercalls: Hypercalls, domain: XenDomain, address: int, size: int) -> None:
    """Give a domain memory, in whole pages, in the largest extents that fit and that Xen has free.

    Raises
    ------
    HypervisorError
        If Xen has not enough memory; the message has the first address without memory. The domain keeps the rest.
    """
    at, end = address // PAGE_SIZE, (address + size) // PAGE_SIZE
    refused = dict.fromkeys(_ORDERS, 0)  # Xen has no extents of that order below this frame
    while at < end:
        order = next(
            order
            for order in _ORDERS
            if order == 0 or (at % (1 << order) == 0 and at + (1 << order) <= end and at >= refused[order])
        )
        most = (end - at) >> order
        if order != _ORDERS[0]:  # up to where a larger extent is possible again
            larger = 1 << _ORDERS[_ORDERS.index(order) - 1]
            most = min(most, (larger - at % larger) >> order)
        extents = range(at, at + (min(most, MAX_EXTENTS) << order), 1 << order)
        with error_context(f"domain {domain.domid}: populate {at * PAGE_SIZE:#x}"):
            done = _populate(hypercalls, domain, extents, order)
        at += done << order
        if done < len(extents):
            if order == 0:
                reason = f"XENMEM_populate_physmap: {os.strerror(errno.ENOMEM)}"
                raise domain.error(f"populate {at * PAGE_SIZE:#x}", reason)
            refused[order] = at + (1 << order)


def _populate(hypercalls: Hypercalls, domain: XenDomain, extents: range, order: int) -> int:
    """Populate `extents`; return how many the domain got."""
    try:
        return hypercalls.populate(domain.domid, extents, order)
    except OSError as error:
        if order == 0 or error.errno not in (errno.ENOMEM, errno.EPERM):
            raise
        return 0
