# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare-metal programs under QEMU: what becomes an event, and what is found. Expected events follow from the code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.events.batch import Batch
from coldline.events.conformance import SourceRig, check_source
from coldline.frontends.qemu import Watch, read_command_line
from tests.helpers import machines
from tests.helpers.command import COHERENT, HAZARD, Cli
from tests.helpers.guest_runs import LEVEL1, LEVEL2, LEVEL3, NEVER, WINDOW, instructions, mmu_on
from tests.helpers.machines import DATA, SECOND, machine, starts_second_core, write_program
from tests.helpers.tiny_guests import DSB, ISB, RAM, Code, code, ldr, mov, off, store
from tests.helpers.tiny_guests import sys as maintain


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def events_of(words: list[str], **options: object) -> list[str]:
    """The events of a machine, as text."""
    return watched(words, **options)[0]


def watched(words: list[str], **options: object) -> tuple[list[str], list[int], Watch]:
    """The same, the numbers of the events with which a guest begins, and how the machine ran."""
    seen: list[str] = []
    begins: list[int] = []

    def take(batch: Batch) -> None:
        if batch.begins_guest:
            begins.append(len(seen))
        seen.extend(str(batch.event(index)) for index in range(len(batch)))

    watch = Watch(read_command_line(words), **options)  # type: ignore[arg-type]
    watch.run(take)
    assert watch.outcome.failure == ""
    assert watch.outcome.unknown == 0
    return seen, begins, watch


def run(qemu: list[str], tmp_path: Path, program: Code, **options: object) -> list[str]:
    """The events of a program on one core."""
    return events_of(machine(qemu, write_program(tmp_path / "program", program)), **options)


def of(events: list[str], *operations: str) -> list[str]:
    """The events with these operations."""
    return [each for each in events if each.split(" ", 1)[1].startswith(operations)]


def test_accesses_with_the_mmu_off(qemu: list[str], tmp_path: Path) -> None:
    program = code(mov(2, DATA), mov(4, 5), store(4, 2, 8), a64.strb(4, 2), ldr(5, 2, 8), off())
    events = run(qemu, tmp_path, program, start="cold")
    assert events[:3] == ["cpu0.el1 dcache off", "cpu0.el1 icache off", "cpu0.el1 mmu off"]
    assert of(events, "read", "write") == [
        f"cpu0.el1 write {DATA + 8:#x} 8",
        f"cpu0.el1 write {DATA:#x} 1",
        f"cpu0.el1 read {DATA + 8:#x} 8",
    ]
    fetched = instructions(events)
    assert fetched == [RAM + 4 * index for index in range(len(program))]


def test_the_start_is_a_loaders_map(qemu: list[str], tmp_path: Path) -> None:
    whole = f"{RAM:#x} {64 << 20:#x}"
    clean = run(qemu, tmp_path, off())
    assert clean[:2] == [f"loader map {whole} normal-wb", f"loader unmap {whole}"]
    dirty = run(qemu, tmp_path, off(), start="dirty")
    assert dirty[:2] == [f"loader map {whole} normal-wb", f"loader write {whole}"]
    cleaned = of(dirty, "dc cvac")
    assert cleaned[0].startswith(f"loader dc cvac {RAM:#x} ")
    assert f"loader dc cvac {RAM + LEVEL1:#x} 0x2000" in cleaned  # the third table is all zeros
    assert dirty[2 + len(cleaned)] == f"loader unmap {whole}"


@pytest.mark.parametrize(
    ("start", "before", "status"),
    [
        ("clean", [], COHERENT),
        ("dirty", [], HAZARD),
        ("any", [], HAZARD),
        ("any", ["dc ivac"], COHERENT),
        ("cold", [], COHERENT),
    ],
)
def test_a_word_that_is_stored_and_loaded_with_the_mmu_off(
    cli: Cli, qemu: list[str], tmp_path: Path, start: str, before: list[str], status: int
) -> None:
    """A dirty line of an earlier program is written back over it, unless it is invalidated before."""
    data = RAM + 0x10_0000  # nothing was loaded there
    program = code(mov(2, data), *(maintain(each, 2) for each in before), DSB, store(2, 2), ldr(4, 2), off())
    file = write_program(tmp_path / "program", program)
    done = cli("watch", "--start", start, "--", *machine(qemu, file))
    assert done.status == status, done
    if status == HAZARD:
        assert f"at {data:#x}, 8 bytes" in done.out


def test_types_walks_and_aliases_with_the_mmu_on(qemu: list[str], tmp_path: Path) -> None:
    pages = {
        0: a64.page(WINDOW, a64.NC, NEVER),
        1: a64.page(WINDOW + 0x1000, a64.DEVICE, NEVER),
        2: a64.page(WINDOW + 0x2000, a64.WB, NEVER),
    }
    program = code(
        mmu_on(),
        mov(2, WINDOW),
        store(4, 2),
        ldr(5, 2, 0x1000),
        maintain("dc zva", 2),
        mov(2, WINDOW + 0x2000),
        maintain("dc zva", 2),
        a64.ldp(5, 6, 2, 16),
        a64.stp(5, 6, 2, 32),
        maintain("dc civac", 2),
        off(),
    )
    file = write_program(tmp_path / "program", program, pages=pages)
    events = events_of(machine(qemu, file), start="cold")
    assert of(events, "read", "write", "dc ") == [
        f"cpu0.el1-nc write {WINDOW:#x} 8",
        f"cpu0.el1-device read {WINDOW + 0x1000:#x} 8",
        f"cpu0.el1-nc dc zva {WINDOW:#x} 64",
        f"cpu0.el1 dc zva {WINDOW + 0x2000:#x} 64",
        f"cpu0.el1 read {WINDOW + 0x2010:#x} 16",
        f"cpu0.el1 write {WINDOW + 0x2020:#x} 8",
        f"cpu0.el1 write {WINDOW + 0x2028:#x} 8",
        f"cpu0.el1 dc civac {WINDOW + 0x2000:#x} 64",
    ]
    assert f"cpu0.el1-nc map {WINDOW:#x} 0x1000 normal-nc" in events
    assert f"cpu0.el1-device map {WINDOW + 0x1000:#x} 0x1000 device" in events
    assert f"cpu0.el1 map {RAM:#x} 0x200000 normal-wb exec" in events
    table = f"{RAM + LEVEL1 + 8:#x} 8", f"{RAM + LEVEL2:#x} 8", f"{RAM + LEVEL2 + 8:#x} 8"
    walks = of(events, "walk")
    assert walks[:2] == [f"cpu0.el1 walk {table[0]} normal-wb", f"cpu0.el1 walk {table[1]} normal-wb"]
    assert walks[2:5] == [
        f"cpu0.el1 walk {table[0]} normal-wb",
        f"cpu0.el1 walk {table[2]} normal-wb",
        f"cpu0.el1 walk {RAM + LEVEL3:#x} 8 normal-wb",
    ]


@pytest.mark.parametrize("before", [8, 4])
def test_a_pair_that_is_stored_over_the_end_of_a_page(qemu: list[str], tmp_path: Path, before: int) -> None:
    """The next page by virtual addresses is another one by physical addresses. Loads after it are not left out."""
    pages = {0: a64.page(WINDOW + 0x4000, a64.NC, NEVER), 1: a64.page(WINDOW + 0x2000, a64.NC, NEVER)}
    program = code(
        mmu_on(), mov(3, WINDOW + 0x1000), ldr(7, 3), mov(2, WINDOW + 0x1000 - before), mov(5, 0x1234),
        a64.stp(5, 5, 2), ldr(7, 3), off(),
    )  # fmt: skip
    events = events_of(machine(qemu, write_program(tmp_path / "program", program, pages=pages)), start="cold")
    last, first = WINDOW + 0x5000, WINDOW + 0x2000  # the ends of a page and of the next one
    stores = [(last - 8, 8), (first, 8)] if before == 8 else [(last - 4, 4), (first, 4), (first + 4, 8)]
    assert of(events, "read", "write") == [
        f"cpu0.el1-nc read {first:#x} 8",
        *(f"cpu0.el1-nc write {address:#x} {size}" for address, size in stores),
        f"cpu0.el1-nc read {first:#x} 8",
    ]


def test_stores_to_tables_are_followed(qemu: list[str], tmp_path: Path) -> None:
    entry = RAM + LEVEL3 + 8 * 5
    program = code(
        mmu_on(),
        mov(2, entry),
        mov(4, a64.page(WINDOW + 0x5000, a64.NC, NEVER)),
        store(4, 2),
        DSB,
        ISB,
        mov(3, WINDOW + 0x5000),
        ldr(5, 3),
        mov(4, 0),
        store(4, 2),
        DSB,
        mov(3, WINDOW + 0x5000 >> 12),
        maintain("tlbi vae1is", 3),
        DSB,
        off(),
    )
    events = run(qemu, tmp_path, program, start="cold")
    changes = of(events, "map", "unmap", "read", "write")
    assert changes[changes.index(f"cpu0.el1 write {entry:#x} 8") :] == [
        f"cpu0.el1 write {entry:#x} 8",
        f"cpu0.el1-nc map {WINDOW + 0x5000:#x} 0x1000 normal-nc",
        f"cpu0.el1-nc read {WINDOW + 0x5000:#x} 8",
        f"cpu0.el1 write {entry:#x} 8",
        f"cpu0.el1-nc unmap {WINDOW + 0x5000:#x} 0x1000",
    ]


def test_what_was_read_already_is_left_out_until_it_may_have_changed(qemu: list[str], tmp_path: Path) -> None:
    twice = code(ldr(4, 2), ldr(4, 2))
    program = code(
        mov(2, DATA), twice, ldr(4, 2, 8), store(4, 2, 16), twice, maintain("dc cvac", 2), twice, off()
    )
    expected = ["read 0", "read 8", "write 16", "read 0", "read 0"]
    events = of(run(qemu, tmp_path, program), "read", "write")
    assert [f"{each.split()[1]} {int(each.split()[2], 0) - DATA}" for each in events] == expected


@pytest.mark.parametrize(("clean", "status"), [([], HAZARD), (["dc civac"], COHERENT), (["dc cvau"], HAZARD)])
def test_a_core_that_starts_with_its_caches_off(
    cli: Cli, qemu: list[str], tmp_path: Path, clean: list[str], status: int
) -> None:
    file = write_program(tmp_path / "program", *starts_second_core(clean))
    trace = tmp_path / "a.trace"
    done = cli("watch", "--trace", str(trace), "--", *machine(qemu, file, vcpus=2))
    assert done.status == status, done
    if status == HAZARD:
        assert f"1. stale-read: cpu1.el1 may get old bytes at {DATA:#x}, 8 bytes" in done.out
        pc = SECOND + 4 * len(mov(2, DATA))
        assert f"cpu1.el1 read {DATA:#x} 8, by pc {pc:#x}" in done.out
        story = [line for line in done.out.splitlines() if f"cpu0.el1 write {DATA:#x} 8" in line]
        assert len(story) == 1
        assert "new*" in story[0]
        assert "OLD" in story[0]
    # It follows and does not count: if every access is to Device memory, nothing can be stale.
    text = trace.read_text()
    for word in ("normal-wb", "normal-nc"):
        text = text.replace(word, "device")
    trace.write_text(text)
    assert cli("check", str(trace)).status == COHERENT


def test_barriers_are_events_with_order(qemu: list[str], tmp_path: Path) -> None:
    program = code(mov(2, DATA), store(2, 2), DSB, ldr(4, 2), ISB, off())
    events = run(qemu, tmp_path, program, barriers=True, start="cold")
    assert of(events, "read", "write", "dsb", "isb") == [
        f"cpu0.el1 write {DATA:#x} 8",
        "cpu0.el1 dsb",
        f"cpu0.el1 read {DATA:#x} 8",
        "cpu0.el1 isb",
    ]


def test_only_a_range(qemu: list[str], tmp_path: Path) -> None:
    program = code(mov(2, DATA), ldr(4, 2), mov(2, DATA + 0x1000), ldr(4, 2), store(4, 2), off())
    events = run(qemu, tmp_path, program, only=[(DATA + 0x1000, 0x1000)], start="cold")
    assert of(events, "read", "write", "fetch") == [
        f"cpu0.el1 read {DATA + 0x1000:#x} 8",
        f"cpu0.el1 write {DATA + 0x1000:#x} 8",
    ]


@pytest.mark.parametrize(("never", "start", "told"), [(0, "cold", 3), (NEVER, "cold", 0), (NEVER, "any", 1)])
def test_an_ic_of_all_lines_is_an_event_where_it_matters(
    qemu: list[str], tmp_path: Path, never: int, start: str, told: int
) -> None:
    """It does for a page that is stored to before and after it, if an instruction cache may hold its lines."""
    stores = [code(store(2, 2, 8 * index), maintain("ic ialluis")) for index in range(4)]
    program = code(mmu_on(), mov(2, WINDOW), *stores, off())
    pages = {0: a64.page(WINDOW, a64.WB, never)}
    file = write_program(tmp_path / "program", program, pages=pages)
    events = events_of(machine(qemu, file), start=start)
    assert len(of(events, "ic ialluis")) == told
    assert len([each for each in events if each.startswith("cpu0.el1 write")]) == 4


def test_several_ranges_have_their_own_mappings_and_walks(qemu: list[str], tmp_path: Path) -> None:
    program = code(mmu_on(), mov(2, DATA), ldr(4, 2), mov(2, DATA + 0x5000), store(4, 2), off())
    file = write_program(tmp_path / "program", program)
    ranges = [(DATA + 0x5000, 0x1000), (RAM + LEVEL1, 8), (DATA, 0x800), (DATA + 0x800, 1)]
    events = events_of(machine(qemu, file), only=ranges, start="clean")
    pages = {DATA, DATA + 0x5000, RAM + LEVEL1}
    with_range = [each.split() for each in events if " 0x" in each]
    assert {int(each[2], 16) & -4096 for each in with_range} == pages
    for change in ("loader map", "loader unmap", "cpu0.el1 map"):
        found = [each for each in events if each.startswith(change)]
        assert [each.split()[2:4] for each in sorted(found)] == [
            [f"{page:#x}", "0x1000"] for page in sorted(pages)
        ]
    assert of(events, "walk") == [f"cpu0.el1 walk {RAM + LEVEL1 + 8:#x} 8 normal-wb"] * len(
        of(events, "walk")
    )
    assert of(events, "walk")
    assert of(events, "read", "write") == [
        f"cpu0.el1 read {DATA:#x} 8",
        f"cpu0.el1 write {DATA + 0x5000:#x} 8",
    ]


GRANULE_4K = 1 << 46
"""TG in the operand of a TLBI by range (Arm ARM DDI 0487 C5.5)."""


@pytest.mark.parametrize(
    ("first", "number", "scale", "ended"),
    [
        (4, 0, 0, {4, 5}),
        (5, 1, 0, {5, 6, 7, 8}),
        (8, 0, 1, {8}),
        (0, 31, 3, {4, 5, 6, 7, 8}),
        (9, 0, 0, set()),
    ],
)
def test_a_tlb_invalidation_of_a_range_ends_the_mappings_in_it_alone(
    qemu: list[str], tmp_path: Path, first: int, number: int, scale: int, ended: set[int]
) -> None:
    """It is of (NUM + 1) * 2^(5 * SCALE + 1) granules from BaseADDR (Arm ARM DDI 0487 C5.5)."""
    pages = {index: a64.page(WINDOW + 0x1000 * index, a64.WB, NEVER) for index in range(4, 9)}
    operand = GRANULE_4K | scale << 44 | number << 39 | WINDOW + 0x1000 * first >> 12
    removes = [code(mov(2, RAM + LEVEL3 + 8 * index), mov(4, 0), store(4, 2)) for index in pages]
    program = code(mmu_on(), *removes, DSB, mov(3, operand), maintain("tlbi rvae1is", 3), DSB, off())
    file = write_program(tmp_path / "program", program, pages=pages)
    events = events_of(machine(qemu, file, core="max"), start="cold")
    removed = max(at for at, each in enumerate(events) if each.startswith("cpu0.el1 write"))
    pieces = [each.split()[2:4] for each in of(events[removed:], "unmap") if each.startswith("cpu0.el1 ")]
    ranges = [(int(address, 0), int(size, 0)) for address, size in pieces]
    places = {index: WINDOW + 0x1000 * index for index in pages}
    assert {
        index for index, place in places.items() if any(at <= place < at + size for at, size in ranges)
    } == ended


def test_more_ranges_than_there_can_be(cli: Cli) -> None:
    words = [word for index in range(65) for word in ("--only", f"{0x4000_0000 + 0x2000 * index:#x},4K")]
    done = cli("watch", *words, "--", "qemu-system-aarch64", "-M", "virt")
    assert (done.status, done.err) == (2, "coldline: --only: 65 ranges, and there can be 64\n")


@pytest.mark.parametrize(
    ("core", "status", "promises"), [("cortex-a57", HAZARD, ()), ("max", COHERENT, ("idc", "dic"))]
)
def test_what_ctr_el0_promises(
    cli: Cli, qemu: list[str], tmp_path: Path, core: str, status: int, promises: tuple[str, ...]
) -> None:
    """Code that is stored and executed, with no maintenance, is right where CTR_EL0 has IDC and DIC."""
    program = code(
        mmu_on(), mov(2, WINDOW), mov(4, a64.RET.word), a64.store_w(4, 2), DSB, ISB, a64.blr(2), off()
    )
    file = write_program(tmp_path / "program", program, pages={0: a64.page(WINDOW, a64.WB, 0)})
    words = machine(qemu, file, core=core)
    assert cli("watch", "--start", "cold", "--", *words).status == status
    watch = Watch(read_command_line(words))
    assert watch.begin() == promises
    watch.close()


def test_it_keeps_the_protocol_of_a_source(qemu: list[str], tmp_path: Path) -> None:
    file = write_program(tmp_path / "program", code(mmu_on(), mov(2, DATA), store(2, 2), ldr(4, 2), off()))

    @contextmanager
    def opened() -> Iterator[Watch]:
        yield Watch(read_command_line(machine(qemu, file)))

    check_source(SourceRig(opened, instructions=True))


def test_it_agrees_with_the_emulator(cli: Cli, qemu: list[str], tmp_path: Path) -> None:
    """The same program by `coldline boot`: the same maintenance, aliases, switches and walks, in the same order.

    Of loads, stores and fetches, those that could change nothing are left out here, so what they are to is compared.
    """
    pages = {0: a64.page(WINDOW, a64.NC, NEVER), 1: a64.page(WINDOW + 0x1000, a64.WT, NEVER)}
    program = code(
        mov(2, DATA), store(2, 2), maintain("dc cvac", 2), DSB, mmu_on(), mov(3, WINDOW), store(2, 3), ldr(4, 3),
        ldr(4, 3, 0x1000), store(2, 3, 0x1000), ldr(4, 2), maintain("dc cvau", 2), maintain("ic ivau", 2),
        maintain("dc civac", 3), maintain("ic iallu"), DSB, ISB, maintain("tlbi vmalle1"), DSB, ldr(4, 2), off(),
    )  # fmt: skip
    file = write_program(tmp_path / "program.elf", program, pages=pages)
    watched = events_of(machine(qemu, file), start="cold")
    trace = tmp_path / "a.trace"
    done = cli(
        "boot", str(file), "--machine", "virt", "--host", "clean-reset", "--memory", "64M", "--trace", str(trace),
        "--quiet", "--no-order",
    )  # fmt: skip
    assert done.status in (COHERENT, HAZARD), done
    booted = [
        line.replace("guest", "cpu0.el1", 1)
        for line in trace.read_text().splitlines()
        if line.startswith("guest")
    ]
    accesses = ("read", "write", "fetch")
    for events in (watched, booted):
        assert len(of(events, *accesses)) > 10
    rest = [[each for each in events if not of([each], *accesses)] for events in (watched, booted)]
    switches = {f"cpu0.el1 {each} off" for each in ("mmu", "icache", "dcache")}
    assert [set(events[:3]) for events in rest] == [switches, switches]
    assert rest[0][3:] == rest[1][3:]
    for operation in ("read", "write"):
        assert set(of(watched, operation)) == set(of(booted, operation))
    assert set(instructions(watched)) == set(instructions(booted))
