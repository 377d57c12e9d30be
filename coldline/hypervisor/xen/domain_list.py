# SPDX-License-Identifier: GPL-2.0-or-later
"""The existing domains of a Xen: list, find, pause, unpause and destroy them."""

from coldline.errors import HypervisorError, UsageError
from coldline.hypervisor.xen.bindings.protocols import Bindings, StorePort
from coldline.hypervisor.xen.failures import error_context
from coldline.hypervisor.xen.hypercalls import Hypercalls
from coldline.hypervisor.xen.store_entries import home_of
from coldline.hypervisor.xen.structures import AnyDomainInfo
from coldline.hypervisor.xen.teardown import tear_down
from coldline.support.frozen_record import Record
from coldline.support.units import PAGE_SIZE

_DYING, _SHUTDOWN, _PAUSED, _BLOCKED, _RUNNING = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_REASON_SHIFT = 16
"""xen xen/include/public/domctl.h (4.17), XEN_DOMINF_*."""

_REASONS = ("poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset")
"""xen xen/include/public/sched.h (4.17), SHUTDOWN_*."""


class DomainInfo(Record):
    """An existing domain, as Xen and xenstore describe it.

    Attributes
    ----------
    domid : int
        Its number.
    name : str
        Its name in xenstore; empty if it has none.
    uuid : bytes
        Its handle.
    memory : int
        All its memory in bytes, with rings.
    vcpus : int
        Number of virtual CPUs that are online.
    state : str
        ``running``, ``blocked``, ``paused``, ``dying``, ``shutdown`` or, while it waits for a processor, ``ready``.
    shutdown : str
        Why it shut down; empty if it has not.
    seconds : float
        Processor time used.
    """

    domid: int
    name: str
    uuid: bytes
    memory: int
    vcpus: int
    state: str
    shutdown: str
    seconds: float


class DomainList:
    """Lists and controls the domains of a Xen.

    Parameters
    ----------
    bindings : Bindings
        The bindings to Xen.

    Raises
    ------
    HypervisorError
        If this is not a dom0, or Xen's version is not supported.
    """

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._without_store = False
        with error_context("open Xen"):
            self._calls = Hypercalls(bindings.calls)

    def all(self) -> list[DomainInfo]:
        """Return every domain, by number; without names if xenstored does not run."""
        with error_context("list domains"):
            return [self._known(info) for info in self._calls.domains()]

    def find(self, word: str) -> DomainInfo:
        """Return the domain with a number or a name.

        Raises
        ------
        UsageError
            If there is no such domain, or several have the name.
        """
        if word.isascii() and word.isdigit():
            with error_context(f"domain {word}"):
                info = self._calls.domain(int(word)) if len(word) < 6 else None
            found = [] if info is None else [self._known(info)]
        else:
            found = [domain for domain in self.all() if domain.name == word]
        if len(found) > 1:
            numbers = " and ".join(str(domain.domid) for domain in found)
            raise UsageError(f"domains {numbers} have the name '{word}': use the number")
        if not found:
            raise UsageError(f"no domain '{word}': coldline list shows the domains")
        return found[0]

    def known(self, domid: int) -> DomainInfo | None:
        """Return the domain with a number, or None if there is none."""
        with error_context(f"domain {domid}"):
            info = self._calls.domain(domid)
        return None if info is None else self._known(info)

    def is_alive(self, domain: DomainInfo) -> bool:
        """Return whether a domain still exists, and is neither dying nor shut down."""
        with error_context(f"domain {domain.domid}"):
            info = self._calls.domain(domain.domid)
        return (
            info is not None and bytes(info.handle) == domain.uuid and not info.flags & (_DYING | _SHUTDOWN)
        )

    def pause(self, domain: DomainInfo) -> None:
        """Stop a domain's vCPUs."""
        with error_context(f"domain {domain.domid}: pause"):
            self._calls.pause(_guest(domain))

    def unpause(self, domain: DomainInfo) -> None:
        """Start a domain's vCPUs, or let them run on."""
        if domain.state != "paused":
            raise HypervisorError(f"domain {domain.domid}: unpause: it is {domain.state}, not paused")
        with error_context(f"domain {domain.domid}: unpause"):
            self._calls.unpause(_guest(domain))

    def destroy(self, domain: DomainInfo) -> None:
        """Destroy a domain, complete or not, and remove its entries in xenstore."""
        guest = _guest(domain)
        tear_down(self._calls, self._store(), self._bindings, guest, domain.uuid)

    def _known(self, info: AnyDomainInfo) -> DomainInfo:
        flags = info.flags
        states = {
            "dying": _DYING,
            "shutdown": _SHUTDOWN,
            "paused": _PAUSED,
            "blocked": _BLOCKED,
            "running": _RUNNING,
        }
        state = next((name for name, bit in states.items() if flags & bit), "ready")
        code = flags >> _REASON_SHIFT & 0xFF
        shutdown = ""
        if flags & _SHUTDOWN:
            shutdown = _REASONS[code] if code < len(_REASONS) else f"reason {code}"
        return DomainInfo(
            domid=info.domain,
            name=self._name(info.domain),
            uuid=bytes(info.handle),
            memory=info.tot_pages * PAGE_SIZE,
            vcpus=info.nr_online_vcpus,
            state=state,
            shutdown=shutdown,
            seconds=info.cpu_time / 1e9,
        )

    def _name(self, domid: int) -> str:
        store = self._store()
        name = store.read(f"{home_of(domid)}/name") if store is not None else None
        return (name or b"").decode("utf-8", "replace")

    def _store(self) -> StorePort | None:
        """Return xenstore, or None if xenstored does not run."""
        if not self._without_store:
            try:
                return self._bindings.store
            except HypervisorError:
                self._without_store = True
        return None


def _guest(domain: DomainInfo) -> int:
    if domain.domid == 0:
        raise HypervisorError("domain 0 is dom0 itself")
    return domain.domid
