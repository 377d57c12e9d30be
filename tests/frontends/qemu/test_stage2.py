# SPDX-License-Identifier: GPL-2.0-or-later
"""A hypervisor of a few instructions at EL2 under QEMU makes a stage 2 and runs a guest below it at EL1.

Expected events follow from the code and the tables, expected types from the Arm ARM (DDI 0487 D8.6.5, D8.6.6).
"""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from tests.frontends.qemu.test_watch import events_of, of, watched
from tests.helpers import machines
from tests.helpers.command import COHERENT, HAZARD, Cli
from tests.helpers.guest_runs import LEVEL1, LEVEL2, mmu_on
from tests.helpers.machines import DATA, SECOND, machine, write_program
from tests.helpers.tiny_guests import DSB, ERET, ISB, RAM, Code, code, ldr, mov, msr, off, store
from tests.helpers.tiny_guests import sys as maintain

STAGE2_LEVEL1, STAGE2_LEVEL2, STAGE2_LEVEL3, OWN_LEVEL1 = 0x14000, 0x15000, 0x16000, 0x17000
GUEST = 0x8000_0000
"""The guest's code, by its intermediate address. Its page is at `SECOND`, the next one is at `DATA`, the one after
that has the guest's own table, and the fourth one is the page after `DATA`."""

VMID = 5
VTCR = 1 << 31 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 32
"""4 GiB of intermediate addresses, so that the first table is of level 1; walks are write-back."""

RW, VM, DC, FWB = 1 << 31, 1 << 0, 1 << 12, 1 << 46
E2H, TGE = 1 << 34, 1 << 27
EL1H = 0x3C5
NORMAL_WB, NORMAL_NC, FORCED_WB = 0b1111, 0b0101, 0b0110


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def leaf(address: int, attributes: int = NORMAL_WB) -> int:
    """A page descriptor of stage 2: MemAttr is bits 5 to 2, S2AP is all access."""
    return address | a64.AF | a64.INNER_SHAREABLE | 3 << 6 | attributes << 2 | 3


def stage2(attributes: int, last: int = NORMAL_NC) -> dict[int, bytes]:
    """The tables of stage 2 with a type for the first three pages and one for the last page; and the guest's own."""
    places = (SECOND, DATA, RAM + OWN_LEVEL1)
    pages = {index: leaf(place, attributes) for index, place in enumerate(places)}
    return {
        STAGE2_LEVEL1: a64.words({2: a64.table(RAM + STAGE2_LEVEL2)}),
        STAGE2_LEVEL2: a64.words({0: a64.table(RAM + STAGE2_LEVEL3)}),
        STAGE2_LEVEL3: a64.words({**pages, 3: leaf(DATA + 0x1000, last)}),
        OWN_LEVEL1: a64.words({2: a64.block(GUEST)}),
    }


def enter(hcr: int) -> Code:
    """Turn the stage 2 on, and go to the guest at EL1."""
    registers = {
        "vtcr_el2": VTCR,
        "vttbr_el2": VMID << 48 | RAM + STAGE2_LEVEL1,
        "hcr_el2": RW | hcr,
        "sctlr_el1": a64.SCTLR_OFF,
        "elr_el2": GUEST,
        "spsr_el2": EL1H,
    }
    return code(*(code(mov(1, value), msr(name, 1)) for name, value in registers.items()), ISB, ERET)


def builder(clean: list[str], hcr: int) -> Code:
    """EL2 with its caches on writes a word, maintains its line, and enters the guest."""
    return code(
        mmu_on(level=2), mov(2, DATA), mov(4, 0x1234), store(4, 2),
        *(maintain(name, 2) for name in clean), DSB, enter(hcr),
    )  # fmt: skip


READS = code(mov(2, GUEST + 0x1000), ldr(4, 2), off(call=a64.SMC))


def words_of(qemu: list[str], file: Path, cpu: str = "cortex-a57") -> list[str]:
    return machine(qemu, file, "-M", "virtualization=on", "-cpu", cpu)


@pytest.mark.parametrize(
    ("clean", "hcr", "attributes", "cpu", "status"),
    [
        ([], VM, NORMAL_WB, "cortex-a57", HAZARD),
        (["dc cvac"], VM, NORMAL_WB, "cortex-a57", COHERENT),
        (["dc civac"], VM, NORMAL_WB, "cortex-a57", COHERENT),
        ([], VM | FWB, FORCED_WB, "max", COHERENT),
        ([], DC, NORMAL_WB, "cortex-a57", COHERENT),
        ([], VM | DC, NORMAL_NC, "cortex-a57", HAZARD),
    ],
)
def test_a_guest_with_its_mmu_off_reads_what_its_builder_wrote(
    cli: Cli,
    qemu: list[str],
    tmp_path: Path,
    clean: list[str],
    hcr: int,
    attributes: int,
    cpu: str,
    status: int,
) -> None:
    file = write_program(
        tmp_path / "program", builder(clean, hcr), READS, more=stage2(attributes, attributes)
    )
    done = cli("watch", "--start", "cold", "--name", f"{VMID}=dom1", "--", *words_of(qemu, file, cpu))
    assert done.status == status, done
    if status == HAZARD:
        assert "stale-read: cpu0.dom1" in done.out
        assert f"may get old bytes at {DATA:#x}, 8 bytes" in done.out


def test_walks_of_both_stages_and_combined_types(qemu: list[str], tmp_path: Path) -> None:
    guest = code(
        mov(1, a64.MAIR), msr("mair_el1", 1), mov(1, a64.tcr()), msr("tcr_el1", 1), mov(1, GUEST + 0x2000),
        msr("ttbr0_el1", 1), ISB, mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I), msr("sctlr_el1", 1), ISB,
        mov(2, GUEST + 0x1000), ldr(4, 2), mov(2, GUEST + 0x3000), ldr(4, 2), off(call=a64.SMC),
    )  # fmt: skip
    file = write_program(tmp_path / "program", builder([], VM), guest, more=stage2(NORMAL_WB))
    events = events_of(words_of(qemu, file), start="cold")
    own = [each for each in events if each.startswith("cpu0.vmid5")]
    tables = [RAM + STAGE2_LEVEL1 + 16, RAM + STAGE2_LEVEL2]
    before = [f"cpu0.vmid5-s2 walk {each:#x} 8 normal-wb" for each in tables]
    last = [f"cpu0.vmid5-s2 walk {RAM + STAGE2_LEVEL3 + 8 * index:#x} 8 normal-wb" for index in range(4)]
    table = f"cpu0.vmid5 walk {RAM + OWN_LEVEL1 + 16:#x} 8 normal-wb"
    accesses = of(own, "walk", "read")
    assert accesses[-10:] == [
        *before, last[1], table, f"cpu0.vmid5 read {DATA:#x} 8",
        *before, last[3], table, f"cpu0.vmid5-nc read {DATA + 0x1000:#x} 8",
    ]  # fmt: skip
    maps = of(own, "map")
    assert f"cpu0.vmid5 map {SECOND:#x} 0x2000 normal-wb exec" in maps
    assert f"cpu0.vmid5-nc map {DATA + 0x1000:#x} 0x1000 normal-nc exec" in maps
    assert f"cpu0.vmid5 map {RAM + OWN_LEVEL1:#x} 0x1000 normal-wb exec" in maps


VECTORS = 0x1C000
"""EL2's vectors; an exception of EL1 goes to the one at 0x400 (Arm ARM DDI 0487 D1.3.1)."""

OWN_MMU_ON = code(
    mov(1, a64.MAIR), msr("mair_el1", 1), mov(1, a64.tcr()), msr("tcr_el1", 1), mov(1, GUEST + 0x2000),
    msr("ttbr0_el1", 1), ISB, mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I), msr("sctlr_el1", 1), ISB,
)  # fmt: skip


def put(index: int, value: int) -> Code:
    """EL2 stores a page descriptor of the stage 2."""
    return code(mov(2, RAM + STAGE2_LEVEL3 + 8 * index), mov(4, value), store(4, 2), DSB)


def test_changes_of_a_stage_2_and_a_vmid_that_is_used_again(qemu: list[str], tmp_path: Path) -> None:
    """A leaf counts from its store to its invalidation; with the last one the guest is gone."""
    after = code(OWN_MMU_ON, a64.HVC)
    at_el2 = code(
        put(4, leaf(DATA + 0x2000)),
        put(1, 0),
        mov(3, GUEST + 0x1000 >> 12),
        maintain("tlbi ipas2e1is", 3),
        DSB,
        *(put(index, 0) for index in (0, 2, 3, 4)),
        maintain("tlbi vmalls12e1is"),
        DSB,
        put(0, leaf(SECOND)),
        put(2, leaf(RAM + OWN_LEVEL1)),
        ERET,
    )
    first = code(mmu_on(level=2), mov(1, RAM + VECTORS), msr("vbar_el2", 1), enter(VM))
    more = {**stage2(NORMAL_WB), VECTORS + 0x400: a64.bytes_of(at_el2)}
    file = write_program(tmp_path / "program", first, code(after, off(call=a64.SMC)), more=more)
    events, begins, watch = watched(words_of(qemu, file), start="cold", names={VMID: "dom1"})
    assert watch.outcome.guests == ["dom1", "dom1.2"]
    starts = [
        next(at for at, each in enumerate(events) if each.split()[0] == f"cpu0.{name}")
        for name in ("dom1", "dom1.2")
    ]
    assert len(begins) == 2
    assert begins[0] <= starts[0] < begins[1] <= starts[1]
    changes = [
        each for each in events if each.startswith(("cpu0.dom1", "cpu0.el2 write")) and "walk" not in each
    ]
    entry = [f"cpu0.el2 write {RAM + STAGE2_LEVEL3 + 8 * index:#x} 8" for index in range(5)]
    start = changes.index(entry[4])
    kept = [each for each in changes[start:] if of([each], "map", "unmap", "write")]
    assert kept[:4] == [
        entry[4],
        f"cpu0.dom1 map {DATA + 0x2000:#x} 0x1000 normal-wb exec",
        entry[1],
        f"cpu0.dom1 unmap {DATA:#x} 0x1000",
    ]
    assert kept[4:8] == [entry[0], entry[2], entry[3], entry[4]]
    gone = [each for each in kept[8:] if each.startswith("cpu0.dom1") and " unmap " in each]
    assert sorted(gone) == sorted([
        f"cpu0.dom1 unmap {SECOND:#x} 0x1000",
        f"cpu0.dom1 unmap {DATA + 0x2000:#x} 0x1000",
        f"cpu0.dom1 unmap {RAM + OWN_LEVEL1:#x} 0x1000",
        f"cpu0.dom1-nc unmap {DATA + 0x1000:#x} 0x1000",
    ])  # fmt: skip
    assert [each for each in changes if each.startswith("cpu0.dom1.2 map")] == [
        f"cpu0.dom1.2 map {SECOND:#x} 0x1000 normal-wb exec",
        f"cpu0.dom1.2 map {RAM + OWN_LEVEL1:#x} 0x1000 normal-wb exec",
    ]
    assert changes[-1].startswith("cpu0.dom1.2 fetch")


OWN_LEVEL2, COPY = 0x18000, 0x19000
RAM_AT = 0xC000_0000
"""Where the guest maps the first 2 MiB of RAM in the tests below, by a table of its own in its fourth page."""


@pytest.mark.parametrize("moves", [False, True])
def test_a_table_of_a_guest_that_its_host_maps_later(qemu: list[str], tmp_path: Path, moves: bool) -> None:
    """The guest links a table on a page that stage 2 does not map yet, as Linux 6.12 does for its device tree.

    Or the host moves the table, between two stores of the guest's to it. The table is followed where it is.
    """
    link = code(mov(2, GUEST + 0x2000 + 8 * 3), mov(4, a64.table(GUEST + 0x3000)), store(4, 2), DSB)
    fill = code(mov(2, GUEST + 0x3000), mov(4, a64.block(RAM)), store(4, 2), DSB)
    reads = code(mov(2, RAM_AT + DATA + 0x2000 - RAM), ldr(4, 2), off(call=a64.SMC))
    maps = put(3, leaf(RAM + (COPY if moves else OWN_LEVEL2)))
    at_el2 = code(
        put(4, leaf(DATA + 0x3000)),
        *(code(put(3, 0), mov(3, GUEST + 0x3000 >> 12), maintain("tlbi ipas2e1is", 3), DSB) for _ in range(moves)),
        maps, ERET,
    )  # fmt: skip
    guest = code(OWN_MMU_ON, link, a64.HVC, fill, ISB, reads)
    first = code(mov(1, RAM + VECTORS), msr("vbar_el2", 1), enter(VM))
    more = {
        **stage2(NORMAL_WB),
        STAGE2_LEVEL1: a64.words(
            {1: a64.table(RAM + STAGE2_LEVEL2 + 0x8000), 2: a64.table(RAM + STAGE2_LEVEL2)}
        ),
        STAGE2_LEVEL2 + 0x8000: a64.words({0: leaf(RAM) & ~2}),
        VECTORS + 0x400: a64.bytes_of(at_el2),
    }
    entries = {index: leaf(place) for index, place in enumerate((SECOND, DATA, RAM + OWN_LEVEL1))}
    more[STAGE2_LEVEL3] = a64.words({**entries, **({3: leaf(RAM + OWN_LEVEL2)} if moves else {})})
    file = write_program(tmp_path / "program", first, guest, more=more)
    events = [
        each for each in events_of(words_of(qemu, file), start="cold") if each.startswith("cpu0.vmid5 ")
    ]
    table = RAM + (COPY if moves else OWN_LEVEL2)
    written, read = (
        events.index(each)
        for each in (f"cpu0.vmid5 write {table:#x} 8", f"cpu0.vmid5 read {DATA + 0x2000:#x} 8")
    )
    pieces = [each.split()[2:4] for each in of(events[written:read], "map")]
    ranges = [(int(address, 0), int(size, 0)) for address, size in pieces]
    assert any(at <= DATA + 0x2000 < at + size for at, size in ranges), events[written : read + 1]


@pytest.mark.parametrize(("first", "ended"), [(0, DATA), (2, DATA + 0x1000)])
def test_an_invalidation_of_a_range_of_intermediate_addresses(
    qemu: list[str], tmp_path: Path, first: int, ended: int
) -> None:
    """It has two pages: the guest's second one or its fourth one ends, and the other one lasts."""
    operand = 1 << 46 | GUEST + 0x1000 * first >> 12
    at_el2 = code(put(1, 0), put(3, 0), mov(3, operand), maintain("tlbi ripas2e1is", 3), DSB, ERET)
    first_core = code(mov(1, RAM + VECTORS), msr("vbar_el2", 1), enter(VM))
    more = {**stage2(NORMAL_WB, NORMAL_WB), VECTORS + 0x400: a64.bytes_of(at_el2)}
    second = code(OWN_MMU_ON, a64.HVC, off(call=a64.SMC))
    file = write_program(tmp_path / "program", first_core, second, more=more)
    events = events_of(words_of(qemu, file, "max"), start="cold")
    removed = max(at for at, each in enumerate(events) if each.startswith("cpu0.el2 write"))
    assert of(events[removed:], "unmap") == [f"cpu0.vmid5 unmap {ended:#x} 0x1000"]


NXS = 1 << 12
"""The bit of CRn that TLBI ...nXS has (Arm ARM DDI 0487 C5.5)."""


@pytest.mark.parametrize("nxs", [0, NXS])
@pytest.mark.parametrize("invalidation", ["tlbi ipas2e1is", "tlbi vmalls12e1is"])
def test_a_host_with_vhe_invalidates_a_guests_tlb_with_its_stage_2_off(
    qemu: list[str], tmp_path: Path, invalidation: str, nxs: int
) -> None:
    """It is of the VMID in VTTBR_EL2, with HCR_EL2.VM and TGE clear (Arm ARM DDI 0487 C5.5): so does Linux's KVM."""
    hcr = {"host": RW | E2H | TGE, "invalidates": RW | E2H, "guest": RW | E2H | VM}
    switch = {name: code(mov(1, value), msr("hcr_el2", 1), ISB) for name, value in hcr.items()}
    operand = code(mov(3, GUEST + 0x1000 >> 12)) if "ipas2" in invalidation else []
    invalidates = maintain(invalidation, 3 if operand else None)
    at_el2 = code(
        switch["host"], put(1, 0), operand, switch["invalidates"],
        invalidates._replace(word=invalidates.word | nxs), DSB,
        switch["host"], put(4, leaf(DATA + 0x2000)), switch["guest"], ERET,
    )  # fmt: skip
    first = code(mov(1, RAM + VECTORS), msr("vbar_el2", 1), enter(VM | E2H))
    more = {**stage2(NORMAL_WB), VECTORS + 0x400: a64.bytes_of(at_el2)}
    second = code(OWN_MMU_ON, a64.HVC, off(call=a64.SMC))
    file = write_program(tmp_path / "program", first, second, more=more)
    events = events_of(words_of(qemu, file, "max"), start="cold")
    changes = [each for each in events if each.startswith(("cpu0.vmid5", "cpu0.el2 write"))]
    kept = of(changes, "write", "map", "unmap")
    removed = next(at for at, each in enumerate(kept) if f"write {RAM + STAGE2_LEVEL3 + 8:#x} 8" in each)
    assert kept[removed + 1] == f"cpu0.vmid5 unmap {DATA:#x} 0x1000", kept[removed:]


def test_el2_with_vhe_has_two_ranges_of_addresses(qemu: list[str], tmp_path: Path) -> None:
    """With E2H, TCR_EL2 is like TCR_EL1; with TGE, a TLBI of EL1 is one of EL2 (Arm ARM DDI 0487 D8.1, C5.5)."""
    upper = 0xFFFF_FFFF_0000_0000
    registers = {
        "hcr_el2": RW | E2H | TGE,
        "mair_el2": a64.MAIR,
        "tcr_el2": 2 << 30 | 3 << 28 | 1 << 26 | 1 << 24 | 32 << 16 | a64.tcr() & ~(1 << 23),
        "ttbr0_el2": RAM + LEVEL1,
        "s3_4_c2_c0_1": RAM + LEVEL1,  # TTBR1_EL2
        "sctlr_el2": a64.SCTLR_OFF | a64.M | a64.C | a64.I,
    }
    program = code(
        *(code(mov(1, value), msr(name, 1), ISB) for name, value in registers.items()),
        mov(2, upper + DATA), ldr(4, 2), maintain("tlbi vmalle1is"), DSB, ldr(4, 2, 8), off(call=a64.SMC),
    )  # fmt: skip
    events = events_of(words_of(qemu, write_program(tmp_path / "program", program), "max"), start="cold")
    accesses = of(events, "walk", "read")
    walks = [
        f"cpu0.el2 walk {RAM + LEVEL1 + 8:#x} 8 normal-wb",
        f"cpu0.el2 walk {RAM + LEVEL2:#x} 8 normal-wb",
    ]
    reads = [f"cpu0.el2 read {DATA:#x} 8", f"cpu0.el2 read {DATA + 8:#x} 8"]
    assert accesses[accesses.index(reads[0]) - 2 :][:3] == [*walks, reads[0]]
    assert accesses[-3:] == [*walks, reads[1]]


def test_a_name_is_one_line(cli: Cli) -> None:
    done = cli("watch", "--name", "1=el1", "--", "qemu-system-aarch64", "-M", "virt")
    assert done.status == 2
    assert (
        "--name: 'el1' cannot be a guest's name: letters, digits and _, and neither el1 nor vmid1" in done.err
    )
