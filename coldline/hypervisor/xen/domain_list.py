# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains that are there already, whoever built them."""

from coldline.errors import HypervisorError, UsageError
from coldline.hypervisor.xen.failures import naming
from coldline.hypervisor.xen.hypercalls import PAGE, Hypercalls
from coldline.hypervisor.xen.ports.world import World
from coldline.hypervisor.xen.store_entries import Tree, home_of
from coldline.hypervisor.xen.structures import AnyDomainInfo
from coldline.hypervisor.xen.teardown import end_domain
from coldline.support.record import Record

_DYING, _SHUTDOWN, _PAUSED, _BLOCKED, _RUNNING = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_REASON_SHIFT = 16
"""xen xen/include/public/domctl.h (4.17), XEN_DOMINF_*."""

_REASONS = ("poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset")
"""xen xen/include/public/sched.h (4.17), SHUTDOWN_*."""


class Known(Record):
    """A domain.

    Attributes
    ----------
    domid : int
        Its number.
    name : str
        What xenstore calls it; empty where it has no name there.
    uuid : bytes
        Its handle.
    memory : int
        Bytes that it has, rings and all.
    vcpus : int
        How many are online.
    state : str
        ``running``, ``blocked``, ``paused``, ``dying``, ``shutdown`` or, between two turns, ``ready``.
    shutdown : str
        Why it shut down; else empty.
    seconds : float
        Of processor time.
    """

    domid: int
    name: str
    uuid: bytes
    memory: int
    vcpus: int
    state: str
    shutdown: str
    seconds: float


class Domains:
    """The domains of a Xen.

    Parameters
    ----------
    world : World
        What reaches it.

    Raises
    ------
    HypervisorError
        If this is no dom0, or Xen's version is not known.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._without_store = False
        with naming("open Xen"):
            self._calls = Hypercalls(world.calls)

    def all(self) -> list[Known]:
        """Every domain, by number; without names where xenstored does not run."""
        with naming("list domains"):
            return [self._known(info) for info in self._calls.domains()]

    def find(self, word: str) -> Known:
        """The domain of a number or a name.

        Raises
        ------
        UsageError
            If there is none, or several have the name.
        """
        if word.isascii() and word.isdigit():
            with naming(f"domain {word}"):
                info = self._calls.domain(int(word)) if len(word) < 6 else None
            found = [] if info is None else [self._known(info)]
        else:
            found = [known for known in self.all() if known.name == word]
        if len(found) > 1:
            numbers = " and ".join(str(known.domid) for known in found)
            raise UsageError(f"domains {numbers} are called '{word}': give the number")
        if not found:
            raise UsageError(f"no domain '{word}': coldline list shows those that there are")
        return found[0]

    def lives(self, known: Known) -> bool:
        """Whether a domain is still there, and neither dying nor shut down."""
        with naming(f"domain {known.domid}"):
            info = self._calls.domain(known.domid)
        return info is not None and bytes(info.handle) == known.uuid and not info.flags & (_DYING | _SHUTDOWN)

    def pause(self, known: Known) -> None:
        """Stop a domain's vCPUs."""
        with naming(f"domain {known.domid}: pause"):
            self._calls.pause(_guest(known))

    def unpause(self, known: Known) -> None:
        """Let a domain's vCPUs run."""
        if known.state != "paused":
            raise HypervisorError(f"domain {known.domid}: unpause: it is not paused but {known.state}")
        with naming(f"domain {known.domid}: unpause"):
            self._calls.unpause(_guest(known))

    def destroy(self, known: Known) -> None:
        """End a domain, built or half-built, and remove what xenstore has of it."""
        end_domain(self._calls, self._store(), _guest(known), known.uuid)

    def _known(self, info: AnyDomainInfo) -> Known:
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
        return Known(
            domid=info.domain,
            name=self._name(info.domain),
            uuid=bytes(info.handle),
            memory=info.tot_pages * PAGE,
            vcpus=info.nr_online_vcpus,
            state=state,
            shutdown=shutdown,
            seconds=info.cpu_time / 1e9,
        )

    def _name(self, domid: int) -> str:
        store = self._store()
        name = store.read(f"{home_of(domid)}/name") if store is not None else None
        return (name or b"").decode("utf-8", "replace")

    def _store(self) -> Tree | None:
        """xenstore, or None where it does not run."""
        if not self._without_store:
            try:
                return self._world.store
            except HypervisorError:
                self._without_store = True
        return None


def _guest(known: Known) -> int:
    if known.domid == 0:
        raise HypervisorError("domain 0 is this one")
    return known.domid
