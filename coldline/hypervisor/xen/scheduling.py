# SPDX-License-Identifier: GPL-2.0-or-later
"""Where and how much a new domain runs: its cpupool, the affinity of its vCPUs, its weight and cap.

Source: xen tools/xl/xl_parse.c parse_cpurange, tools/libs/light/libxl_sched.c (4.17).
"""

from typing import TYPE_CHECKING, Final

from coldline.errors import HypervisorError, UsageError
from coldline.hypervisor.xen.failures import error_context

if TYPE_CHECKING:
    from coldline.hypervisor.xen.bindings.protocols import Bindings, StorePort
    from coldline.hypervisor.xen.domain import XenDomain
    from coldline.hypervisor.xen.domain_setup import Scheduling
    from coldline.hypervisor.xen.hypercalls import Hypercalls

_POOLS: Final = "/local/pool"
_FIRST_POOL: Final = "Pool-0"
"""The name of cpupool 0, which xenstore may lack."""

_WITH_SHARES: Final = (5, 6)
"""The schedulers with weights and caps: XEN_SCHEDULER_CREDIT, XEN_SCHEDULER_CREDIT2."""

_WEIGHT: Final = 256
"""What a new domain has with both schedulers, without a cap."""


def pool_of(store: "StorePort", word: str | None) -> int:
    """Return the number of the cpupool with a name or a number.

    Raises
    ------
    UsageError
        If there is no such pool.
    """
    if word is None or word == _FIRST_POOL:
        return 0
    names = {number: store.read(f"{_POOLS}/{number}/name") for number in store.list(_POOLS)}
    for number, name in names.items():
        if word == number or name == word.encode("utf-8", "surrogateescape"):
            return int(number)
    if word == "0":
        return 0
    raise UsageError(f"no cpupool '{word}'")


def cpus_of(words: str, count: int) -> int:
    """Return the CPUs that a list such as ``0-3,^2`` names, as a bitmap: bit n is for CPU n of `count`.

    Raises
    ------
    UsageError
        If the list names nodes, which coldline does not know, or none of the CPUs.
    """
    found = 0
    for part in filter(None, words.split(",")):
        without = part.startswith("^")
        word = part.removeprefix("^")
        if "node" in word:
            raise UsageError(f"cpus: '{part}' names nodes, and coldline knows CPUs only")
        first, _, last = ("0", "-", str(count - 1)) if word == "all" else word.partition("-")
        bits = sum(1 << cpu for cpu in range(int(first), min(int(last or first), count - 1) + 1))
        found = found & ~bits if without else found | bits
    if not found:
        raise UsageError(f"cpus: '{words}' names none of the CPUs 0 to {count - 1}")
    return found


def affinities(calls: "Hypercalls", scheduling: "Scheduling", vcpus: int) -> list[int]:
    """Return the CPUs of each vCPU that has an affinity, from the first, as bitmaps."""
    if not scheduling.affinity:
        return []
    with error_context("query the machine's CPUs"):
        count = calls.physical().max_cpu_id + 1
    return [cpus_of(words, count) for words in scheduling.affinity[:vcpus]]


def schedule(
    bindings: "Bindings", calls: "Hypercalls", domain: "XenDomain", scheduling: "Scheduling", cpus: list[int]
) -> None:
    """Set a new domain's affinities, weight and cap.

    Raises
    ------
    HypervisorError
        If Xen refuses one, or the scheduler has no weights.
    """
    domid = domain.domid
    for vcpu, bits in enumerate(cpus):
        with error_context(f"domain {domid}: affinity of vCPU {vcpu}"):
            calls.set_affinity(domid, vcpu, bits)
    if scheduling.weight is None and scheduling.cap is None:
        return
    with error_context(f"domain {domid}: weight"):
        scheduler = calls.scheduler_of(pool_of(bindings.store, scheduling.pool))
        if scheduler not in _WITH_SHARES:
            raise HypervisorError(f"domain {domid}: weight: the scheduler of its cpupool has no weights")
        calls.set_share(domid, scheduler, scheduling.weight or _WEIGHT, scheduling.cap or 0)


def numbers_of(bits: int) -> list[int]:
    """Return the numbers of the CPUs in a bitmap."""
    return [cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1]
