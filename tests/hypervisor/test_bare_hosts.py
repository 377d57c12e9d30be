# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts without a hypervisor: their events, and what the rules make of a guest's first accesses after them."""

import pytest

from coldline.builder import build_domain, strategy_of_loader
from coldline.checker import Checker
from coldline.checker.state.findings import entries
from coldline.errors import HypervisorError
from coldline.events import Event
from coldline.guest.plan import Bank, Plan, Registers, Segment
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.simulated import SimulatedHost
from coldline.trace.text import parse_event

REGISTERS = Registers(pc=0x40080000, general=(0, 0, 0, 0), pstate=0x3C5, sctlr=0)
IMAGE = bytes(range(1, 252)) * 24  # 6024 bytes: a page, and a part of one
BARE = [name for name, model in HOST_MODELS.items() if not model.has_strategies]

JUNK = """
    {0} map {1} normal-wb
    {0} write {1}
    {0} unmap {1}
    {0} map {1} normal-wt
    {0} write {1}
    {0} unmap {1}
"""
RAM = "0x40000000 0x200000"

BUILD = {
    "bootloader": f"""
        loader map {RAM} normal-wb
        loader write 0x40080000 0x1788
        loader dc cvac 0x40080000 0x1788
    """,
    "bootloader-dirty": f"""
        {JUNK.format("loader", RAM)}
        loader map {RAM} normal-wb
        loader write 0x40080000 0x1788
        loader dc cvac 0x40080000 0x1788
    """,
    "warm-reset": f"""
        {JUNK.format("reset", RAM)}
        reset map {RAM} normal-wb
        reset write 0x40080000 0x1788
        reset dc cvac 0x40080000 0x1788
    """,
    "clean-reset": f"""
        reset map {RAM} normal-nc
        reset write 0x40080000 0x1788
    """,
}
START = {
    "bootloader": f"loader unmap {RAM}",
    "bootloader-dirty": f"loader unmap {RAM}",
    "warm-reset": f"""
        reset unmap {RAM}
        reset map {RAM} normal-wb exec
        reset unmap {RAM}
    """,
    "clean-reset": f"reset unmap {RAM}",
}


def lines(text: str) -> list[str]:
    """The events of a text, as the trace's text form has them."""
    return [str(parse_event(line.split())) for line in text.strip().splitlines() if line.strip()]


def plan(*, flash: bool = False) -> Plan:
    """A kernel with .bss after its data; or firmware in a flash, and a device tree in RAM."""
    ram = Bank(0x40000000, 0x200000)
    if not flash:
        kernel = Segment("kernel", 0x40080000, memoryview(IMAGE), 0x4000)
        return Plan("arm64", (ram,), (kernel,), REGISTERS, exception_level=1)
    firmware = Segment("firmware", 0, memoryview(IMAGE), 0x4000)
    tree = Segment("dtb", 0x40000000, memoryview(bytes(4096)), 0x1000)
    return Plan("arm64", (Bank(0, 0x4000, flash=True), ram), (firmware, tree), REGISTERS, exception_level=1)


def built(host: str, guest: Plan) -> tuple[list[str], list[str], list[str]]:
    """The events of a build, of the start and of the end."""
    trace: list[Event] = []
    flash = [(bank.base, bank.size) for bank in guest.banks if bank.flash]
    model = HOST_MODELS[host]
    simulated = SimulatedHost(model, trace.append, flash)
    domain = build_domain(guest, strategy_of_loader(model.mapping_types[0]), simulated)

    def new() -> list[str]:
        told = [str(event) for event in trace]
        trace.clear()
        return told

    build = new()
    simulated.unpause(domain)
    start = new()
    simulated.destroy(domain)
    return build, start, new()


@pytest.mark.parametrize("host", BARE)
def test_exact_events(host: str) -> None:
    build, start, end = built(host, plan())
    assert build == lines(BUILD[host])
    assert start == [*lines(START[host]), "guest mmu off"]
    assert end == []


@pytest.mark.parametrize("host", BARE)
def test_what_is_loaded_is_in_memory_and_nothing_else(host: str) -> None:
    simulated = SimulatedHost(HOST_MODELS[host], lambda event: None)
    loader = strategy_of_loader(HOST_MODELS[host].mapping_types[0])
    (bank,) = build_domain(plan(), loader, simulated).banks
    assert bytes(bank.buffer) == bytes(0x80000) + IMAGE + bytes(0x180000 - len(IMAGE))


@pytest.mark.parametrize("host", BARE)
def test_a_guest_that_never_starts_leaves_no_mapping(host: str) -> None:
    trace: list[Event] = []
    simulated = SimulatedHost(HOST_MODELS[host], trace.append)
    loader = strategy_of_loader(HOST_MODELS[host].mapping_types[0])
    simulated.destroy(build_domain(plan(), loader, simulated))
    assert str(trace[-1]) == f"{HOST_MODELS[host].builder_agent} unmap {RAM}"


@pytest.mark.parametrize("host", BARE)
def test_nobody_writes_a_flash_and_nothing_is_left_of_it(host: str) -> None:
    build, start, _ = built(host, plan(flash=True))
    of_ram = [line.replace("0x40080000 0x1788", "0x40000000 0x1000") for line in lines(BUILD[host])]
    assert build == of_ram
    assert start == [*lines(START[host]), "guest mmu off"]


def test_a_flash_is_memory_like_any_other_to_a_host_with_a_builder() -> None:
    trace: list[Event] = []
    simulated = SimulatedHost(HOST_MODELS["rfc"], trace.append, [(0, 0x4000)])
    build_domain(plan(flash=True), "uncached", simulated)
    assert "dom0 write 0x0 0x1788" in [str(event) for event in trace]


@pytest.mark.parametrize("host", BARE)
def test_there_is_no_call_that_maintains(host: str) -> None:
    simulated = SimulatedHost(HOST_MODELS[host], lambda event: None)
    with pytest.raises(HypervisorError) as error:
        build_domain(plan(), "hypercall" if host != "clean-reset" else "uncached-hypercall", simulated)
    assert str(error.value) == (
        f"flush kernel at 0x40080000: domain 1: flush 0x40080000: {host} has no such maintenance"
    )


# What the guest does first, in the image, in .bss (two of its lines share the image's last page) or in free memory.

DATA, EDGE, BSS, FREE = 0x40080040, 0x40081780, 0x400817C0, 0x40100000
ON = [f"guest map {RAM} normal-wb exec", "guest mmu on"]


def at(address: int, *does: str) -> list[str]:
    """Accesses and maintenance of the line at an address; 'on' turns MMU and caches on."""
    told: list[str] = []
    for what in does:
        told += ON if what == "on" else [f"guest {what} {address:#x} {64 if what.startswith('dc') else 8}"]
    return told


def kinds(host: str, accesses: list[str]) -> set[str]:
    """The kinds of hazard that the rules find."""
    build, start, _ = built(host, plan())
    checker = Checker()
    for line in [*build, *start, *accesses]:
        checker.event(parse_event(line.split()))
    return {entry.kind for entry in entries(checker.findings, 64)}


WRITES_OFF_READS_ON = ("write", "on", "read")
INVALIDATES_AFTER = ("write", "dc ivac", "on", "read")
INVALIDATES_BEFORE = ("dc ivac", "write", "on", "read")
INVALIDATES_TWICE = ("dc ivac", "write", "dc ivac", "on", "read")


@pytest.mark.parametrize("address", [DATA, EDGE, BSS, FREE])
@pytest.mark.parametrize("host", BARE)
def test_what_nobody_has_written_since_the_start_reads_right(host: str, address: int) -> None:
    """What was loaded is clean. The rest holds nothing that anyone needs, so no copy of it is wrong."""
    for does in (("read",), ("on", "read"), ("on", "write", "read"), ("read", "dc civac", "on", "read")):
        assert kinds(host, at(address, *does)) == set(), does


@pytest.mark.parametrize("address", [DATA, EDGE, BSS, FREE])
def test_after_a_boot_loader_any_line_may_be_clean(address: int) -> None:
    assert kinds("bootloader", at(address, *WRITES_OFF_READS_ON)) == {"stale-read"}
    assert kinds("bootloader", at(address, "write", "read")) == set()
    for does in (INVALIDATES_AFTER, INVALIDATES_BEFORE, INVALIDATES_TWICE):
        assert kinds("bootloader", at(address, *does)) == set()


@pytest.mark.parametrize("host", ["bootloader-dirty", "warm-reset"])
def test_junk_may_be_written_back_but_for_lines_of_what_was_loaded(host: str) -> None:
    for address in (DATA, EDGE):
        assert kinds(host, at(address, "write", "read")) == set()
        assert kinds(host, at(address, *INVALIDATES_AFTER)) == set()
    for address in (BSS, FREE):
        assert kinds(host, at(address, "write", "read")) == {"lost-write"}
        assert kinds(host, at(address, *INVALIDATES_AFTER)) == {"lost-write"}
        assert kinds(host, at(address, *INVALIDATES_BEFORE)) == set()
        assert kinds(host, at(address, *INVALIDATES_TWICE)) == set()


@pytest.mark.parametrize("address", [DATA, EDGE, BSS, FREE])
def test_after_a_reset_that_invalidates_nothing_can_be_wrong(address: int) -> None:
    assert kinds("clean-reset", at(address, *WRITES_OFF_READS_ON)) == set()


COPIED_CODE = [
    f"guest dc ivac {FREE:#x} 64",
    f"guest write {FREE:#x} 64",
    "guest icache on",
    f"guest fetch {FREE:#x} 4",
]


@pytest.mark.parametrize("host", BARE)
def test_only_a_reset_that_keeps_caches_leaves_instructions(host: str) -> None:
    """Its instruction caches may hold what ran from there; a boot loader has emptied its own."""
    assert kinds(host, COPIED_CODE) == ({"stale-fetch"} if host == "warm-reset" else set())
    emptied = [*COPIED_CODE[:-1], "guest ic iallu", COPIED_CODE[-1]]
    assert kinds(host, emptied) == set()
    assert kinds(host, ["guest icache on", f"guest fetch {DATA:#x} 4", f"guest fetch {FREE:#x} 4"]) == set()
