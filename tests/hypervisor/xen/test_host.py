# SPDX-License-Identifier: GPL-2.0-or-later
"""The Xen back end on the fake Xen: its calls, and its errors after refusals."""

import errno
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import pytest

from coldline.arm import MemoryType
from coldline.builder import STRATEGIES, build_domain
from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.errors import HypervisorError, UsageError
from coldline.events import Event
from coldline.guest import GuestOptions, Plan, make_plan
from coldline.hypervisor import HOST_MODELS
from coldline.hypervisor.look import look_at
from coldline.hypervisor.protocol import DomainT, Hypervisor
from coldline.hypervisor.simulated import SimulatedHost
from coldline.hypervisor.xen import XenDomain, XenHost
from coldline.hypervisor.xen.creation import paging_pool
from coldline.hypervisor.xen.domain_list import DomainList
from coldline.hypervisor.xen.recording import RecordedXen, model_of
from coldline.hypervisor.xen.store_entries import uuid_text
from coldline.hypervisor.xen.structures import CreateDomain, DomctlHeader, GetDomainInfo
from coldline.image import load_kernel
from coldline.samples import sample
from tests.helpers.checking import check_text
from tests.helpers.fake_xen import FakeDomain, FakeXen

RAM, MIB, PAGE = 0x40000000, 1 << 20, 4096
MAGIC = 0x39000000
WORDS = ["create", "--sample", "midway-arm64", "--memory", "8", "--name", "guest"]


def made(xen: FakeXen, *words: str) -> tuple[FakeDomain, XenDomain, str]:
    options = parser().parse_args([*WORDS, "--strategy", "hypercall", *words])
    domain, name = create(options, xen)
    return xen.domains[domain.domid], domain, name


def says(text: str) -> AbstractContextManager[pytest.ExceptionInfo[HypervisorError]]:
    return pytest.raises(HypervisorError, match=text)


# What a guest is given


def test_a_guest_of_xl(tmp_path: Path) -> None:
    """The build has the results of xg_dom_arm.c, libxl_create.c and libxl_console.c of Xen 4.17."""
    xen = FakeXen()
    config = tmp_path / "guest.cfg"
    image = sample("midway-arm64").image
    uuid = "0123abcd-0000-1111-2222-333344445555"
    config.write_text(
        f'name = "by-file"\nkernel = "{image}"\nmemory = 8\nuuid = "{uuid}"\nvuart = "sbsa_uart"\n'
    )
    options = parser().parse_args(["create", str(config), "--strategy", "hypercall"])
    domain, name = create(options, xen)
    guest = xen.domains[domain.domid]
    assert (name, guest.paused, guest.bits, guest.max_vcpus) == ("by-file", False, 64, 1)
    assert uuid_text(guest.handle) == uuid
    assert guest.max_kib == 8 * 1024 + 1024
    assert guest.pool == paging_pool(8 * MIB, 1) == 4096 * (256 + 8 + 128)
    assert sorted(guest.frames) == [*range(0x39000, 0x39004), *range(0x40000, 0x40000 + 8 * 256)]
    assert guest.parameters == {0: 0x020000000000021F, 1: 0x39001, 2: 1, 17: 0x39000, 18: 2, 28: 0x39002}
    assert guest.grants[:16] == bytes.fromhex("01000000 00900300 01000000 01900300")
    assert guest.vuart == 0x39003
    entries = xen.store_is.entries
    home = f"/local/domain/{domain.domid}"
    expected = {
        f"{home}/name": b"by-file",
        f"{home}/vm": f"/vm/{uuid}".encode(),
        f"{home}/domid": str(domain.domid).encode(),
        f"{home}/store/port": b"1",
        f"{home}/store/ring-ref": b"%d" % 0x39001,
        f"{home}/console/port": b"2",
        f"{home}/console/ring-ref": b"%d" % 0x39000,
        f"{home}/console/type": b"xenconsoled",
        f"{home}/console/output": b"pty",
        f"{home}/vuart/0/ring-ref": b"%d" % 0x39003,
        f"{home}/vuart/0/port": b"3",
        f"/vm/{uuid}/name": b"by-file",
        f"/libxl/{domain.domid}/type": b"pvh",
    }
    assert {path: entries.get(path) for path in expected} == expected
    assert xen.store_is.permissions[home] == ((0, 0), (domain.domid, 1))
    assert xen.store_is.permissions[f"{home}/control/shutdown"] == ((domain.domid, 0),)
    assert xen.store_is.introduced == [(domain.domid, 0x39001, 1)]
    assert xen.mappings == {}


def test_registers() -> None:
    xen = FakeXen()
    guest, domain, _ = made(xen, "-p")
    assert guest.paused
    context = guest.context
    assert context is not None
    assert (context.flags, context.sctlr, context.ttbr0, context.ttbr1, context.ttbcr) == (
        1,
        0x00C50078,
        0,
        0,
        0,
    )
    assert (context.user_regs.pc64, context.user_regs.cpsr) == (RAM, 0x3C5)
    tree = xen.read(domain.domid, context.user_regs.x0, 4)
    assert tree == b"\xd0\x0d\xfe\xed"


def test_several_vcpus() -> None:
    xen = FakeXen()
    guest, domain, _ = made(xen, "--vcpus", "3")
    assert (guest.vcpus, guest.max_vcpus) == (3, 3)
    assert xen.store_is.entries[f"/local/domain/{domain.domid}/cpu/2/availability"] == b"online"


@pytest.mark.parametrize("refused", [(), (18,), (18, 9)])
def test_extents(refused: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """RAM comes in the largest extents that Xen has."""
    xen = FakeXen()
    xen.no_orders = set(refused)
    host = XenHost(xen)
    size = (1 if refused else 3) * (512 << 20) + 5 * PAGE
    domain = host.create_domain("arm64", size, 1)
    orders: list[int] = []
    memory_op = xen.calls.memory_op

    def watch(command: int, place: int) -> int:
        from coldline.hypervisor.xen.structures import MemoryReservation

        orders.append(MemoryReservation.from_address(place).extent_order)
        return memory_op(command, place)

    monkeypatch.setattr(xen.calls, "memory_op", watch)
    host.populate(domain, RAM, size)
    frames = xen.domains[domain.domid].frames
    assert (min(frames), max(frames), len(frames)) == (0x40000, 0x40000 + size // PAGE - 1, size // PAGE)
    given = [order for order in orders if order not in refused]
    assert given == sorted(given, reverse=True)
    if refused == ():
        assert orders == [18, 9, 0]


def test_no_memory_left() -> None:
    xen = FakeXen()
    xen.free_frames = 700
    host = XenHost(xen)
    domain = host.create_domain("arm64", 8 * MIB, 1)
    with says(f"^domain 1: populate {RAM + 700 * PAGE:#x}: XENMEM_populate_physmap: Cannot allocate memory$"):
        host.populate(domain, RAM, 8 * MIB)
    host.destroy(domain)
    assert (xen.domains, xen.free_frames) == ({}, 700)


def test_flushes_are_split() -> None:
    xen = FakeXen()
    host = XenHost(xen)
    domain = host.create_domain("arm64", 2 << 30, 1)
    host.populate(domain, RAM, (1 << 30) + 2 * PAGE)
    host.flush(domain, RAM + PAGE, (1 << 30) + PAGE)
    assert xen.flushed == [(1, 0x40001, 1 << 18), (1, 0x80001, 1)]


@pytest.mark.parametrize(("strategy", "with_driver"), [("flush", True), ("flush", False), ("uncached", True)])
def test_what_is_larger_than_a_mapping_is_mapped_part_by_part(strategy: str, with_driver: bool) -> None:
    """Every byte is at its place, no mapping is larger than allowed, and nothing is mapped twice."""
    data = memoryview(random.Random(7).randbytes(9 * MIB + 5))
    plan = make_plan(
        load_kernel(str(sample("midway-arm64").image)),
        GuestOptions(memory=64 * MIB, vcpus=1, bootargs="", initrd=data),
    )
    xen = FakeXen(with_driver=with_driver)
    trace: list[Event] = []
    host = RecordedXen(XenHost(xen), model_of((4, 17), "aarch64"), trace.append)
    domain = build_domain(plan, strategy, host)
    for segment in plan.segments:
        assert xen.read(domain.domid, segment.address, segment.data.nbytes) == bytes(segment.data[:])
    assert xen.mappings == {}
    (initrd,) = (segment for segment in plan.segments if segment.name == "initrd")
    ours = [
        (event.op.words, event.address - initrd.address, event.size)
        for event in trace
        if event.agent == "dom0" and initrd.address <= event.address < initrd.end
    ]
    clean = strategy == "flush"
    last = MIB + PAGE
    assert host.max_mapping == 4 * MIB
    assert ours == [
        step
        for start, size, used in (
            (0, 4 * MIB, 4 * MIB),
            (4 * MIB, 4 * MIB, 4 * MIB),
            (8 * MIB, last, MIB + 5),
        )
        for step in (
            ("map", start, size),
            ("write", start, used),
            *([("write", start + used, size - used)] if used < size else []),
            *([("dc civac", start, size)] if clean else []),
            ("unmap", start, size),
        )
    ]


# What is refused


def test_a_version_that_nobody_knows() -> None:
    with says(r"^Xen 4\.99 is not supported; supported are 4\.14, .*, 4\.22$"):
        XenHost(FakeXen(version=(4, 99)))


def test_without_the_driver_nothing_is_cached_instead() -> None:
    xen = FakeXen(with_driver=False)
    with says(
        r"^load kernel at 0x40000000: domain 2: map 0x40000000: no /dev/xen/coldline: an uncached mapping needs "
        r".*make -C driver"
    ):
        made(xen, "--strategy", "uncached")
    assert (xen.domains, xen.mappings) == ({}, {})


def test_without_xenstored() -> None:
    xen = FakeXen(with_store=False)
    with says("xenstored does not answer"):
        made(xen)
    assert xen.domains == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "a/b"], "invalid domain name 'a/b'"),
        (["--name", "7"], "invalid domain name '7'"),
        (["--name", "x\x1b[2J"], r"invalid domain name 'x\\x1b\[2J'"),
        (["--gic", "2"], "the guest needs a GICv2, but this Xen offers a GICv3"),
        (["--el", "2"], "starts at EL1"),
        (["--strategy", "syscall"], "no strategy 'syscall' on arm64"),
    ],
)
def test_what_cannot_be(words: list[str], message: str) -> None:
    xen = FakeXen()
    with pytest.raises((HypervisorError, UsageError), match=message):
        made(xen, *words)
    assert xen.domains == {}


def test_names_are_given_once() -> None:
    xen = FakeXen()
    made(xen)
    with pytest.raises(UsageError, match="a domain 'guest' exists already"):
        made(xen)
    assert len(xen.domains) == 1


def test_xenstore_is_asked_again() -> None:
    xen = FakeXen()
    xen.store_is.disturbances = 2
    _, domain, _ = made(xen)
    assert xen.store_is.entries[f"/local/domain/{domain.domid}/name"] == b"guest"


# DomainList that are there


def test_domains() -> None:
    xen = FakeXen()
    _, first, _ = made(xen, "-p")
    _, second, _ = made(xen, "--name", "other")
    domains = DomainList(xen)
    assert [(known.domid, known.name, known.state) for known in domains.all()] == [
        (first.domid, "guest", "paused"),
        (second.domid, "other", "blocked"),
    ]
    guest = domains.find("guest")
    assert domains.find(str(first.domid)) == guest
    assert guest.memory == 8 * MIB + 3 * PAGE
    domains.unpause(guest)
    with says("unpause: it is blocked, not paused"):
        domains.unpause(domains.find("guest"))
    domains.pause(guest)
    assert domains.find("guest").state == "paused"
    domains.destroy(guest)
    with pytest.raises(UsageError, match="no domain 'guest'"):
        domains.find("guest")
    assert not [path for path in xen.store_is.entries if path.startswith(f"/local/domain/{first.domid}/")]
    assert [known.name for known in domains.all()] == ["other"]


Held = tuple[FakeXen, XenDomain, Callable[[], None]]
Destroy = Callable[[FakeXen, XenDomain], None]


@pytest.fixture
def held() -> Held:
    """A guest whose ring xenconsoled maps, and a function that does what xenconsoled does at the guest's end."""
    xen = FakeXen()
    _, domain, _ = made(xen)
    ring = xen.foreign.map(domain.domid, [0x39000])

    def let_go() -> None:
        xen.store_is.entries[f"/local/domain/{domain.domid}/console/tty"] = b"/dev/pts/1"
        xen.foreign.unmap(ring, 1)

    return xen, domain, let_go


def by_its_host(xen: FakeXen, domain: XenDomain) -> None:
    XenHost(xen).destroy(domain)


def by_whoever_finds_it(xen: FakeXen, domain: XenDomain) -> None:
    domains = DomainList(xen)
    domains.destroy(domains.find(str(domain.domid)))


@pytest.mark.parametrize("destroy", [by_its_host, by_whoever_finds_it])
def test_what_a_daemon_writes_before_it_lets_go_is_removed(
    held: Held, destroy: Destroy, monkeypatch: pytest.MonkeyPatch
) -> None:
    xen, domain, let_go = held
    info = xen.calls.getdomaininfo
    looks: list[int] = []

    def look(header: DomctlHeader, union: GetDomainInfo) -> None:
        if xen.domains[domain.domid].dying:
            looks.append(header.domain)
            if len(looks) == 3:
                let_go()
        info(header, union)

    monkeypatch.setattr(xen.calls, "getdomaininfo", look)
    destroy(xen, domain)
    assert len(looks) == 3
    assert xen.domains == {}
    assert not [path for path in xen.store_is.entries if path.startswith(f"/local/domain/{domain.domid}")]


@pytest.mark.parametrize("destroy", [by_its_host, by_whoever_finds_it])
def test_whoever_holds_a_dying_domain_is_not_waited_for_for_ever(
    held: Held, destroy: Destroy, monkeypatch: pytest.MonkeyPatch
) -> None:
    xen, domain, _ = held
    monkeypatch.setattr("coldline.hypervisor.xen.teardown.GONE_WAIT_S", 0.05)
    destroy(xen, domain)
    assert xen.domains[domain.domid].dying


def test_half_a_domain_is_destroyed() -> None:
    """A domain as a killed builder leaves it: with entries or without."""
    xen = FakeXen()
    half = XenHost(xen).create_domain("arm64", MIB, 1)
    xen.store_is.write(f"/local/domain/{half.domid}/name", "half")
    known = DomainList(xen).find("half")
    DomainList(xen).destroy(known)
    assert xen.domains == {}
    assert not [path for path in xen.store_is.entries if path.count("/") > 2]


def test_more_domains_than_one_call_tells_of() -> None:
    xen = FakeXen()
    host = XenHost(xen)
    for _ in range(80):
        host.create_domain("arm64", MIB, 1)
    assert [known.domid for known in DomainList(xen).all()] == [*range(1, 81)]


# The trace of what was done


def text_of(events: list[Event]) -> str:
    return "".join(f"{event}\n" for event in events)


def plan_of() -> Plan:
    return make_plan(load_kernel(str(sample("midway-arm64").image)), GuestOptions(memory=8 * MIB))


def carry_out(plan: Plan, strategy: str, host: Hypervisor[DomainT], trace: list[Event]) -> None:
    """Build, start and destroy; `trace` is where the host records."""
    domain = build_domain(plan, strategy, host)
    host.unpause(domain)
    trace += look_at(plan)
    host.destroy(domain)


@pytest.mark.parametrize(
    "strategy", [name for name, each in STRATEGIES.items() if "arm64" in each.architectures]
)
def test_what_was_done_is_what_a_simulated_host_does(strategy: str) -> None:
    xen, plan = FakeXen(), plan_of()
    model = HOST_MODELS["xen-4.17-arm64"]
    recorded: list[Event] = []
    simulated: list[Event] = []
    carry_out(plan, strategy, RecordedXen(XenHost(xen), model, recorded.append), recorded)
    carry_out(plan, strategy, SimulatedHost(model, simulated.append), simulated)
    assert text_of(recorded) == text_of(simulated)
    assert check_text(text_of(recorded)) == check_text(text_of(simulated))
    wanted = "normal-nc" if STRATEGIES[strategy].mapping_type is MemoryType.NORMAL_NC else "normal-wb"
    assert any(
        str(event).startswith(f"dom0 map {RAM:#x} ") and str(event).endswith(wanted) for event in recorded
    )


def test_the_trace_of_the_command(tmp_path: Path) -> None:
    xen = FakeXen()
    path = tmp_path / "made.trace"
    made(xen, "--trace", str(path), "--vuart")
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert f"dom0 map {MAGIC:#x} 0x4000 normal-wb" in lines
    assert f"dom0 write {MAGIC:#x} 0x4000" in lines
    (look,) = [number for number, line in enumerate(lines) if line.startswith("# the look: nobody did this")]
    assert lines[look + 1] == "look mmu off"
    assert all(line.startswith("look ") for line in lines[look + 1 :])
    assert not any(line.startswith(("guest ", "look ")) for line in lines[:look])


def test_models() -> None:
    assert model_of((4, 17), "aarch64").name == "xen-4.17-arm64"
    assert model_of((4, 22), "aarch64").name == "xen-4.22-arm64"
    assert model_of((4, 17), "armv7l").name == "xen-4.17-arm32"


def test_errors_of_calls_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    xen = FakeXen()

    def refuse(request: CreateDomain) -> NoReturn:
        raise OSError(errno.ENOMEM, "XEN_DOMCTL_createdomain")

    monkeypatch.setattr(xen.calls, "createdomain", refuse)
    with says("^create domain: XEN_DOMCTL_createdomain: Cannot allocate memory$"):
        XenHost(xen).create_domain("arm64", MIB, 1)
