# SPDX-License-Identifier: GPL-2.0-or-later
"""A domain's end: Xen's part and xenstore's, in an order that leaves nothing, whoever is killed meanwhile."""

import errno
import time
from typing import Final

from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import Hypercalls
from coldline.hypervisor.xen.ports.protocols import StorePort
from coldline.hypervisor.xen.store_entries import remove_entries

GONE_WAIT_S: Final = 2.0
"""How long others may keep a domain's memory mapped before it is not waited for any more, in seconds."""


def tear_down(calls: Hypercalls, store: StorePort | None, domid: int, handle: bytes) -> None:
    """End a domain, if it is there, and remove what xenstore has of it.

    xenstore comes first: whoever is killed in between leaves a domain that can be seen, never entries of none.
    And last, for what its daemons wrote meanwhile: xenconsoled maps a new domain's ring, and then writes down the
    terminal that it made (xen tools/console/daemon/io.c (4.17), console_create_ring, console_create_tty), so that it
    has nothing more to write once nobody maps the domain and it is gone.

    Parameters
    ----------
    calls : Hypercalls
        To Xen.
    store : StorePort or None
        xenstore; None if it has nothing of the domain.
    domid : int
        The domain's number.
    handle : bytes
        Its UUID.

    Raises
    ------
    HypervisorError
        If a step fails, which it names; the others are done.
    """
    try:
        _remove(store, domid, handle)
    finally:
        with error_context(f"domain {domid}: destroy"):
            destroy_if_there(calls, domid)
    if store is not None:
        _await_end(calls, domid, handle)
        _remove(store, domid, handle)


def destroy_if_there(calls: Hypercalls, domid: int) -> None:
    """Have Xen end a domain that may have ended already."""
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


def _remove(store: StorePort | None, domid: int, handle: bytes) -> None:
    if store is not None:
        with error_context(f"domain {domid}: remove from xenstore"):
            remove_entries(store, domid, handle)
