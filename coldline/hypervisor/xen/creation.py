# SPDX-License-Identifier: GPL-2.0-or-later
"""The request with which a domain is created on Xen, and what Xen returns."""

import os
from typing import Final

from coldline.hypervisor.xen import structures
from coldline.hypervisor.xen.interface import Interface
from coldline.support.frozen_record import Record
from coldline.support.units import MIB, PAGE_SIZE

ADDRESS_BITS: Final = {"arm64": 64, "arm32": 32}
"""The architectures of guests, with the width of their kernels' addresses."""

MAX_MEMORY_SLACK_KIB: Final = 1024
"""Memory that a domain may have in addition to its RAM, for rings: xen tools/libs/light/libxl_internal.h (4.17),
LIBXL_MAXMEM_CONSTANT."""

_HVM_HAP: Final = 3
"""XEN_DOMCTL_CDF_hvm and XEN_DOMCTL_CDF_hap: the only flags that Xen accepts for an ARM guest."""

_MAX_EVENT_PORT: Final = 1023
_GRANT_VERSION: Final = 1


class Platform(Record):
    """The virtual hardware that Xen gives to guests.

    Attributes
    ----------
    gic_version : int
        Version of their interrupt controller: 2 or 3.
    address_bits : int
        Width of their physical addresses.
    """

    gic_version: int
    address_bits: int


def create_request(
    interface: Interface, handle: bytes | None, vcpus: int, shared_interrupts: int
) -> structures.AnyCreateDomain:
    """Return the argument of XEN_DOMCTL_createdomain; without a `handle`, it gets a random one."""
    request = interface.create()
    request.handle[:] = handle or os.urandom(structures.DOMAIN_HANDLE_BYTES)
    request.flags = _HVM_HAP
    request.max_vcpus = vcpus
    request.max_evtchn_port = _MAX_EVENT_PORT
    request.max_grant_frames = request.max_maptrack_frames = -1  # Xen's own defaults
    if hasattr(request, "grant_opts"):
        request.grant_opts = _GRANT_VERSION
    request.arch.nr_spis = shared_interrupts
    return request


def paging_pool(memory: int, vcpus: int) -> int:
    """Return how many bytes a domain's stage 2 tables may take.

    Source: xen tools/libs/light/libxl_utils.c (4.17), libxl__get_required_paging_memory.
    """
    return PAGE_SIZE * (256 * vcpus + -(-memory // MIB) + 128)
