# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory for a domain, in extents of the sizes that stage 2 has entries for."""

import errno
import os
from typing import Final

from coldline.hypervisor.xen.domain import XenDomain
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import MAX_EXTENTS, Hypercalls
from coldline.support.units import PAGE_SIZE

_ORDERS: Final = (18, 9, 0)
"""Extents that Xen is asked for: 1 GiB, 2 MiB and 4 KiB, the sizes of entries of stage 2."""


def populate_extents(hypercalls: Hypercalls, domain: XenDomain, address: int, size: int) -> None:
    """Give a domain memory, whole pages, in the largest extents that fit and that Xen has.

    Raises
    ------
    HypervisorError
        If Xen has not so much; the message says from where on. What it gave so far is the domain's.
    """
    at, end = address // PAGE_SIZE, (address + size) // PAGE_SIZE
    refused = dict.fromkeys(_ORDERS, 0)  # up to this frame there are no extents of that order to be had
    while at < end:
        order = next(
            order
            for order in _ORDERS
            if order == 0 or (at % (1 << order) == 0 and at + (1 << order) <= end and at >= refused[order])
        )
        most = (end - at) >> order
        if order != _ORDERS[0]:  # as far as a larger one may do again
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
    """How many of `extents` a domain got."""
    try:
        return hypercalls.populate(domain.domid, extents, order)
    except OSError as error:
        if order == 0 or error.errno not in (errno.ENOMEM, errno.EPERM):
            raise
        return 0
