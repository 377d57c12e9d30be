# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest needs besides its memory: rings, event channels, grants, and a place in xenstore.

Source: xen tools/libs/guest/xg_dom_arm.c, xg_dom_boot.c (4.17); Linux drivers/tty/hvc/hvc_xen.c (6.1).

Rings are ordinary cacheable memory for all who share them, by Xen's ABI (xen xen/include/public/arch-arm.h (4.17)):
they are cleared through a cached mapping, whatever the guest's image is written through.
"""

import ctypes
from typing import TYPE_CHECKING, Final, Protocol

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.guest.layout import EVENT_CHANNEL_PPI, MAGIC_PAGES
from coldline.hypervisor.protocol import Mapping
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.store_entries import Entries, Ring, write_entries
from coldline.hypervisor.xen.structures import GrantEntry
from coldline.support.record import Record
from coldline.support.units import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.hypervisor.xen.domain import XenDomain
    from coldline.hypervisor.xen.hypercalls import Hypercalls
    from coldline.hypervisor.xen.ports.protocols import Ports

_CONSOLE, _STORE, _MONITOR, _VUART = range(4)
"""Pages, from the first of `MAGIC_PAGES`: xen tools/libs/guest/xg_dom_arm.c (4.17)."""

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

MAX_DOMAIN_NAME: Final = 255


class DomainSetup(Record):
    """How a guest is to be furnished.

    Attributes
    ----------
    name : str
        What users call it.
    vuart : bool
        Whether it has an emulated PL011 besides hvc0.
    """

    name: str
    vuart: bool = False


def check_name(name: str) -> None:
    """Check that a domain may be called that.

    Raises
    ------
    HypervisorError
        If not: a name has no slash, and nothing that could drive a terminal.
    """
    if not name or not name.isprintable() or "/" in name or len(name) > MAX_DOMAIN_NAME or name.isdigit():
        raise HypervisorError(
            f"{name!r} is no name for a domain: up to {MAX_DOMAIN_NAME} printable characters, no slash, not a number"
        )


class Host(Protocol):
    """What is asked of `XenHost`, or of its recorder."""

    @property
    def ports(self) -> "Ports":
        """What reaches Xen."""

    @property
    def hypercalls(self) -> "Hypercalls":
        """To Xen."""

    def populate_unchecked(self, domain: "XenDomain", address: int, size: int) -> None:
        """Give a domain memory."""

    def map_unchecked(self, domain: "XenDomain", address: int, size: int, memory_type: MemoryType) -> Mapping:
        """Map it."""

    def unmap_resource(self, domain: "XenDomain", resource: object) -> None:
        """Unmap a grant table."""


def set_up_domain(host: Host, domain: "XenDomain", setup: DomainSetup) -> None:
    """Furnish a domain that is built and has not run.

    Parameters
    ----------
    host : XenHost
        Whose it is; or `RecordedXen`.
    domain : XenDomain
        Paused. If a step fails it is to be destroyed with `host.destroy`, which removes what it has in xenstore.
    setup : DomainSetup
        How.

    Raises
    ------
    HypervisorError
        If a step fails, which it names.
    """
    check_name(setup.name)
    calls, domid = host.hypercalls, domain.domid
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
        tree = host.ports.store
        domain.in_store = True
        write_entries(
            tree,
            Entries(
                domid=domid,
                handle=domain.handle,
                name=setup.name,
                memory_kib=domain.max_memory // 1024,
                vcpus=domain.vcpus,
                store=store,
                console=console,
                vuart=vuart,
            ),
        )
        tree.introduce(domid, store.frame, store.port)


def _seed_grants(host: Host, domain: "XenDomain", frames: tuple[int, int]) -> None:
    """Let dom0's daemons map the rings by grant: GNTTAB_RESERVED_CONSOLE, then GNTTAB_RESERVED_XENSTORE."""
    with error_context(f"domain {domain.domid}: grants"):
        resource, address = host.ports.foreign.map_grant_table(domain.domid)
        try:
            table = (GrantEntry * len(frames))(*(GrantEntry(_PERMIT_ACCESS, 0, frame) for frame in frames))
            host.ports.memory.copy(address, ctypes.string_at(table, ctypes.sizeof(table)))
        finally:
            host.unmap_resource(domain, resource)
