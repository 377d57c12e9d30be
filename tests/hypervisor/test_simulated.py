# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulated host: bytes, bounds, and the lifetimes of domains and aliases."""

import ctypes
import dataclasses
import re
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.events import PAGE_SIZE, Event
from coldline.guest.plan import Registers
from coldline.hypervisor import HOST_MODELS, AliasLifetime, HostAlias, Hypervisor
from coldline.hypervisor.ranges import RangeSet
from coldline.hypervisor.simulated import SimulatedDomain, SimulatedDomainState, SimulatedHost

WB, NC, WT, DEVICE = (
    MemoryType.NORMAL_WB,
    MemoryType.NORMAL_NC,
    MemoryType.NORMAL_WT,
    MemoryType.DEVICE,
)
RAM, SIZE = 0x40000000, 0x10000
REGISTERS = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=0x3C5, sctlr=0x00C50078)


class Rig:
    """A host and the events that it recorded."""

    def __init__(self, model: str = "xen-4.17-arm64") -> None:
        self.trace: list[Event] = []
        self.host = SimulatedHost(HOST_MODELS[model], self.trace.append)
        self.architecture = self.host.model.architectures[0]

    def domain(self, *banks: tuple[int, int]) -> SimulatedDomain:
        domain = self.host.create_domain(self.architecture, max_memory=1 << 40, vcpus=1)
        for base, size in banks or [(RAM, SIZE)]:
            self.host.populate(domain, base, size)
        return domain

    def running(self, *banks: tuple[int, int]) -> SimulatedDomain:
        domain = self.domain(*banks)
        self.host.set_registers(domain, 0, REGISTERS)
        self.host.unpause(domain)
        return domain

    def new(self) -> list[str]:
        """The events since the last call, as text."""
        text = [str(event) for event in self.trace]
        self.trace.clear()
        return text


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def says(text: str) -> AbstractContextManager[pytest.ExceptionInfo[HypervisorError]]:
    return pytest.raises(HypervisorError, match=f"^{re.escape(text)}$")


def test_it_speaks_the_protocol() -> None:
    host: Hypervisor[SimulatedDomain] = Rig().host
    assert isinstance(host, SimulatedHost)
    assert host.domains == ()


# Bytes


def test_written_bytes_are_in_the_bank(rig: Rig) -> None:
    domain = rig.domain()
    with rig.host.map_foreign(domain, RAM + 0x1000, 0x2000, WB) as mapping:
        mapping.write(5, b"hello")
        mapping.write(0x1FFF, memoryview(b"!"))
    (bank,) = domain.banks
    expected = bytearray(SIZE)
    expected[0x1005:0x100A], expected[0x2FFF] = b"hello", ord("!")
    assert (bank.base, bank.size, bank.end) == (RAM, SIZE, RAM + SIZE)
    assert bytes(bank.buffer) == bytes(expected)


def test_data_of_any_item_size_is_written_as_bytes(rig: Rig) -> None:
    domain = rig.domain()
    words = memoryview(bytes(range(16))).cast("I")
    rig.new()
    with rig.host.map_foreign(domain, RAM, PAGE_SIZE, NC) as mapping:
        mapping.write(0, words)
        assert mapping.memory_type is NC
    assert bytes(domain.banks[0].buffer[:17]) == bytes(range(16)) + b"\0"
    assert "dom0 write 0x40000000 16" in rig.new()


def test_a_bank_is_memory_for_an_emulator(rig: Rig) -> None:
    domain = rig.domain()
    (bank,) = domain.banks
    native = (ctypes.c_ubyte * bank.size).from_buffer(bank.buffer)
    native[3] = 0xAB
    assert bank.buffer[3] == 0xAB
    rig.host.destroy(domain)
    assert native[3] == 0xAB, "bytes stay for those who hold them"
    assert not rig.host.has_allocated_memory


def test_memory_is_committed_only_as_it_is_written(rig: Rig) -> None:
    before = resident_bytes()
    domain = rig.domain((RAM, 8 << 30))
    domain.banks[0].buffer[-1] = 1
    assert resident_bytes() - before < 64 << 20
    assert [str(event) for event in rig.trace if event.size] == [
        "xen map 0x40000000 0x200000000 normal-wb",
        "xen write 0x40000000 0x200000000",
        "xen dc civac 0x40000000 0x200000000",
    ]


def test_a_freed_page_comes_back_scrubbed(rig: Rig) -> None:
    domain = rig.domain()
    domain.banks[0].buffer[0] = 1
    rig.host.destroy(domain)
    assert domain.banks == ()
    assert rig.domain().banks[0].buffer[0] == 0


# Refusals


def test_refusals_of_create() -> None:
    host = Rig("xen-4.17-arm64").host
    with says("create domain: xen-4.17-arm64 runs arm64 guests, not arm32"):
        host.create_domain("arm32", 1 << 20, 1)
    with says("create domain: 0 bytes of memory and 1 vcpus"):
        host.create_domain("arm64", 0, 1)
    with says("create domain: 4096 bytes of memory and 0 vcpus"):
        host.create_domain("arm64", 4096, 0)
    assert host.domains == ()


def test_refusals_of_populate(rig: Rig) -> None:
    domain = rig.domain()
    other = rig.host.create_domain("arm64", 0x2000, 1)
    rig.new()
    with says("domain 1: populate 0x4000f000: the page at 0x4000f000 is already allocated"):
        rig.host.populate(domain, RAM + 0xF000, 0x2000)
    with says("domain 2: populate 0x3ffff000: the page at 0x40000000 is already allocated"):
        rig.host.populate(other, RAM - 0x1000, 0x2000)
    with says("domain 2: populate 0x80000000: 0x3000 bytes exceed its maximum of 0x2000"):
        rig.host.populate(other, 0x80000000, 0x3000)
    for address, size in [(RAM + 1, 0x1000), (RAM, 0x1001), (RAM, 0), (RAM, -0x1000)]:
        with pytest.raises(HypervisorError, match="are not whole pages"):
            rig.host.populate(other, address, size)
    for address in (-0x1000, (1 << 52) - 0x1000):
        with pytest.raises(HypervisorError, match="exceed the address space"):
            rig.host.populate(other, address, 0x2000)
    assert rig.new() == []
    assert other.banks == ()


def test_no_address_space_left_is_an_error_and_changes_nothing(rig: Rig) -> None:
    domain = rig.host.create_domain("arm64", 1 << 52, 1)
    with pytest.raises(
        HypervisorError, match=r"^domain 1: populate 0x0: cannot allocate 0x10000000000000 bytes: "
    ):
        rig.host.populate(domain, 0, 1 << 52)
    assert not rig.host.has_allocated_memory
    assert rig.new() == []


def test_refusals_of_map(rig: Rig) -> None:
    domain = rig.domain((RAM, SIZE), (RAM + SIZE, SIZE))
    rig.new()
    with says("domain 1: map 0x4001f000: 0x2000 bytes from there are not inside one bank of its RAM"):
        rig.host.map_foreign(domain, RAM + 0x1F000, 0x2000, WB)
    with says("domain 1: map 0x4000f000: 0x2000 bytes from there are not inside one bank of its RAM"):
        rig.host.map_foreign(domain, RAM + 0xF000, 0x2000, WB)
    with says("domain 1: map 0x40000000: 0x1 bytes from there are not whole pages"):
        rig.host.map_foreign(domain, RAM, 1, WB)
    assert (rig.new(), domain.mapped) == ([], 0)
    with (
        rig.host.map_foreign(domain, RAM, 0x2000, WB),
        says("domain 1: map 0x40001000: the page at 0x40001000 is already mapped"),
    ):
        rig.host.map_foreign(domain, RAM + 0x1000, 0x2000, WB)
    rig.host.map_foreign(domain, RAM + 0x1000, 0x2000, WB).close()


@pytest.mark.parametrize("model", HOST_MODELS)
@pytest.mark.parametrize("memory_type", MemoryType)
def test_a_memory_type_is_honoured_or_refused(model: str, memory_type: MemoryType) -> None:
    rig = Rig(model)
    domain = rig.domain()
    if memory_type in rig.host.model.mapping_types:
        with rig.host.map_foreign(domain, RAM, SIZE, memory_type) as mapping:
            assert mapping.memory_type is memory_type
    else:
        rig.new()
        with pytest.raises(HypervisorError) as error:
            rig.host.map_foreign(domain, RAM, SIZE, memory_type)
        can = " and ".join(each.word for each in rig.host.model.mapping_types)
        assert str(error.value) == (
            f"domain 1: map 0x40000000: on {model} a builder's mapping can be {can}, not {memory_type.word}"
        )
        assert rig.new() == []


def test_bounds_of_a_mapping(rig: Rig) -> None:
    domain = rig.domain()
    mapping = rig.host.map_foreign(domain, RAM + 0x1000, 0x1000, WB)
    rig.new()
    limits = "are outside the mapping (0x40001000 to 0x40002000)"
    with says(f"domain 1: write 0x40001fff: 0x2 bytes at offset 0xfff {limits}"):
        mapping.write(0xFFF, b"ab")
    with says(f"domain 1: write 0x40000fff: 0x1 bytes at offset -0x1 {limits}"):
        mapping.write(-1, b"a")
    with says(f"domain 1: dc civac 0x40001000: 0x1001 bytes at offset 0x0 {limits}"):
        mapping.clean_invalidate(0, 0x1001)
    with pytest.raises(HypervisorError, match="are outside the mapping"):
        mapping.clean_invalidate(1, -1)
    mapping.write(0x1000, b"")
    mapping.clean_invalidate(0x1000, 0)
    assert rig.new() == []
    assert not any(domain.banks[0].buffer)


def test_a_closed_mapping_does_nothing(rig: Rig) -> None:
    domain = rig.domain()
    mapping = rig.host.map_foreign(domain, RAM, 0x1000, WB)
    mapping.close()
    rig.new()
    mapping.close()
    with says("domain 1: write 0x40000000: the mapping is closed"):
        mapping.write(0, b"a")
    with says("domain 1: dc civac 0x40000000: the mapping is closed"):
        mapping.clean_invalidate(0, 1)
    assert (rig.new(), domain.mapped) == ([], 0)


def test_arm32_user_space_has_no_dc_civac() -> None:
    rig = Rig("xen-4.17-arm32")
    domain = rig.domain()
    with (
        rig.host.map_foreign(domain, RAM, 0x1000, WB) as mapping,
        says(
            "domain 1: dc civac 0x40000040: arm32 user space has no maintenance to the point of coherency",
        ),
    ):
        mapping.clean_invalidate(64, 64)


def test_arm64_linux_has_no_cacheflush(rig: Rig) -> None:
    domain = rig.domain()
    with (
        rig.host.map_foreign(domain, RAM, 0x1000, WB) as mapping,
        says("domain 1: cacheflush 0x40000040: arm64 Linux has no cacheflush system call"),
    ):
        mapping.cacheflush(64, 64)


def test_cacheflush_goes_to_the_point_of_unification() -> None:
    """linux arch/arm/mm/cache-v7.S v7_coherent_user_range: DCCMVAU, then ICIMVAU."""
    rig = Rig("xen-4.17-arm32")
    mapping = rig.host.map_foreign(rig.domain(), RAM, 0x1000, WB)
    rig.new()
    mapping.cacheflush(0x40, 0x80)
    mapping.cacheflush(0x1000, 0)
    assert rig.new() == ["dom0 dc cvau 0x40000040 128", "dom0 ic ivau 0x40000040 128"]
    limits = "are outside the mapping (0x40000000 to 0x40001000)"
    with says(f"domain 1: cacheflush 0x40000000: 0x1001 bytes at offset 0x0 {limits}"):
        mapping.cacheflush(0, 0x1001)
    mapping.close()
    with says("domain 1: cacheflush 0x40000000: the mapping is closed"):
        mapping.cacheflush(0, 1)


def test_refusals_of_flush(rig: Rig) -> None:
    domain = rig.domain()
    rig.new()
    with says("domain 1: flush 0x40010000: 0x1000 bytes from there are not inside one bank of its RAM"):
        rig.host.flush(domain, RAM + SIZE, 0x1000)
    with says("domain 1: flush 0x40000000: 0x40 bytes from there are not whole pages"):
        rig.host.flush(domain, RAM, 64)
    assert rig.new() == []


def test_a_host_that_maintains_nothing_refuses_to_flush() -> None:
    idle = dataclasses.replace(HOST_MODELS["rfc"], name="idle", flush=None)
    trace: list[Event] = []
    host = SimulatedHost(idle, trace.append)
    domain = host.create_domain("arm64", SIZE, 1)
    host.populate(domain, RAM, SIZE)
    trace.clear()
    with says("domain 1: flush 0x40000000: idle has no such maintenance"):
        host.flush(domain, RAM, SIZE)
    assert trace == []


@pytest.mark.parametrize("model", ["kvm-arm64", "kvm-s2fwb"])
def test_refusals_of_flush_are_kvms_too(model: str) -> None:
    rig = Rig(model)
    domain = rig.domain()
    with says("domain 1: flush 0x40010000: 0x1000 bytes from there are not inside one bank of its RAM"):
        rig.host.flush(domain, RAM + SIZE, 0x1000)
    with says("domain 1: flush 0x40000000: 0x40 bytes from there are not whole pages"):
        rig.host.flush(domain, RAM, 64)
    assert not domain.maintained_at_first_run


def test_what_only_a_paused_domain_takes(rig: Rig) -> None:
    domain = rig.domain()
    with says("domain 1: unpause: its registers are not set"):
        rig.host.unpause(domain)
    with says("domain 1: toggle caches: it is paused"):
        rig.host.guest_caches_toggled(domain, 0, enabled=True)
    rig.host.set_registers(domain, 0, REGISTERS)
    assert domain.registers == {0: REGISTERS}
    rig.host.unpause(domain)
    with says("domain 1: unpause: it is running"):
        rig.host.unpause(domain)
    with says("domain 1: set registers: it is running"):
        rig.host.set_registers(domain, 0, REGISTERS)
    with says("domain 1: populate 0x80000000: it is running"):
        rig.host.populate(domain, 0x80000000, 0x1000)
    with says("domain 1: flush 0x40000000: it is running"):
        rig.host.flush(domain, RAM, SIZE)


def test_a_domain_of_another_host(rig: Rig) -> None:
    domain = Rig().domain()
    with says("domain 1: destroy: it belongs to another host"):
        rig.host.destroy(domain)


# Ends


@pytest.mark.parametrize("model", HOST_MODELS)
def test_destroy_frees(model: str) -> None:
    rig = Rig(model)
    first, second = rig.running(), rig.domain((0x80000000, SIZE))
    rig.host.destroy(first)
    assert (first.state, first.banks, rig.host.domains) == (SimulatedDomainState.DEAD, (), (second,))
    third = rig.domain()
    assert third.domid == 3
    rig.host.destroy(second)
    rig.host.destroy(third)
    assert (rig.host.domains, rig.host.has_allocated_memory) == ((), False)


def test_double_destroy(rig: Rig) -> None:
    domain = rig.domain()
    rig.host.destroy(domain)
    rig.new()
    with says("domain 1: destroy: it is dead"):
        rig.host.destroy(domain)
    with says("domain 1: map 0x40000000: it is dead"):
        rig.host.map_foreign(domain, RAM, 0x1000, WB)
    assert rig.new() == []


@pytest.mark.parametrize("model", ["xen-4.17-arm64", "kvm-arm64"])
def test_a_mapped_domain_dies_when_it_is_unmapped(model: str) -> None:
    rig = Rig(model)
    domain = rig.domain()
    one = rig.host.map_foreign(domain, RAM, 0x1000, WB)
    two = rig.host.map_foreign(domain, RAM + 0x1000, 0x1000, WB)
    rig.host.destroy(domain)
    assert (domain.state, rig.host.domains) == (SimulatedDomainState.DYING, (domain,))
    with says("domain 1: destroy: it is dying"):
        rig.host.destroy(domain)
    with says("domain 1: map 0x40002000: it is dying"):
        rig.host.map_foreign(domain, RAM + 0x2000, 0x1000, WB)
    with pytest.raises(HypervisorError, match="is already allocated"):
        rig.domain()
    two.write(0, b"still there")
    two.close()
    assert domain.state is SimulatedDomainState.DYING
    one.close()
    assert (domain.state, domain.banks) == (SimulatedDomainState.DEAD, ())


# Aliases


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("rfc", []),
        ("xen-4.17-arm64", []),
        ("xen-4.17-arm32", ["xen unmap 0x40000000 0x10000"]),
        ("xen-4.22-arm64", []),
        ("kvm-arm64", ["vmm unmap 0x40000000 0x10000"]),
        ("kvm-s2fwb", ["guest unmap 0x40000000 0x10000", "vmm unmap 0x40000000 0x10000"]),
    ],
)
def test_events_of_a_running_guests_end(model: str, expected: list[str]) -> None:
    rig = Rig(model)
    domain = rig.running()
    rig.new()
    rig.host.destroy(domain)
    assert rig.new() == expected


def test_a_permanent_alias_is_mapped_once_for_a_page(rig: Rig) -> None:
    rig.host.destroy(rig.domain())
    rig.new()
    rig.domain((RAM - 0x1000, SIZE + 0x2000))
    assert rig.new() == [
        "xen map 0x3ffff000 0x1000 normal-wb",
        "xen map 0x40010000 0x1000 normal-wb",
        "xen write 0x3ffff000 0x12000",
        "xen dc civac 0x3ffff000 0x12000",
        "xen ic ialluis",
    ]


def test_a_slot_is_mapped_anew_for_the_next_guest() -> None:
    rig = Rig("xen-4.17-arm32")
    rig.host.destroy(rig.domain())
    rig.new()
    rig.domain()
    assert rig.new() == [
        "xen map 0x40000000 0x10000 normal-wb",
        "xen write 0x40000000 0x10000",
        "xen dc civac 0x40000000 0x10000",
        "xen ic ialluis",
    ]


def test_foreign_mapping_of_a_running_guest(rig: Rig) -> None:
    domain = rig.running()
    rig.new()
    with rig.host.map_foreign(domain, RAM, 0x1000, NC):
        pass
    assert rig.new() == [
        "dom0-linear map 0x40000000 0x1000 normal-wb",
        "dom0 map 0x40000000 0x1000 normal-nc",
        "dom0 unmap 0x40000000 0x1000",
        "dom0-linear unmap 0x40000000 0x1000",
    ]


@pytest.mark.parametrize(
    ("model", "maintenance", "start"),
    [
        (
            "kvm-arm64",
            ["kvm dc civac {}", "kvm ic ivau {}"],
            ["guest mmu off"],
        ),
        (
            "kvm-s2fwb",
            ["kvm ic ivau {}"],
            ["guest map 0x40000000 0x10000 normal-wb exec", "guest map 0x80000000 0x10000 normal-wb exec"],
        ),
    ],
)
def test_kvm_maintains_as_the_guest_starts_where_it_was_asked_to(
    model: str, maintenance: list[str], start: list[str]
) -> None:
    """After a flush of one page before the start, every bank is maintained at the start, once."""
    rig = Rig(model)
    domain = rig.domain((RAM, SIZE), (0x80000000, SIZE))
    rig.host.set_registers(domain, 0, REGISTERS)
    rig.new()
    rig.host.flush(domain, RAM + PAGE_SIZE, PAGE_SIZE)
    rig.host.flush(domain, RAM, SIZE)
    assert (rig.new(), domain.maintained_at_first_run) == ([], True)
    rig.host.unpause(domain)
    banks = ["0x40000000 0x10000", "0x80000000 0x10000"]
    assert rig.new() == [step.format(bank) for bank in banks for step in maintenance] + start


@pytest.mark.parametrize(
    ("model", "start"),
    [("kvm-arm64", "guest mmu off"), ("kvm-s2fwb", "guest map 0x40000000 0x10000 normal-wb exec")],
)
def test_kvm_does_nothing_at_the_start_unasked(model: str, start: str) -> None:
    rig = Rig(model)
    domain = rig.domain()
    rig.host.set_registers(domain, 0, REGISTERS)
    rig.new()
    rig.host.unpause(domain)
    assert (rig.new(), domain.maintained_at_first_run) == ([start], False)


@pytest.mark.parametrize("model", [name for name, each in HOST_MODELS.items() if each.flush is not None])
def test_a_host_with_the_call_does_it_at_once(model: str) -> None:
    rig = Rig(model)
    domain = rig.domain()
    rig.new()
    rig.host.flush(domain, RAM, PAGE_SIZE)
    done = rig.new()
    assert done[0] == "xen dc civac 0x40000000 0x1000"
    assert done[1:] == ([] if model == "rfc" else ["xen ic ialluis"])
    assert not domain.maintained_at_first_run


@pytest.mark.parametrize("model", ["kvm-arm64", "kvm-s2fwb"])
def test_a_previous_owner_has_let_go_before_the_page_is_anyone_elses(model: str) -> None:
    """Its alias begins and ends once for each allocation, as a freed page has had an owner."""
    rig = Rig(model)
    rig.host.destroy(rig.domain())
    first = rig.new()
    rig.domain()
    allocated = [
        "previous-owner map 0x40000000 0x10000 normal-wb exec",
        "previous-owner unmap 0x40000000 0x10000",
    ]
    assert first == [
        *allocated,
        "kernel-linear map 0x40000000 0x10000 normal-wb",
        "kernel-linear write 0x40000000 0x10000",
        "vmm map 0x40000000 0x10000 normal-wb",
        "vmm unmap 0x40000000 0x10000",
    ]
    assert rig.new() == [  # the kernel's linear map has never gone
        *allocated,
        "kernel-linear write 0x40000000 0x10000",
        "vmm map 0x40000000 0x10000 normal-wb",
    ]


def test_aliases_of_any_number_live_before() -> None:
    """Aliases begin in the model's order and end in reverse order, before anything else that the host does."""
    owners = tuple(
        HostAlias(name, memory_type, AliasLifetime.BEFORE, "xen-devel, nobody", executable=executable)
        for name, memory_type, executable in (("one", WB, False), ("two", NC, True))
    )
    model = HOST_MODELS["rfc"]
    trace: list[Event] = []
    host = SimulatedHost(dataclasses.replace(model, aliases=model.aliases + owners), trace.append)
    domain = host.create_domain("arm64", SIZE, 1)
    host.populate(domain, RAM, SIZE)
    assert [str(event) for event in trace] == [
        "one map 0x40000000 0x10000 normal-wb",
        "two map 0x40000000 0x10000 normal-nc exec",
        "two unmap 0x40000000 0x10000",
        "one unmap 0x40000000 0x10000",
        "xen map 0x40000000 0x10000 normal-wb",
        "xen write 0x40000000 0x10000",
        "xen unmap 0x40000000 0x10000",
        "xen dc civac 0x40000000 0x10000",
    ]


def test_kvm_flushes_every_bank_when_caches_first_go_on() -> None:
    rig = Rig("kvm-arm64")
    domain = rig.running((RAM, SIZE), (0x80000000, SIZE))
    rig.new()
    rig.host.guest_caches_toggled(domain, 0, enabled=False)
    assert rig.new() == []
    rig.host.guest_caches_toggled(domain, 0, enabled=True)
    assert rig.new() == ["kvm dc civac 0x40000000 0x10000", "kvm dc civac 0x80000000 0x10000"]
    for enabled in (False, True):
        rig.host.guest_caches_toggled(domain, 0, enabled=enabled)
    assert rig.new() == []


@pytest.mark.parametrize("model", [name for name in HOST_MODELS if name != "kvm-arm64"])
def test_other_hosts_do_not_see_caches_go_on(model: str) -> None:
    rig = Rig(model)
    domain = rig.running()
    rig.new()
    rig.host.guest_caches_toggled(domain, 0, enabled=True)
    assert rig.new() == []


# Set/way: p2m_set_way_flush and p2m_toggle_cache of Xen, kvm_set_way_flush and kvm_toggle_cache of Linux

USED = [(RAM + 0x1000, 0x2000)]
XEN_MAINTAINS = ["xen dc civac 0x40001000 0x2000", "xen ic ialluis"]


@pytest.mark.parametrize("model", ["xen-4.17-arm64", "xen-4.22-arm64"])
def test_xen_maintains_what_was_used_for_set_way_and_again_at_each_switch_until_caches_are_on(
    model: str,
) -> None:
    rig = Rig(model)
    domain = rig.running()
    rig.new()
    rig.host.guest_maintained_by_set_way(domain, 0, used=USED)
    assert rig.new() == XEN_MAINTAINS
    rig.host.guest_maintained_by_set_way(domain, 0, used=USED)
    rig.host.guest_caches_toggled(domain, 0, enabled=False, used=USED)  # M or C alone
    assert rig.new() == []
    rig.host.guest_caches_toggled(domain, 0, enabled=True, used=USED)
    assert rig.new() == XEN_MAINTAINS
    rig.host.guest_caches_toggled(domain, 0, enabled=False, used=USED)
    assert rig.new() == [], "it has let go"
    rig.host.guest_maintained_by_set_way(domain, 0, used=USED)
    assert rig.new() == XEN_MAINTAINS


def test_set_way_with_caches_on_is_followed_as_they_go_off() -> None:
    rig = Rig("kvm-arm64")
    domain = rig.running()
    rig.host.guest_maintained_by_set_way(domain, 0)
    rig.new()
    rig.host.guest_caches_toggled(domain, 0, enabled=True)
    assert rig.new() == ["kvm dc civac 0x40000000 0x10000"], (
        "KVM watched already, and did nothing for set/way"
    )
    steps: tuple[Callable[[], None], ...] = (
        lambda: rig.host.guest_maintained_by_set_way(domain, 0),
        lambda: rig.host.guest_caches_toggled(domain, 0, enabled=False),
        lambda: rig.host.guest_caches_toggled(domain, 0, enabled=True),
    )
    for step in steps:
        step()
        assert rig.new() == ["kvm dc civac 0x40000000 0x10000"]


@pytest.mark.parametrize("model", ["rfc", "kvm-s2fwb"])
def test_others_leave_set_way_to_the_processor(model: str) -> None:
    rig = Rig(model)
    domain = rig.running()
    rig.new()
    rig.host.guest_maintained_by_set_way(domain, 0)
    assert rig.new() == []


# vCPUs


def test_the_host_watches_each_vcpu_by_itself() -> None:
    rig = Rig("kvm-arm64")
    domain = rig.host.create_domain("arm64", max_memory=SIZE, vcpus=2)
    rig.host.populate(domain, RAM, SIZE)
    for vcpu in range(2):
        rig.host.set_registers(domain, vcpu, REGISTERS)
    rig.host.unpause(domain)
    rig.new()
    rig.host.guest_started_vcpu(domain, 1)
    assert rig.new() == ["guest1 mmu off"]
    flush = ["kvm dc civac 0x40000000 0x10000"]
    for vcpu in (0, 1):
        rig.host.guest_caches_toggled(domain, vcpu, enabled=True)
        assert rig.new() == flush
        rig.host.guest_caches_toggled(domain, vcpu, enabled=False)
        assert rig.new() == [], "it has let go of this one"
    rig.host.guest_maintained_by_set_way(domain, 1)
    assert rig.new() == flush
    rig.host.guest_caches_toggled(domain, 0, enabled=True)
    assert rig.new() == []
    rig.host.guest_caches_toggled(domain, 1, enabled=True)
    assert rig.new() == flush


def test_every_vcpu_has_an_alias_under_forced_write_back() -> None:
    rig = Rig("kvm-s2fwb")
    domain = rig.host.create_domain("arm64", max_memory=SIZE, vcpus=2)
    rig.host.populate(domain, RAM, SIZE)
    rig.host.set_registers(domain, 0, REGISTERS)
    rig.host.unpause(domain)
    rig.host.guest_started_vcpu(domain, 1)
    assert rig.new()[-2:] == [f"{name} map 0x40000000 0x10000 normal-wb exec" for name in ("guest", "guest1")]
    rig.host.destroy(domain)
    assert rig.new()[:2] == [f"{name} unmap 0x40000000 0x10000" for name in ("guest", "guest1")]


def test_a_vcpu_that_does_not_exist_or_runs_already() -> None:
    rig = Rig("kvm-arm64")
    domain = rig.domain()
    with says("domain 1: set registers: it has 1 vCPUs, and none with number 1"):
        rig.host.set_registers(domain, 1, REGISTERS)
    rig.host.set_registers(domain, 0, REGISTERS)
    rig.host.unpause(domain)
    with says("domain 1: start a vCPU: vCPU 0 runs already"):
        rig.host.guest_started_vcpu(domain, 0)
    with says("domain 1: toggle caches: it has 1 vCPUs, and none with number -1"):
        rig.host.guest_caches_toggled(domain, -1, enabled=True)


# Range sets


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 12))))
def test_range_set_is_a_set(steps: list[tuple[bool, int, int]]) -> None:
    ranges = RangeSet()
    model: set[int] = set()
    for add, start, length in steps:
        touched = set(range(start, start + length))
        pieces = (ranges.add if add else ranges.remove)(start, start + length)
        assert pieces == sorted(pieces)
        changed = [address for low, high in pieces for address in range(low, high)]
        assert sorted(changed) == sorted(touched - model if add else touched & model)
        model = model | touched if add else model - touched
        held = [address for low, high in ranges.overlap(0, 100) for address in range(low, high)]
        assert held == sorted(model)
        assert bool(ranges) == bool(model)
