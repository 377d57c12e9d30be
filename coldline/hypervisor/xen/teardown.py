# SPDX-License-Identifier: GPL-2.0-or-later
"""Destroys a domain with its devices and entries, in an order that leaves nothing even if this process is killed."""

import contextlib
import errno
import time
from typing import Final

from coldline.hypervisor.xen.bindings.protocols import Bindings, StorePort
from coldline.hypervisor.xen.devices.detaching import detach_devices, has_devices
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import Hypercalls
from coldline.hypervisor.xen.store_entries import remove_entries, uuid_text

GONE_WAIT_S: Final = 2.0
"""Seconds to wait until other processes have unmapped a domain's memory."""


def tear_down(
    calls: Hypercalls, store: StorePort | None, bindings: Bindings, domid: int, handle: bytes
) -> None:
    """Destroy a domain, if it exists, and remove its devices, its entries in xenstore and libxl's record of it.

    Its devices are taken away first, as only its entries say what they are. The entries are removed next: if this
    process is killed in between, a domain without entries is left, which can be found, and never entries without a
    domain. They are removed again at the end, as daemons may have written some in the meantime: xenconsoled maps a
    new domain's ring and then writes its terminal (xen tools/console/daemon/io.c (4.17), console_create_ring,
    console_create_tty). Once nothing maps the domain, no daemon writes any more.

    Parameters
    ----------
    calls : Hypercalls
        Hypercalls to Xen.
    store : StorePort or None
        xenstore; None if it has no entries of the domain.
    bindings : Bindings
        The bindings, for libxl's records and hotplug scripts.
    domid : int
        The domain's number.
    handle : bytes
        Its UUID.

    Raises
    ------
    HypervisorError
        If a step fails; the message names it, and the other steps are done.
    """
    try:
        _detach(calls, store, bindings, domid)
        _remove(store, domid, handle)
        with error_context(f"domain {domid}: remove libxl's record"):
            bindings.records.remove(domid, uuid_text(handle))
    finally:
        with error_context(f"domain {domid}: destroy"):
            destroy_if_there(calls, domid)
    if store is not None:
        _await_end(calls, domid, handle)
        _remove(store, domid, handle)


def destroy_if_there(calls: Hypercalls, domid: int) -> None:
    """Destroy a domain that may be gone already."""
    try:
        calls.destroy(domid)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


def _await_end(calls: Hypercalls, domid: int, handle: bytes) -> None:
    end = time.monotonic() + GONE_WAIT_S
    with error_context(f"domain {domid}: destroy"):
        while (info := calls.domain(domid)) is not None and bytes(info.handle) == handle:
            if time.monotonic() > end:
                return
            time.sleep(0.01)


def _detach(calls: Hypercalls, store: StorePort | None, bindings: Bindings, domid: int) -> None:
    if store is None:
        return
    with error_context(f"domain {domid}: take its devices away"):
        if has_devices(store, domid):
            with contextlib.suppress(OSError):
                calls.pause(domid)  # it may be gone
            detach_devices(store, bindings.scripts, domid)


def _remove(store: StorePort | None, domid: int, handle: bytes) -> None:
    if store is not None:
        with error_context(f"domain {domid}: remove from xenstore"):
            remove_entries(store, domid, handle)
