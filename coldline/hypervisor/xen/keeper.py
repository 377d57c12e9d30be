# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for a domain's shutdown, and does what its configuration says: destroy, restart, preserve, dump its core.

Source: xen tools/xl/xl_vmcontrol.c (4.17), handle_domain_death and create_domain; docs/man/xl.cfg.5.pod.in (4.17).
"""

import os
import time
from collections.abc import Callable
from typing import Final

from coldline.errors import ColdlineError, HypervisorError
from coldline.hypervisor.xen.bindings.protocols import Bindings
from coldline.hypervisor.xen.domain_list import DomainInfo, DomainList
from coldline.hypervisor.xen.domain_setup import ShutdownActions
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import Hypercalls
from coldline.hypervisor.xen.store_entries import rename, uuid_text
from coldline.support.frozen_record import Record

PAUSE_S: Final = 2.0
"""Seconds before a domain is built again, as with xl: one that ends at once does not take all of dom0's time."""

DUMP_FOLDER: Final = "/var/lib/xen/dump"
"""XEN_DUMP_DIR: where xl writes cores, by the domain's name."""

_END_OF_DOMAINS: Final = "@releaseDomain"
"""xenstored's event when Xen reports that a domain has shut down or is gone (VIRQ_DOM_EXC)."""


class Kept(Record):
    """A domain that is kept: its number and its UUID."""

    domid: int
    handle: bytes


def dump_core(domid: int, name: str) -> None:
    """Write a domain's core to `DUMP_FOLDER` by ``xl dump-core``, whose format depends on Xen's version.

    Raises
    ------
    OSError
        If there is no xl, or the folder cannot be made.
    HypervisorError
        If xl fails.
    """
    import subprocess

    os.makedirs(DUMP_FOLDER, mode=0o700, exist_ok=True)
    words = ["xl", "dump-core", str(domid), f"{DUMP_FOLDER}/{name}"]
    done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise HypervisorError(f"xl dump-core: exit status {done.returncode}")


class Keeper:
    """Keeps a domain, and those that are built in its place.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.
    actions : ShutdownActions
        What happens after each kind of shutdown.
    restart : callable
        Builds the domain again, with a name and a UUID; returns the new one.
    log : callable
        Takes each line of the log.
    dump : callable
        Writes the core of a domain, by its number and name.
    pause_s : float
        Seconds before a domain is built again.
    """

    def __init__(
        self,
        bindings: Bindings,
        actions: ShutdownActions,
        restart: Callable[[str, bytes], Kept],
        log: Callable[[str], None],
        *,
        dump: Callable[[int, str], None] = dump_core,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._bindings = bindings
        self._domains = DomainList(bindings)
        self._actions = actions
        self._restart = restart
        self._log = log
        self._dump = dump
        self._pause_s = pause_s

    def keep(self, domain: Kept) -> None:
        """Keep a domain until there is nothing left to do.

        Raises
        ------
        ColdlineError
            If a domain cannot be destroyed or built again.
        """
        with error_context("watch for the end of domains"):
            self._bindings.store.watch(_END_OF_DOMAINS)
        following: Kept | None = domain
        while following is not None:
            self._log(f"domain {following.domid}: waiting for its end")
            following = self._after_end(following)

    def _after_end(self, domain: Kept) -> Kept | None:
        """Wait for a domain's end and act; return the domain in its place, if any."""
        ended = self._await_shutdown(domain)
        if ended is None:
            self._log(f"domain {domain.domid}: destroyed")
            return None
        action = self._action(ended)
        self._log(f"domain {domain.domid}: shut down ({ended.shutdown}): {action}")
        if action.startswith("coredump-"):
            self._try_to_dump(ended)
            action = action.removeprefix("coredump-")
        if action == "rename-restart":
            self._rename(ended)
        elif action in ("destroy", "restart"):
            self._domains.destroy(ended)
        if action not in ("restart", "rename-restart"):
            return None
        time.sleep(self._pause_s)
        return self._restart(ended.name, domain.handle)

    def _await_shutdown(self, domain: Kept) -> DomainInfo | None:
        """Return the domain once it has shut down; None once it is destroyed."""
        while True:
            known = self._domains.known(domain.domid)
            if known is None or known.uuid != domain.handle or known.state == "dying":
                return None
            if known.shutdown:
                return known
            with error_context(f"domain {domain.domid}: wait for its end"):
                self._bindings.store.await_event()

    def _action(self, ended: DomainInfo) -> str:
        if ended.shutdown == "suspend":
            return "preserve"
        action = str(getattr(self._actions, ended.shutdown.replace(" ", "_"), "destroy"))
        if action == "soft-reset":
            self._log(f"domain {ended.domid}: Xen on Arm has no soft reset")
            return "destroy"
        return action

    def _try_to_dump(self, ended: DomainInfo) -> None:
        """Dump a core; as with xl, a failure changes nothing else."""
        try:
            self._dump(ended.domid, ended.name)
        except (OSError, ColdlineError) as error:
            self._log(f"domain {ended.domid}: no core: {error}")

    def _rename(self, ended: DomainInfo) -> None:
        """Give the domain that stays a name with the time, and another UUID."""
        name = f"{ended.name}{time.strftime('-%Y%m%dT%H%MZ', time.gmtime())}"
        handle = os.urandom(len(ended.uuid))
        with error_context(f"domain {ended.domid}: rename"):
            rename(self._bindings.store, ended.domid, ended.uuid, handle, name)
            Hypercalls(self._bindings.calls).set_handle(ended.domid, handle)
            self._bindings.records.move(ended.domid, uuid_text(ended.uuid), uuid_text(handle))
        self._log(f"domain {ended.domid}: stays as {name}")
