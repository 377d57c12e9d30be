# SPDX-License-Identifier: GPL-2.0-or-later
"""The request with which a domain is created on Xen, and what Xen returns."""

import errno
import os
from typing import TYPE_CHECKING, Final

from coldline.errors import HypervisorError
from coldline.hypervisor.xen import structures
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.interface import Interface
from coldline.hypervisor.xen.interrupts import interrupts_held
from coldline.hypervisor.xen.store_entries import write_identity
from coldline.support.frozen_record import Record
from coldline.support.units import MIB, PAGE_SIZE

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings
    from coldline.hypervisor.xen.domain import XenDomain
    from coldline.hypervisor.xen.hypercalls import Hypercalls

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
    interface: Interface, handle: bytes | None, vcpus: int, shared_interrupts: int, pool: int = 0
) -> structures.AnyCreateDomain:
    """Return the argument of XEN_DOMCTL_createdomain; without a `handle`, it gets a random one.

    Raises
    ------
    HypervisorError
        If a cpupool other than the first is asked for, and this Xen does not take one.
    """
    request = interface.create()
    request.handle[:] = handle or os.urandom(structures.DOMAIN_HANDLE_BYTES)
    request.flags = _HVM_HAP
    request.max_vcpus = vcpus
    request.max_evtchn_port = _MAX_EVENT_PORT
    request.max_grant_frames = request.max_maptrack_frames = -1  # Xen's own defaults
    if hasattr(request, "grant_opts"):
        request.grant_opts = _GRANT_VERSION
    if hasattr(request, "cpupool_id"):
        request.cpupool_id = pool
    elif pool:
        raise HypervisorError(f"create domain: Xen {interface.name} takes no cpupool for a new domain")
    request.arch.nr_spis = shared_interrupts
    return request


def paging_pool(memory: int, vcpus: int) -> int:
    """Return how many bytes a domain's stage 2 tables may take.

    Source: xen tools/libs/light/libxl_utils.c (4.17), libxl__get_required_paging_memory.
    """
    return PAGE_SIZE * (256 * vcpus + -(-memory // MIB) + 128)


def memory_needed(memory: int, vcpus: int) -> int:
    """Return how many bytes of the machine's memory a domain takes: RAM, tables, and a margin for its rings."""
    return memory + paging_pool(memory, vcpus) + MAX_MEMORY_SLACK_KIB * 1024


def check_free(calls: "Hypercalls", memory: int, vcpus: int) -> None:
    """Check that the machine has memory for a domain.

    Raises
    ------
    HypervisorError
        If not.
    """
    if calls.interface.xen < (4, 15):
        return  # its sysctl has another layout, and populating fails later
    with error_context("query free memory"):
        machine = calls.physical()
    free = (machine.free_pages + machine.scrub_pages - machine.outstanding_pages) * PAGE_SIZE
    need = memory_needed(memory, vcpus)
    if free < need:
        raise HypervisorError(
            f"the guest needs {-(-need // MIB)} MiB with Xen's tables for it, and Xen has {free // MIB} MiB free"
        )


def query_platform(calls: "Hypercalls", request: structures.AnyCreateDomain) -> Platform:
    """Return the virtual hardware that a domain gets; it is created for that, and destroyed."""
    domid, made = calls.create(request)
    try:
        info = calls.domain(domid)
        calls.destroy(domid)
    except BaseException:
        from coldline.hypervisor.xen.teardown import destroy_if_there

        with interrupts_held():
            destroy_if_there(calls, domid)
        raise
    return Platform(int(made.arch.gic_version) + 1, int(getattr(info, "gpaddr_bits", 0)))


def write_name(bindings: "Bindings", domain: "XenDomain", name: str) -> None:
    """Write who a new domain is to xenstore.

    Raises
    ------
    HypervisorError
        If xenstored does not answer.
    UsageError
        If another domain has the name.
    """
    with error_context(f"domain {domain.domid}: xenstore"):
        store = bindings.store
        domain.in_store = True
        write_identity(store, domain.domid, domain.handle, name)


def set_limits(calls: "Hypercalls", domain: "XenDomain") -> None:
    """Give a new domain its vCPUs, its limit of memory, memory for its stage 2 tables, and its kernel's width."""
    domid, memory, vcpus = domain.domid, domain.max_memory, domain.vcpus
    calls.set_max_vcpus(domid, vcpus)
    calls.set_max_memory(domid, memory // 1024 + MAX_MEMORY_SLACK_KIB)
    try:
        calls.set_paging_pool(domid, paging_pool(memory, vcpus))
    except OSError as error:
        if calls.interface.paging_pool or error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
    calls.set_address_size(domid, ADDRESS_BITS[domain.architecture])
