# SPDX-License-Identifier: GPL-2.0-or-later
"""Strategies for writing a guest's memory past the caches, and `build_domain`, which carries out a plan."""

import contextlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from coldline.arm import MemoryType
from coldline.errors import HypervisorError, UsageError
from coldline.guest.plan import Plan, Segment
from coldline.hypervisor.protocol import DomainT, Hypervisor, Mapping, SourcePart, slice_data
from coldline.support.choices import choices
from coldline.support.frozen_record import Record
from coldline.support.units import PAGE_SIZE

_WB: Final = MemoryType.NORMAL_WB
_NC: Final = MemoryType.NORMAL_NC


class Strategy(Record):
    """A way to write a guest's memory: the mapping's memory type, and which cache maintenance follows.

    Attributes
    ----------
    name, summary : str
        Its name for users, and a description in one line.
    mapping_type : MemoryType
        Memory type of the builder's mapping.
    user_clean_invalidate : bool
        Whether the builder cleans and invalidates by address before it unmaps.
    user_cacheflush : bool
        Whether the builder calls Armv7 Linux's cacheflush before it unmaps.
    hypercall : bool
        Whether the hypervisor maintains each segment after all are written and unmapped.
    zeroes_last_page : bool
        Whether the builder writes the rest of a segment's last page of data, too.
    architectures : tuple of str
        The architectures on which it exists.
    """

    name: str
    summary: str
    mapping_type: MemoryType
    user_clean_invalidate: bool = False
    user_cacheflush: bool = False
    hypercall: bool = False
    zeroes_last_page: bool = True
    architectures: tuple[str, ...] = ("arm64", "arm32")


_ALL: Final = (
    Strategy("none", "cached mapping, no maintenance", _WB),
    Strategy(
        "flush",
        "cached mapping, DC CIVAC by address from user space before the unmap",
        _WB,
        user_clean_invalidate=True,
        architectures=("arm64",),
    ),
    Strategy(
        "syscall",
        "cached mapping, Armv7 Linux's cacheflush system call: to the point of unification",
        _WB,
        user_cacheflush=True,
        architectures=("arm32",),
    ),
    Strategy("uncached", "Normal non-cacheable mapping, no maintenance: the RFC", _NC),
    Strategy(
        "hypercall",
        "cached mapping, then the hypervisor's own maintenance: XEN_DOMCTL_cacheflush; on KVM, entering stage 2",
        _WB,
        hypercall=True,
    ),
    Strategy(
        "uncached-hypercall",
        "Normal non-cacheable mapping, then the hypervisor's own maintenance",
        _NC,
        hypercall=True,
    ),
)

STRATEGIES: Final = MappingProxyType({strategy.name: strategy for strategy in _ALL})
"""Every strategy, by name."""

_ELSEWHERE: Final = {
    ("syscall", "arm64"): "it is Armv7 Linux's cacheflush; use flush, as arm64 user space has DC CIVAC",
    ("flush", "arm32"): "arm32 user space has no maintenance to the point of coherency; use hypercall",
}


def strategy_for(name: str, architecture: str) -> Strategy:
    """Return the strategy of that name, if it exists for the architecture.

    Raises
    ------
    UsageError
        If there is no such strategy, or it does not exist for `architecture`; the message lists alternatives.
    """
    if name not in STRATEGIES:
        raise UsageError(f"no strategy '{name}'; {choices(name, STRATEGIES)}")
    strategy = STRATEGIES[name]
    if architecture not in strategy.architectures:
        why = _ELSEWHERE.get((name, architecture), f"it is for {' and '.join(strategy.architectures)}")
        raise UsageError(f"no strategy {name!r} on {architecture}: {why}")
    return strategy


def strategy_of_loader(mapping_type: MemoryType) -> Strategy:
    """Return what a boot loader does on a host without strategies: it writes the data alone.

    The host model adds its maintenance. The bytes after the data are not written: they may be .bss, whose lines hold
    whatever the host leaves in them.
    """
    return Strategy("", "a boot loader, as the host model says", mapping_type, zeroes_last_page=False)


def build_domain(plan: Plan, strategy: str | Strategy, hypervisor: Hypervisor[DomainT]) -> DomainT:
    """Build the guest of a plan, paused; `Hypervisor.unpause` starts it.

    Each byte of data is written once. The rest of a segment's last page of data is zeroed. Later pages are not
    written, as new RAM is zero.

    Parameters
    ----------
    plan : Plan
        The guest's memory and registers.
    strategy : str or Strategy
        One of `STRATEGIES`, or the name of one; or the `strategy_of_loader`.
    hypervisor : Hypervisor
        Creates the domain.

    Returns
    -------
    Domain
        In the hypervisor's own type.

    Raises
    ------
    UsageError
        If there is no such strategy for the plan's architecture. Nothing was done.
    HypervisorError
        If a step fails; the message names it. The domain and its mappings are gone.
    """
    chosen = strategy_for(strategy, plan.architecture) if isinstance(strategy, str) else strategy
    with _step("create the domain"):
        memory = sum(bank.size for bank in plan.banks)
        domain = hypervisor.create_domain(plan.architecture, memory, plan.vcpus)
    try:
        for bank in plan.banks:
            with _step(f"populate RAM at {bank.base:#x}"):
                hypervisor.populate(domain, bank.base, bank.size)
        loaded = [segment for segment in plan.segments if segment.data.nbytes]
        for segment in loaded:
            with _step(f"load {segment.name} at {segment.address:#x}"):
                _load(segment, chosen, hypervisor, domain)
        if chosen.hypercall:
            for segment in loaded:
                with _step(f"flush {segment.name} at {segment.address:#x}"):
                    hypervisor.flush(domain, segment.address, _whole_pages(segment.size))
        with _step("set registers"):
            hypervisor.set_registers(domain, 0, plan.registers)
    except BaseException as error:
        try:
            hypervisor.destroy(domain)
        except HypervisorError as second:
            raise HypervisorError(f"{error}; then its domain could not be destroyed: {second}") from error
        raise
    return domain


def _load(segment: Segment, strategy: Strategy, hypervisor: Hypervisor[DomainT], domain: DomainT) -> None:
    size, most = segment.data.nbytes, hypervisor.max_mapping
    address, first = segment.address, min(_whole_pages(size), most)
    with hypervisor.map_foreign(domain, address, first, strategy.mapping_type) as mapping:
        if mapping.memory_type is not strategy.mapping_type:
            got, want = mapping.memory_type.word, strategy.mapping_type.word
            raise HypervisorError(f"domain {domain.domid}: map {address:#x}: {got} instead of {want}")
        _write(slice_data(segment.data, 0, min(first, size)), mapping, strategy)
        for start in range(first, size, most):
            end = min(start + most, size)
            mapping.move(address + start, _whole_pages(end - start))
            _write(slice_data(segment.data, start, end), mapping, strategy)


def _write(data: memoryview | SourcePart, mapping: Mapping, strategy: Strategy) -> None:
    mapping.write(0, data)
    if data.nbytes < mapping.size and strategy.zeroes_last_page:
        mapping.write(data.nbytes, bytes(mapping.size - data.nbytes))
    if strategy.user_clean_invalidate:
        mapping.clean_invalidate(0, mapping.size)
    if strategy.user_cacheflush:
        mapping.cacheflush(0, mapping.size)


def _whole_pages(size: int) -> int:
    return -(-size // PAGE_SIZE) * PAGE_SIZE


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except HypervisorError as error:
        raise HypervisorError(f"{name}: {error}") from error
