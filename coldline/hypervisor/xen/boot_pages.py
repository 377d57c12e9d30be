# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets up a Xen guest's rings, event channels, grants and xenstore entries: everything besides RAM and registers.

Source: xen tools/libs/guest/xg_dom_arm.c, xg_dom_boot.c (4.17); Linux drivers/tty/hvc/hvc_xen.c (6.1).

By Xen's ABI, everyone maps rings as ordinary cacheable memory (xen xen/include/public/arch-arm.h (4.17)), so they are
cleared through a cached mapping, whatever strategy writes the guest's image.
"""

import ctypes
import time
from typing import TYPE_CHECKING, Final, Protocol

from coldline.arm import MemoryType
from coldline.guest.layout import EVENT_CHANNEL_PPI, MAGIC_PAGES
from coldline.hypervisor.protocol import Mapping
from coldline.hypervisor.xen.domain_setup import DomainSetup
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.libxl_record import libxl_json
from coldline.hypervisor.xen.scheduling import affinities, numbers_of, schedule
from coldline.hypervisor.xen.store_entries import Entries, Ring, uuid_text, write_entries
from coldline.hypervisor.xen.structures import GrantEntry
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings
    from coldline.hypervisor.xen.domain import XenDomain
    from coldline.hypervisor.xen.hypercalls import Hypercalls

_CONSOLE, _STORE, _MONITOR, _VUART = range(4)
"""Page numbers, counted from the start of `MAGIC_PAGES`: xen tools/libs/guest/xg_dom_arm.c (4.17)."""

_CALLBACK_IRQ, _STORE_PFN, _STORE_EVTCHN, _CONSOLE_PFN, _CONSOLE_EVTCHN, _MONITOR_RING_PFN = (
    0,
    1,
    2,
    17,
    18,
    28,
)
"""HVM parameters: xen xen/include/public/hvm/params.h (4.17)."""

_CALLBACK_BY_PPI: Final = 2 << 56 | 2 << 8
"""HVM_PARAM_CALLBACK_TYPE_PPI, HVM_PARAM_CALLBACK_TYPE_PPI_FLAG_LOW_LEVEL."""

_PERMIT_ACCESS: Final = 1
"""GTF_permit_access."""


class SetupHost(Protocol):
    """The part of `XenHost` that set-up uses; `RecordedXen` has it too."""

    @property
    def bindings(self) -> "Bindings":
        """The bindings to Xen."""

    @property
    def hypercalls(self) -> "Hypercalls":
        """Hypercalls to Xen."""

    def populate_unchecked(self, domain: "XenDomain", address: int, size: int) -> None:
        """Give a domain memory that need not be RAM."""

    def map_unchecked(self, domain: "XenDomain", address: int, size: int, memory_type: MemoryType) -> Mapping:
        """Map memory that need not be RAM."""

    def unmap_resource(self, domain: "XenDomain", resource: object) -> None:
        """Unmap a grant table."""


def set_up_domain(host: SetupHost, domain: "XenDomain", setup: DomainSetup) -> None:
    """Set up rings, event channels, grants and xenstore entries, after a domain is built and before it starts.

    Parameters
    ----------
    host : XenHost
        The domain's host; or `RecordedXen`.
    domain : XenDomain
        The domain, paused, with a name from `XenHost`. If a step fails, destroy it with `host.destroy`, which removes
        its entries in xenstore.
    setup : DomainSetup
        Its settings.

    Raises
    ------
    HypervisorError
        If a step fails; the message names the step.
    """
    calls, domid = host.hypercalls, domain.domid
    cpus = affinities(calls, setup.scheduling, domain.vcpus)
    schedule(host.bindings, calls, domain, setup.scheduling, cpus)
    pages = _VUART + 1 if setup.vuart else _VUART
    frames = [MAGIC_PAGES.base // PAGE_SIZE + page for page in range(pages)]
    host.populate_unchecked(domain, MAGIC_PAGES.base, pages * PAGE_SIZE)
    with host.map_unchecked(domain, MAGIC_PAGES.base, pages * PAGE_SIZE, MemoryType.NORMAL_WB) as rings:
        rings.write(0, bytes(rings.size))
    with error_context(f"domain {domid}: event channels"):
        store, console = (Ring(frames[page], calls.allocate_port(domid)) for page in (_STORE, _CONSOLE))
    parameters = {
        _CALLBACK_IRQ: _CALLBACK_BY_PPI | EVENT_CHANNEL_PPI,
        _STORE_PFN: store.frame,
        _STORE_EVTCHN: store.port,
        _CONSOLE_PFN: console.frame,
        _CONSOLE_EVTCHN: console.port,
        _MONITOR_RING_PFN: frames[_MONITOR],
    }
    for index, value in parameters.items():
        with error_context(f"domain {domid}: HVM parameter {index}"):
            calls.set_parameter(domid, index, value)
    _seed_grants(host, domain, (console.frame, store.frame))
    vuart = None
    if setup.vuart:
        with error_context(f"domain {domid}: emulated PL011"):
            vuart = Ring(frames[_VUART], calls.start_vuart(domid, frames[_VUART]))
    with error_context(f"domain {domid}: xenstore"):
        tree = host.bindings.store
        write_entries(
            tree,
            Entries(
                domid=domid,
                handle=domain.handle,
                memory_kib=domain.max_memory // 1024,
                max_memory_kib=(setup.max_memory or domain.max_memory) // 1024,
                vcpus=domain.vcpus,
                online_vcpus=domain.vcpus if setup.online_vcpus is None else setup.online_vcpus,
                start_s=time.time(),
                store=store,
                console=console,
                vuart=vuart,
            ),
        )
        tree.introduce(domid, store.frame, store.port)
    with error_context(f"domain {domid}: libxl's record"):
        affinity = [numbers_of(bits) for bits in cpus]
        text = libxl_json(setup, domain.handle, domain.max_memory, domain.vcpus, affinity)
        host.bindings.records.write(domid, uuid_text(domain.handle), text)


def _seed_grants(host: SetupHost, domain: "XenDomain", frames: tuple[int, int]) -> None:
    """Let dom0's daemons map the rings by grant: GNTTAB_RESERVED_CONSOLE, then GNTTAB_RESERVED_XENSTORE."""
    with error_context(f"domain {domain.domid}: grants"):
        resource, address = host.bindings.foreign.map_grant_table(domain.domid)
        try:
            table = (GrantEntry * len(frames))(*(GrantEntry(_PERMIT_ACCESS, 0, frame) for frame in frames))
            host.bindings.memory.copy(address, ctypes.string_at(table, ctypes.sizeof(table)))
        finally:
            host.unmap_resource(domain, resource)
