# SPDX-License-Identifier: GPL-2.0-or-later
"""Building: exact events for each host model and strategy, bytes, and undoing after a failure at any call."""

import itertools
from collections.abc import Callable
from typing import ParamSpec, Self, TypeVar

import pytest

from coldline.arm import MemoryType
from coldline.builder import STRATEGIES, build_domain
from coldline.errors import HypervisorError, UsageError
from coldline.events import Event, Op
from coldline.guest.plan import Bank, Plan, Registers, Segment
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.protocol import Data
from coldline.hypervisor.simulated import (
    SimulatedDomain,
    SimulatedDomainState,
    SimulatedHost,
    SimulatedMapping,
)
from coldline.support.frozen_record import replace

_P = ParamSpec("_P")
_R = TypeVar("_R")

IMAGE = bytes(range(1, 256)) * 24 + b"end"  # 0x17eb bytes
REGISTERS = Registers(pc=0x40080000, general=(0x40100000, 0, 0, 0), pstate=0x3C5, sctlr=0x00C50078)


def plan_for(architecture: str = "arm64") -> Plan:
    """A bank of 2 MiB; a kernel of two pages of data, the second in part, and two of BSS."""
    kernel = Segment("kernel", 0x40080000, memoryview(IMAGE), 0x4000)
    return Plan(architecture, (Bank(0x40000000, 0x200000),), (kernel,), REGISTERS, exception_level=1)


def host_of(model: str) -> tuple[SimulatedHost, list[Event]]:
    trace: list[Event] = []
    return SimulatedHost(HOST_MODELS[model], trace.append), trace


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


# What each host does to give RAM, and what it does when the guest is unpaused.

POPULATE = {
    "rfc": """
        xen map 0x40000000 0x200000 normal-wb
        xen write 0x40000000 0x200000
        xen unmap 0x40000000 0x200000
        xen dc civac 0x40000000 0x200000
    """,
    "xen-4.17-arm64": """
        xen map 0x40000000 0x200000 normal-wb
        xen write 0x40000000 0x200000
        xen dc civac 0x40000000 0x200000
        xen ic ialluis
    """,
    "xen-4.17-arm32": """
        xen map 0x40000000 0x200000 normal-wb
        xen write 0x40000000 0x200000
        xen dc civac 0x40000000 0x200000
        xen ic ialluis
    """,
    "xen-4.22-arm64": """
        xen map 0x40000000 0x200000 normal-wb
        xen dc civac 0x40000000 0x200000
        xen write 0x40000000 0x200000
        xen ic ialluis
    """,
    "kvm-arm64": """
        previous-owner map 0x40000000 0x200000 normal-wb exec
        previous-owner unmap 0x40000000 0x200000
        kernel-linear map 0x40000000 0x200000 normal-wb
        kernel-linear write 0x40000000 0x200000
        vmm map 0x40000000 0x200000 normal-wb
    """,
    "kvm-s2fwb": """
        previous-owner map 0x40000000 0x200000 normal-wb exec
        previous-owner unmap 0x40000000 0x200000
        kernel-linear map 0x40000000 0x200000 normal-wb
        kernel-linear write 0x40000000 0x200000
        vmm map 0x40000000 0x200000 normal-wb
    """,
}

UNPAUSE = {
    "rfc": "guest mmu off",
    "xen-4.17-arm64": "guest mmu off",
    "xen-4.17-arm32": "guest mmu off",
    "xen-4.22-arm64": "guest mmu off",
    "kvm-arm64": "guest mmu off",
    "kvm-s2fwb": "guest map 0x40000000 0x200000 normal-wb exec",
}

# What KVM does first where the strategy has the hypervisor maintain: all RAM, as it enters stage 2.

FIRST_RUN = {
    "kvm-arm64": """
        kvm dc civac 0x40000000 0x200000
        kvm ic ivau 0x40000000 0x200000
    """,
    "kvm-s2fwb": "kvm ic ivau 0x40000000 0x200000",
}

# What each strategy does on each kind of host in between. None: the host refuses.

ON_RFC = {
    "none": """
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
    """,
    "flush": """
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 dc civac 0x40080000 0x2000
        dom0 unmap 0x40080000 0x2000
    """,
    "syscall": """
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 dc cvau 0x40080000 0x2000
        dom0 ic ivau 0x40080000 0x2000
        dom0 unmap 0x40080000 0x2000
    """,
    "uncached": """
        dom0 map 0x40080000 0x2000 normal-nc
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
    """,
    "hypercall": """
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        xen dc civac 0x40080000 0x4000
    """,
    "uncached-hypercall": """
        dom0 map 0x40080000 0x2000 normal-nc
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        xen dc civac 0x40080000 0x4000
    """,
}

ON_XEN = {
    "none": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
    """,
    "flush": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 dc civac 0x40080000 0x2000
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
    """,
    "syscall": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 dc cvau 0x40080000 0x2000
        dom0 ic ivau 0x40080000 0x2000
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
    """,
    "uncached": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-nc
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
    """,
    "hypercall": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-wb
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
        xen dc civac 0x40080000 0x4000
        xen ic ialluis
    """,
    "uncached-hypercall": """
        dom0-linear map 0x40080000 0x2000 normal-wb
        dom0 map 0x40080000 0x2000 normal-nc
        dom0 write 0x40080000 0x17eb
        dom0 write 0x400817eb 2069
        dom0 unmap 0x40080000 0x2000
        dom0-linear unmap 0x40080000 0x2000
        xen dc civac 0x40080000 0x4000
        xen ic ialluis
    """,
}

NO_NC = (
    "load kernel at 0x40080000: domain 1: map 0x40080000: "
    "on {} a builder's mapping can be normal-wb, not normal-nc"
)

ON_KVM = {
    "none": """
        vmm write 0x40080000 0x17eb
        vmm write 0x400817eb 2069
    """,
    "flush": """
        vmm write 0x40080000 0x17eb
        vmm write 0x400817eb 2069
        vmm dc civac 0x40080000 0x2000
    """,
    "uncached": NO_NC,
    "hypercall": """
        vmm write 0x40080000 0x17eb
        vmm write 0x400817eb 2069
    """,
    "uncached-hypercall": NO_NC,
}

LOAD = {
    "rfc": ON_RFC,
    "xen-4.17-arm64": ON_XEN,
    "xen-4.17-arm32": ON_XEN,
    "xen-4.22-arm64": ON_XEN,
    "kvm-arm64": ON_KVM,
    "kvm-s2fwb": ON_KVM,
}


def architectures_for(model: str, strategy: str) -> list[str]:
    """The first architecture of the host for which the strategy exists, or None."""
    builds = STRATEGIES[strategy].architectures
    return [each for each in HOST_MODELS[model].architectures if each in builds]


def architecture_for(model: str, strategy: str) -> str:
    """The first of them."""
    return architectures_for(model, strategy)[0]


COMBINATIONS = [
    (model, strategy)
    for model in HOST_MODELS
    if HOST_MODELS[model].has_strategies
    for strategy in STRATEGIES
    if architectures_for(model, strategy)
]
WORKING = [(model, strategy) for model, strategy in COMBINATIONS if LOAD[model][strategy] != NO_NC]


@pytest.mark.parametrize(("model", "strategy"), WORKING)
def test_exact_events(model: str, strategy: str) -> None:
    host, trace = host_of(model)
    domain = build_domain(plan_for(architecture_for(model, strategy)), strategy, host)
    assert [str(event) for event in trace] == lines(POPULATE[model]) + lines(LOAD[model][strategy])
    trace.clear()
    host.unpause(domain)
    first_run = FIRST_RUN.get(model, "") if STRATEGIES[strategy].hypercall else ""
    assert [str(event) for event in trace] == lines(first_run) + lines(UNPAUSE[model])


@pytest.mark.parametrize(("model", "strategy"), [case for case in COMBINATIONS if case not in WORKING])
def test_what_a_host_cannot_do_is_refused_and_undone(model: str, strategy: str) -> None:
    host, _ = host_of(model)
    with pytest.raises(HypervisorError) as error:
        build_domain(plan_for(), strategy, host)
    assert str(error.value) == LOAD[model][strategy].format(model)
    assert (host.domains, host.has_allocated_memory) == ((), False)


@pytest.mark.parametrize(("model", "strategy"), WORKING)
def test_what_is_built(model: str, strategy: str) -> None:
    host, _ = host_of(model)
    domain = build_domain(plan_for(architecture_for(model, strategy)), strategy, host)
    assert (domain.state, domain.mapped, domain.registers) == (SimulatedDomainState.PAUSED, 0, {0: REGISTERS})
    assert (domain.model.name, domain.vcpus, domain.max_memory) == (model, 1, 0x200000)
    (bank,) = domain.banks
    expected = bytes(0x80000) + IMAGE + bytes(0x200000 - 0x80000 - len(IMAGE))
    assert bytes(bank.buffer) == expected
    host.destroy(domain)
    assert not host.has_allocated_memory


@pytest.mark.parametrize(("model", "strategy"), WORKING)
def test_traces_keep_the_rules_of_aliases(model: str, strategy: str) -> None:
    """Two guests in a row on one host: no map over a live one, and no unmap or write without a map."""
    host, trace = host_of(model)
    for _ in range(2):
        domain = build_domain(two_banks(architecture_for(model, strategy)), strategy, host)
        host.unpause(domain)
        host.destroy(domain)
    live: set[tuple[str, int]] = set()
    for event in trace:
        pages = {
            (event.agent, page)
            for page in range(event.address >> 12, (event.address + event.size + 4095) >> 12)
        }
        if event.op in (Op.MAP, Op.UNMAP):
            assert event.size > 0
            assert not (event.address | event.size) % 4096
            assert live.isdisjoint(pages) if event.op is Op.MAP else pages <= live, str(event)
            live ^= pages
        elif event.op is Op.WRITE:
            assert pages <= live, str(event)


def two_banks(architecture: str = "arm64") -> Plan:
    return Plan(
        architecture,
        (Bank(0x40000000, 0x200000), Bank(0x200000000, 0x4000)),
        (
            Segment("kernel", 0x40000000, memoryview(IMAGE), 0x4000),
            Segment("initrd", 0x40004000, memoryview(b""), 0x1000),
            Segment("dtb", 0x200000000, memoryview(bytes(4096)), 0x1000),
        ),
        REGISTERS,
        exception_level=1,
    )


def test_segments_are_all_loaded_before_any_is_flushed() -> None:
    host, trace = host_of("rfc")
    build_domain(two_banks(), "hypercall", host)
    assert [str(event) for event in trace] == lines("""
        xen map 0x40000000 0x200000 normal-wb
        xen write 0x40000000 0x200000
        xen unmap 0x40000000 0x200000
        xen dc civac 0x40000000 0x200000
        xen map 0x200000000 0x4000 normal-wb
        xen write 0x200000000 0x4000
        xen unmap 0x200000000 0x4000
        xen dc civac 0x200000000 0x4000
        dom0 map 0x40000000 0x2000 normal-wb
        dom0 write 0x40000000 0x17eb
        dom0 write 0x400017eb 2069
        dom0 unmap 0x40000000 0x2000
        dom0 map 0x200000000 0x1000 normal-wb
        dom0 write 0x200000000 0x1000
        dom0 unmap 0x200000000 0x1000
        xen dc civac 0x40000000 0x4000
        xen dc civac 0x200000000 0x1000
    """)


@pytest.mark.parametrize(("strategy", "maintained"), [("none", False), ("flush", False), ("hypercall", True)])
def test_on_kvm_all_ram_is_maintained_once_or_not_at_all(strategy: str, maintained: bool) -> None:
    """Three segments are loaded; whole banks are maintained when the guest starts, and not before."""
    host, trace = host_of("kvm-arm64")
    domain = build_domain(two_banks(), strategy, host)
    assert not any(event.agent == "kvm" for event in trace)
    host.unpause(domain)
    assert [str(event) for event in trace if event.agent == "kvm"] == maintained * lines("""
        kvm dc civac 0x40000000 0x200000
        kvm ic ivau 0x40000000 0x200000
        kvm dc civac 0x200000000 0x4000
        kvm ic ivau 0x200000000 0x4000
    """)


# Strategies by name


def test_strategies() -> None:
    assert {
        name: (
            one.mapping_type.word,
            one.user_clean_invalidate,
            one.user_cacheflush,
            one.hypercall,
            one.architectures,
        )
        for name, one in STRATEGIES.items()
    } == {
        "none": ("normal-wb", False, False, False, ("arm64", "arm32")),
        "flush": ("normal-wb", True, False, False, ("arm64",)),
        "syscall": ("normal-wb", False, True, False, ("arm32",)),
        "uncached": ("normal-nc", False, False, False, ("arm64", "arm32")),
        "hypercall": ("normal-wb", False, False, True, ("arm64", "arm32")),
        "uncached-hypercall": ("normal-nc", False, False, True, ("arm64", "arm32")),
    }


@pytest.mark.parametrize(
    ("strategy", "architecture", "message"),
    [
        (
            "syscall",
            "arm64",
            "no strategy 'syscall' on arm64: "
            "it is Armv7 Linux's cacheflush; use flush, as arm64 user space has DC CIVAC",
        ),
        (
            "flush",
            "arm32",
            "no strategy 'flush' on arm32: "
            "arm32 user space has no maintenance to the point of coherency; use hypercall",
        ),
        ("none", "x86", "no strategy 'none' on x86: it is for arm64 and arm32"),
        (
            "magic",
            "arm64",
            "no strategy 'magic'; choose from: none, flush, syscall, uncached, hypercall, uncached-hypercall",
        ),
    ],
)
def test_strategies_that_there_are_not(strategy: str, architecture: str, message: str) -> None:
    host, trace = host_of("rfc")
    with pytest.raises(UsageError) as error:
        build_domain(plan_for(architecture), strategy, host)
    assert str(error.value) == message
    assert (host.domains, trace) == ((), [])


# Failures


class Faulty:
    """Passes calls on to a host, and makes the Nth fail; calls that undo something do their work first."""

    def __init__(self, host: SimulatedHost, fail_at: int) -> None:
        self._host = host
        self.max_mapping = host.max_mapping
        self._counter = itertools.count(1)
        self._fail_at = fail_at
        self.failed: str | None = None

    def call(self, name: str, function: Callable[_P, _R], *arguments: _P.args, **options: _P.kwargs) -> _R:
        fails = next(self._counter) == self._fail_at
        if fails:
            self.failed = name
        if fails and name != "close":
            raise HypervisorError(f"{name} failed")
        result = function(*arguments, **options)
        if fails:
            raise HypervisorError(f"{name} failed")
        return result

    def create_domain(self, architecture: str, max_memory: int, vcpus: int) -> SimulatedDomain:
        return self.call("create", self._host.create_domain, architecture, max_memory, vcpus)

    def populate(self, domain: SimulatedDomain, address: int, size: int) -> None:
        self.call("populate", self._host.populate, domain, address, size)

    def map_foreign(
        self, domain: SimulatedDomain, address: int, size: int, memory_type: MemoryType
    ) -> "FaultyMapping":
        return FaultyMapping(
            self, self.call("map", self._host.map_foreign, domain, address, size, memory_type)
        )

    def flush(self, domain: SimulatedDomain, address: int, size: int) -> None:
        self.call("flush", self._host.flush, domain, address, size)

    def set_registers(self, domain: SimulatedDomain, vcpu: int, registers: Registers) -> None:
        self.call("set registers", self._host.set_registers, domain, vcpu, registers)

    def unpause(self, domain: SimulatedDomain) -> None:
        raise AssertionError("a builder does not start what it builds")

    def destroy(self, domain: SimulatedDomain) -> None:
        self._host.destroy(domain)


class FaultyMapping:
    def __init__(self, owner: Faulty, mapping: SimulatedMapping) -> None:
        self._owner, self._mapping = owner, mapping
        self.memory_type = mapping.memory_type

    @property
    def address(self) -> int:
        return self._mapping.address

    @property
    def size(self) -> int:
        return self._mapping.size

    def move(self, address: int, size: int) -> None:
        self._owner.call("move", self._mapping.move, address, size)

    def write(self, offset: int, data: Data) -> None:
        self._owner.call("write", self._mapping.write, offset, data)

    def clean_invalidate(self, offset: int, size: int) -> None:
        self._owner.call("clean", self._mapping.clean_invalidate, offset, size)

    def cacheflush(self, offset: int, size: int) -> None:
        self._owner.call("cacheflush", self._mapping.cacheflush, offset, size)

    def close(self) -> None:
        self._owner.call("close", self._mapping.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


STEPS = {
    "none": ["create", "populate", "map", "write", "write", "close", "set registers"],
    "flush": ["create", "populate", "map", "write", "write", "clean", "close", "set registers"],
    "syscall": ["create", "populate", "map", "write", "write", "cacheflush", "close", "set registers"],
    "uncached": ["create", "populate", "map", "write", "write", "close", "set registers"],
    "hypercall": ["create", "populate", "map", "write", "write", "close", "flush", "set registers"],
    "uncached-hypercall": ["create", "populate", "map", "write", "write", "close", "flush", "set registers"],
}
STEP_NAMES = {
    "create": "create the domain",
    "populate": "populate RAM at 0x40000000",
    "map": "load kernel at 0x40080000",
    "write": "load kernel at 0x40080000",
    "clean": "load kernel at 0x40080000",
    "cacheflush": "load kernel at 0x40080000",
    "close": "load kernel at 0x40080000",
    "flush": "flush kernel at 0x40080000",
    "set registers": "set registers",
}


@pytest.mark.parametrize(("model", "strategy"), WORKING)
def test_a_failure_at_any_call_leaves_nothing(model: str, strategy: str) -> None:
    plan = plan_for(architecture_for(model, strategy))
    failed: list[str] = []
    for fail_at in itertools.count(1):
        host, trace = host_of(model)
        faulty = Faulty(host, fail_at)
        try:
            build_domain(plan, strategy, faulty)
            break
        except HypervisorError as error:
            message = str(error)
        assert faulty.failed is not None
        failed.append(faulty.failed)
        assert message == f"{STEP_NAMES[faulty.failed]}: {faulty.failed} failed"
        assert (host.domains, host.has_allocated_memory) == ((), False)
        assert live_agents(trace) <= {"xen", "kernel-linear"}, "only what is always mapped still is"
    assert failed == STEPS[strategy]


def live_agents(trace: list[Event]) -> set[str]:
    balance: dict[str, int] = {}
    for event in trace:
        change = {Op.MAP: event.size, Op.UNMAP: -event.size}.get(event.op, 0)
        balance[event.agent] = balance.get(event.agent, 0) + change
    return {agent for agent, size in balance.items() if size}


def test_an_interrupt_is_undone_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = host_of("xen-4.17-arm64")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "set_registers", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_domain(plan_for(), "none", host)
    assert (host.domains, host.has_allocated_memory) == ((), False)


def test_a_failure_to_undo_is_told_with_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = host_of("rfc")

    def refuse(domain: SimulatedDomain) -> None:
        raise HypervisorError(f"domain {domain.domid}: destroy: busy")

    faulty = Faulty(host, fail_at=2)
    monkeypatch.setattr(faulty, "destroy", refuse)
    with pytest.raises(HypervisorError) as error:
        build_domain(plan_for(), "none", faulty)
    assert str(error.value) == (
        "populate RAM at 0x40000000: populate failed; "
        "then its domain could not be destroyed: domain 1: destroy: busy"
    )


def test_a_mapping_of_another_type_than_asked_for_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    host, trace = host_of("xen-4.17-arm64")
    honest = host.map_foreign

    def dishonest(
        domain: SimulatedDomain, address: int, size: int, memory_type: MemoryType
    ) -> SimulatedMapping:
        return honest(domain, address, size, type(memory_type).NORMAL_WB)

    monkeypatch.setattr(host, "map_foreign", dishonest)
    with pytest.raises(HypervisorError) as error:
        build_domain(plan_for(), "uncached", host)
    assert str(error.value) == (
        "load kernel at 0x40080000: domain 1: map 0x40080000: normal-wb instead of normal-nc"
    )
    assert not any(event.agent == "dom0" and event.op is Op.WRITE for event in trace)
    assert host.domains == ()


def test_a_segment_outside_ram_is_refused_and_undone() -> None:
    host, _ = host_of("rfc")
    plan = plan_for()
    stray = replace(plan.segments[0], address=0x401FF000)
    with pytest.raises(HypervisorError) as error:
        build_domain(replace(plan, segments=(stray,)), "none", host)
    assert str(error.value) == (
        "load kernel at 0x401ff000: domain 1: map 0x401ff000: "
        "0x2000 bytes from there are not inside one bank of its RAM"
    )
    assert (host.domains, host.has_allocated_memory) == ((), False)
