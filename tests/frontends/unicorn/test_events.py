# SPDX-License-Identifier: GPL-2.0-or-later
"""The events that the Unicorn front end makes of a guest's instructions, on guests of a few instructions.

Expected events are derived from the Arm ARM, the trace format, and the guests' instructions and tables.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.frontends.unicorn import End, Until
from tests.helpers.guest_runs import (
    CODE_WALK,
    LEVEL1,
    LEVEL2,
    LEVEL3,
    NEVER,
    ON,
    RAM_SIZE,
    SECOND_BANK,
    SPARE_TABLE,
    START,
    WINDOW,
    mmu_on,
    run,
    straight,
    tables,
    walks,
    window_walk,
)
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import ENTRY, ISB, RAM, code, mov, page
from tests.helpers.tiny_guests import sys as maintain

# -- accesses -------------------------------------------------------------------------------------


def test_with_the_mmu_off_an_access_is_the_guests() -> None:
    program = code(
        mov(2, WINDOW),
        a64.ldr(3, 2),
        a64.store(3, 2, 8),
        a64.ldr_w(3, 2, 4),
        a64.store_w(3, 2, 12),
        a64.ldrh(3, 2, 2),
        a64.strh(3, 2, 6),
        a64.ldrb(3, 2, 1),
        a64.strb(3, 2, 3),
        a64.ldp(3, 4, 2, 16),
        a64.stp(3, 4, 2, 32),
        a64.off(),
    )
    ran = run(program)
    assert ran.other == [
        *START,
        "guest read 0x40200000 8",
        "guest write 0x40200008 8",
        "guest read 0x40200004 4",
        "guest write 0x4020000c 4",
        "guest read 0x40200002 2",
        "guest write 0x40200006 2",
        "guest read 0x40200001 1",
        "guest write 0x40200003 1",
        "guest read 0x40200010 8",
        "guest read 0x40200018 8",
        "guest write 0x40200020 8",
        "guest write 0x40200028 8",
    ]
    assert ran.fetched == straight(program)
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.instructions) == (End.OFF, len(program) + 1)
    assert (ran.outcome.accesses, ran.outcome.crossings) == (12, 0)


AGENTS = {a64.WB: "guest", a64.WT: "guest-wt", a64.NC: "guest-nc", a64.DEVICE: "guest-device"}


@pytest.mark.parametrize("attribute", AGENTS, ids=a64.TYPE_WORDS.__getitem__)
@pytest.mark.parametrize("never", [0, a64.PXN, a64.UXN, NEVER], ids=["x", "pxn", "uxn", "never"])
def test_each_memory_type_is_an_agent(attribute: int, never: int) -> None:
    """A page is executable if EL1 or EL0 may fetch from it: only both execute-never bits forbid that."""
    program = code(mmu_on(), mov(2, WINDOW), a64.ldr(3, 2), a64.store(3, 2, 8), a64.off())
    ran = run(program, tables({0: page(WINDOW, attribute, never)}))
    agent, kind = AGENTS[attribute], a64.TYPE_WORDS[attribute]
    assert ran.other == [
        *START,
        *ON,
        *CODE_WALK,
        *window_walk(0),
        f"{agent} read 0x40200000 8",
        f"{agent} write 0x40200008 8",
    ]
    assert ran.fetched == straight(program)
    expected = {"guest": {RAM + number: "normal-wb exec" for number in range(0, 0x20_0000, 4096)}}
    expected.setdefault(agent, {})[WINDOW] = kind if never == NEVER else f"{kind} exec"
    assert ran.aliases(before="guest mmu on") == expected


def test_a_page_mapped_in_four_ways_is_four_agents() -> None:
    program = code(mmu_on(), *(code(mov(2, WINDOW + 4096 * n), a64.ldr(3, 2)) for n in range(4)), a64.off())
    ran = run(program, tables({n: page(WINDOW, n, NEVER) for n in range(4)}))
    assert [event for event in ran.other if " read " in event] == [
        "guest read 0x40200000 8",
        "guest-wt read 0x40200000 8",
        "guest-nc read 0x40200000 8",
        "guest-device read 0x40200000 8",
    ]
    live = ran.aliases(before="guest mmu on")
    assert {agent: pages[WINDOW] for agent, pages in live.items()} == {
        agent: a64.TYPE_WORDS[attribute] for attribute, agent in AGENTS.items()
    }


def test_code_through_another_type_is_fetched_by_that_types_agent() -> None:
    program = code(mmu_on(), mov(2, WINDOW), a64.blr(2), a64.off())
    for attribute, agent in AGENTS.items():
        ran = run(program, {**tables({0: page(RAM + 0x14000, attribute)}), 0x14000: a64.bytes_of([a64.RET])})
        assert f"{agent} fetch 0x40014000 4" in ran.events


@pytest.mark.parametrize("i", [0, a64.I], ids=["i-off", "i-on"])
@pytest.mark.parametrize("c", [0, a64.C], ids=["c-off", "c-on"])
def test_switches_in_each_combination(c: int, i: int) -> None:
    """On, an access, and off again: the MMU turns on first, and off last."""
    program = code(
        mmu_on(a64.M | c | i),
        mov(2, WINDOW),
        a64.ldr(3, 2),
        mov(1, a64.SCTLR_OFF),
        a64.msr("sctlr_el1", 1),
        ISB,
        a64.store(3, 2),
        a64.off(),
    )
    ran = run(program, tables({0: page(WINDOW, a64.WB, NEVER)}))
    # With SCTLR.C clear, tables are read past the caches, whatever TCR says.
    kind = "normal-wb" if c else "normal-nc"
    assert ran.other == [
        *START,
        "guest mmu on",
        *(["guest dcache on"] if c else []),
        *(["guest icache on"] if i else []),
        *walks(RAM + LEVEL1 + 8, RAM + LEVEL2, kind=kind),
        *window_walk(0, kind),
        "guest read 0x40200000 8",
        *(["guest dcache off"] if c else []),
        *(["guest icache off"] if i else []),
        "guest mmu off",
        "guest write 0x40200000 8",
    ]
    assert ran.fetched == straight(program)
    # The host is told of M and C before the guest's own event: whether both are on from now on.
    assert ran.toggles == [bool(c), False]


def test_caches_go_on_after_the_mmu() -> None:
    """As in U-Boot, first M, later C, then I. Nothing is mapped again."""
    steps = (a64.M, a64.M | a64.C, a64.M | a64.C | a64.I)
    program = code(
        mmu_on(steps[0]),
        *(code(mov(1, a64.SCTLR_OFF | step), a64.msr("sctlr_el1", 1), ISB) for step in steps[1:]),
        a64.off(),
    )
    ran = run(program, tables({}))
    assert [event for event in ran.other if "walk" not in event] == [*START, *ON]
    assert sum(" map " in event for event in ran.events) == 1
    assert ran.toggles == [False, True]


def test_the_instruction_cache_alone_goes_on() -> None:
    program = code(mov(1, a64.SCTLR_OFF | a64.I), a64.msr("sctlr_el1", 1), ISB, a64.NOP, a64.off())
    ran = run(program)
    assert ran.other == [*START, "guest icache on"]
    assert ran.toggles == []


@pytest.mark.parametrize(
    ("inner", "outer", "kind"),
    [
        (1, 1, "normal-wb"),
        (3, 3, "normal-wb"),
        (1, 3, "normal-wb"),
        (2, 2, "normal-wt"),
        (1, 2, "normal-wt"),
        (0, 0, "normal-nc"),
        (0, 1, "normal-nc"),
        (3, 0, "normal-nc"),
    ],
)
def test_a_walk_is_of_the_type_that_tcr_says(inner: int, outer: int, kind: str) -> None:
    """Arm ARM DDI 0487, TCR_EL1.IRGN0 and ORGN0: 0 non-cacheable, 1 and 3 write-back, 2 write-through."""
    program = code(mmu_on(tcr=a64.tcr(inner=inner, outer=outer)), mov(2, WINDOW), a64.ldr(3, 2), a64.off())
    ran = run(program, tables({0: page(WINDOW)}))
    assert [event for event in ran.other if " walk " in event] == [
        *walks(RAM + LEVEL1 + 8, RAM + LEVEL2, kind=kind),
        *window_walk(0, kind),
    ]


@pytest.mark.parametrize(
    ("offset", "load", "event"),
    [
        (1, a64.ldr(3, 2), "guest read 0x40200001 8"),
        (0x3D, a64.ldr(3, 2), "guest read 0x4020003d 8"),
        (0xFF7, a64.store(3, 2), "guest write 0x40200ff7 8"),
        (0x102, a64.store_w(3, 2), "guest write 0x40200102 4"),
    ],
)
def test_an_unaligned_access_is_one_event(offset: int, load: a64.Insn, event: str) -> None:
    ran = run(
        code(mmu_on(), mov(2, WINDOW + offset), load, a64.off()), tables({0: page(WINDOW, a64.WB, NEVER)})
    )
    assert ran.other[-1] == event
    assert ran.outcome is not None
    assert ran.outcome.crossings == 0


@pytest.mark.parametrize(
    ("offset", "load", "events"),
    [
        (0xFFC, a64.ldr(3, 2), ["guest read 0x40200ffc 4", "guest-nc read 0x40203000 4"]),
        (0xFFF, a64.store(3, 2), ["guest write 0x40200fff 1", "guest-nc write 0x40203000 7"]),
        (0xFFE, a64.store_w(3, 2), ["guest write 0x40200ffe 2", "guest-nc write 0x40203000 2"]),
    ],
)
def test_an_access_over_a_page_end_is_followed_on_both_pages(
    offset: int, load: a64.Insn, events: list[str]
) -> None:
    """The next virtual page is another frame, with another memory type; its walk comes before its part."""
    pages = {0: page(WINDOW, a64.WB, NEVER), 1: page(WINDOW + 0x3000, a64.NC, NEVER)}
    ran = run(code(mmu_on(), mov(2, WINDOW + offset), load, a64.off()), tables(pages))
    assert [each for each in ran.other if " walk " not in each][-2:] == events
    assert ran.other[-1] == events[-1]
    assert ran.outcome is not None
    assert ran.outcome.crossings == 0


def test_an_access_over_a_page_end_with_the_mmu_off() -> None:
    ran = run(code(mov(2, WINDOW + 0xFFE), a64.ldr(3, 2), a64.off()), {})
    assert ran.other[-2:] == ["guest read 0x40200ffe 2", "guest read 0x40201000 6"]


def test_an_access_over_the_end_of_a_page_that_is_mapped_twice() -> None:
    """Only the second virtual page can be told from the other's: one is remembered from an access before."""
    pages = {
        0: page(WINDOW, a64.WB, NEVER),
        1: page(WINDOW + 0x3000, a64.WB, NEVER),
        4: page(WINDOW, a64.WB, NEVER),
        5: page(WINDOW + 0x6000, a64.WB, NEVER),
    }
    both = code(mmu_on(), mov(2, WINDOW), a64.ldr(3, 2), mov(2, WINDOW + 0x4FFC))
    ran = run(code(both, a64.ldr(3, 2), a64.off()), tables(pages))
    assert ran.outcome is not None
    assert ran.outcome.crossings == 1
    known = code(mov(2, WINDOW + 0x5000), a64.ldr(3, 2), mov(2, WINDOW + 0x4FFC), a64.ldr(3, 2))
    ran = run(code(mmu_on(), mov(2, WINDOW), a64.ldr(3, 2), known, a64.off()), tables(pages))
    assert ran.outcome is not None
    assert (ran.outcome.crossings, ran.other[-1]) == (0, "guest read 0x40206000 4")


def test_pairs_over_a_page_end_are_whole() -> None:
    pages = {0: page(WINDOW, a64.WB, NEVER), 1: page(WINDOW + 4096, a64.NC, NEVER)}
    program = code(mmu_on(), mov(2, WINDOW + 0xFF8), a64.ldp(3, 4, 2), a64.stp(3, 4, 2), a64.off())
    ran = run(program, tables(pages))
    assert [each for each in ran.other if " walk " not in each][-4:] == [
        "guest read 0x40200ff8 8",
        "guest-nc read 0x40201000 8",
        "guest write 0x40200ff8 8",
        "guest-nc write 0x40201000 8",
    ]


def test_the_upper_half_has_tables_of_its_own() -> None:
    """TTBR1 also covers 4 GiB, with the same tables: so the same aliases, and walks through them."""
    both = (
        1 << 31 | 3 << 28 | 2 << 26 | 2 << 24 | 32 << 16 | (a64.tcr() & ~(1 << 23))
    )  # TG1 4 KiB, write-through
    program = code(
        mov(1, RAM + LEVEL1),
        a64.msr("ttbr1_el1", 1),
        mmu_on(tcr=both),
        mov(2, 0xFFFF_FFFF_0000_0000 | WINDOW),
        a64.ldr(3, 2),
        a64.off(),
    )
    ran = run(program, tables({0: page(WINDOW, a64.NC, NEVER)}))
    assert ran.other == [*START, *ON, *CODE_WALK, *window_walk(0, "normal-wt"), "guest-nc read 0x40200000 8"]


def test_a_granule_of_64_kib() -> None:
    """A level 2 entry covers 512 MiB, a level 3 page 64 KiB: 16 pages of 4 KiB."""
    level2, level3 = 0x8000, 0x10000
    program = code(
        mov(1, a64.MAIR),
        a64.msr("mair_el1", 1),
        mov(1, a64.tcr() | 1 << 14),  # TG0
        a64.msr("tcr_el1", 1),
        mov(1, RAM + level2),
        a64.msr("ttbr0_el1", 1),
        ISB,
        mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I),
        a64.msr("sctlr_el1", 1),
        ISB,
        mov(2, WINDOW + 0x1_2345 * 8 % 0x10000),
        a64.ldr(3, 2),
        a64.off(),
    )
    data = {
        level2: a64.words({2: a64.table(RAM + level3)}),
        level3: a64.words({0: page(RAM), 0x20: page(WINDOW, a64.NC, NEVER), 0x21: page(RAM, a64.WT, NEVER)}),
    }
    ran = run(program, data)
    assert ran.other == [
        *START,
        *ON,
        *walks(RAM + level2 + 16, RAM + level3),
        *walks(RAM + level2 + 16, RAM + level3 + 8 * 0x20),
        f"guest-nc read {WINDOW + 0x1_2345 * 8 % 0x10000:#x} 8",
    ]
    live = ran.aliases(before="guest mmu on")
    assert live == {
        "guest": {RAM + offset: "normal-wb exec" for offset in range(0, 0x10000, 4096)},
        "guest-nc": {WINDOW + offset: "normal-nc" for offset in range(0, 0x10000, 4096)},
        "guest-wt": {RAM + offset: "normal-wt" for offset in range(0, 0x10000, 4096)},
    }


# -- what is not mapped ---------------------------------------------------------------------------


def test_a_granule_of_16_kib() -> None:
    """A level 2 entry covers 32 MiB, a level 3 page 16 KiB: Arm ARM DDI 0487 D8.2.8."""
    level2, level3 = 0x8000, 0x10000
    program = code(
        mov(1, a64.MAIR),
        a64.msr("mair_el1", 1),
        mov(1, a64.tcr() | 2 << 14),  # TG0
        a64.msr("tcr_el1", 1),
        mov(1, RAM + level2),
        a64.msr("ttbr0_el1", 1),
        ISB,
        mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I),
        a64.msr("sctlr_el1", 1),
        ISB,
        mov(2, WINDOW + 0x3FF8),
        a64.ldr(3, 2),
        a64.off(),
    )
    data = {
        level2: a64.words({0x20: a64.table(RAM + level3)}),
        level3: a64.words({0: page(RAM), 0x80: page(WINDOW, a64.NC, NEVER), 0x81: page(RAM, a64.WT, NEVER)}),
    }
    ran = run(program, data)
    assert ran.other == [
        *START,
        *ON,
        *walks(RAM + level2 + 8 * 0x20, RAM + level3),
        *walks(RAM + level2 + 8 * 0x20, RAM + level3 + 8 * 0x80),
        f"guest-nc read {WINDOW + 0x3FF8:#x} 8",
    ]


@pytest.mark.parametrize("core", ["armv8-a", "neoverse-n1", "cortex-a53", "cortex-a72"])
def test_the_guest_sees_whether_its_core_has_16_kib(core: str) -> None:
    """ID_AA64MMFR0_EL1.TGran16, bits 23 to 20, is 1 with that granule: the guest reads 8 bytes times that higher."""
    program = code(
        mov(2, WINDOW),
        a64.mrs(3, "id_aa64mmfr0_el1"),
        a64.Insn("ubfx x3, x3, #20, #4", 0xD3545C63),
        a64.Insn("add x2, x2, x3, lsl #3", 0x8B030C42),
        a64.ldr(3, 2),
        a64.off(),
    )
    at = WINDOW + 8 * (16384 in CORES[core].granules)
    assert run(program, core=core).other[-1] == f"guest read {at:#x} 8"


def test_what_tables_do_not_map_is_a_fault_that_names_it() -> None:
    ran = run(code(mmu_on(), mov(2, WINDOW + 0x5000), a64.ldr(3, 2), a64.off()), tables({0: page(WINDOW)}))
    at = ENTRY + 4 * len(code(mmu_on(), mov(2, WINDOW + 0x5000)))
    assert ran.fault == (
        f"the guest took a data abort at {at:#x} (its tables do not map {WINDOW + 0x5000:#x}), "
        "and its vector at 0x200 cannot be executed"
    )
    assert ran.other[-4:] == [*window_walk(5), *walks(RAM + LEVEL1)]


def test_an_address_past_the_range_of_the_tables_is_a_fault() -> None:
    """T0SZ is 32: bits 32 to 54 must be 0 (Arm ARM DDI 0487 D8.2, 'Translation fault')."""
    ran = run(code(mmu_on(), mov(2, 1 << 32 | WINDOW), a64.ldr(3, 2), a64.off()), tables({0: page(WINDOW)}))
    assert f"{1 << 32 | WINDOW:#x}" in ran.fault
    assert not any(" read " in event for event in ran.events)


def test_a_half_without_walks_is_a_fault() -> None:
    """TCR.EPD1 is set: a miss in the upper half is a fault, and no table is read but for the vector's fetch."""
    upper = 0xFFFF_FFFF_0000_0000 | WINDOW
    program = code(
        mov(1, RAM + LEVEL1),
        a64.msr("ttbr1_el1", 1),
        mmu_on(tcr=a64.tcr() | 32 << 16),
        mov(2, upper),
        a64.ldr(3, 2),
    )
    ran = run(code(program, a64.off()), tables({0: page(WINDOW)}))
    assert f"{upper:#x}" in ran.fault
    assert [event for event in ran.other if " walk " in event] == [*CODE_WALK, *walks(RAM + LEVEL1)]


# -- maintenance ----------------------------------------------------------------------------------

BY_ADDRESS = ["dc ivac", "dc cvac", "dc civac", "dc cvau", "ic ivau"]


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("op", BY_ADDRESS)
def test_maintenance_by_address_is_of_a_line(op: str, level: int) -> None:
    """
    With the MMU off and on, through each alias, at any byte of the line.

    At EL1 under stage 2, DC IVAC performs a clean as well (Arm ARM DDI 0487, HCR_EL2.VM).
    """
    program = code(
        mov(2, WINDOW + 0x48),
        maintain(op, 2),
        mmu_on(level=level),
        mov(2, WINDOW + 0x7F),
        maintain(op, 2),
        mov(2, WINDOW + 0x1000),
        maintain(op, 2),
        a64.off(call=a64.HVC if level == 1 else a64.SMC),
    )
    ran = run(program, tables({0: page(WINDOW), 1: page(WINDOW + 0x3000, a64.NC)}), level=level)
    words = "dc civac" if (op, level) == ("dc ivac", 1) else op
    assert ran.other == [
        *START,
        f"guest {words} 0x40200040 64",
        *ON,
        *CODE_WALK,
        *window_walk(0),
        f"guest {words} 0x40200040 64",
        *window_walk(1),
        f"guest-nc {words} 0x40203000 64",
    ]


@pytest.mark.parametrize("op", ["ic iallu", "ic ialluis"])
def test_maintenance_of_all_instruction_caches_takes_no_range(op: str) -> None:
    ran = run(code(maintain(op), mmu_on(), maintain(op), a64.off()), tables({}))
    assert ran.other == [*START, f"guest {op}", *ON, *CODE_WALK, f"guest {op}"]


@pytest.mark.parametrize("c", [0, a64.C], ids=["c-off", "c-on"])
@pytest.mark.parametrize("attribute", [a64.WB, a64.WT, a64.NC], ids=a64.TYPE_WORDS.__getitem__)
def test_dc_zva_zeroes_its_block(attribute: int, c: int) -> None:
    """One event for the block of 64 bytes that the address lies in (DCZID_EL0.BS is 4 on all of these cores)."""
    program = code(
        mmu_on(a64.M | c),
        mov(2, WINDOW + 0x38),
        mov(3, 0x1122_3344_5566_7788),
        *(a64.store(3, 2, offset) for offset in (0, 8, 64, 72)),
        mov(2, WINDOW + 0x65),
        maintain("dc zva", 2),
        a64.off(),
    )
    ran = run(program, tables({0: page(WINDOW, attribute, NEVER)}))
    agent = AGENTS[attribute]
    assert ran.other[-5:] == [
        f"{agent} write 0x40200038 8",
        f"{agent} write 0x40200040 8",
        f"{agent} write 0x40200078 8",
        f"{agent} write 0x40200080 8",
        f"{agent} dc zva 0x40200040 64",
    ]
    kept = (0x1122_3344_5566_7788).to_bytes(8, "little")
    assert ran.ram[0][0x20_0038:0x20_0088] == kept + bytes(64) + kept


def loop(body: a64.Insn, times: int) -> a64.Code:
    return code(mov(5, times), body, a64.subs(5, 5, 1), a64.b_ne(-2))


def test_a_sweep_by_set_and_way_is_one_event_for_each_bank() -> None:
    banks = ((RAM, RAM_SIZE), (SECOND_BANK, 1 << 20))
    program = code(
        loop(maintain("dc cisw", 6), 512),
        loop(maintain("dc csw", 6), 3),
        mov(2, WINDOW),
        a64.store(3, 2),
        loop(maintain("dc csw", 6), 3),
        maintain("dc civac", 2),
        loop(maintain("dc csw", 6), 3),
        a64.off(),
    )
    ran = run(program, banks=banks)

    def sweep_of(op: str) -> list[str]:
        return [f"guest {op} 0x40000000 0x400000", f"guest {op} 0x80000000 0x100000"]

    assert ran.other == [
        *START,
        *sweep_of("dc cisw"),
        *sweep_of("dc csw"),
        "guest write 0x40200000 8",
        *sweep_of("dc csw"),
        "guest dc civac 0x40200000 64",
        *sweep_of("dc csw"),
    ]
    assert ran.outcome is not None
    # 512 turns of three instructions each are instructions all the same.
    assert ran.outcome.instructions == len(ran.fetched) > 3 * 512


@pytest.mark.parametrize(("level", "op"), [(1, "dc cisw"), (2, "dc isw")])
def test_invalidating_by_set_and_way_under_stage_2_cleans_too(level: int, op: str) -> None:
    call = a64.HVC if level == 1 else a64.SMC
    ran = run(code(loop(maintain("dc isw", 6), 9), a64.off(call=call)), level=level)
    assert ran.other == [*START, f"guest {op} 0x40000000 0x400000"]


def test_code_that_was_changed_is_run_once_caches_know() -> None:
    """Code is stored through one alias, cleaned, invalidated, and run through another, twice."""
    new = [a64.movz(7, 1), a64.RET], [a64.movz(7, 2), a64.RET]
    where = RAM + 0x14000

    def change(program: a64.Code) -> a64.Code:
        word = int.from_bytes(a64.bytes_of(program), "little")
        return code(
            mov(2, WINDOW),
            mov(3, word),
            a64.store(3, 2),
            maintain("dc cvau", 2),
            a64.DSB,
            mov(4, where),
            maintain("ic ivau", 4),
            a64.DSB,
            ISB,
            a64.blr(4),
            a64.add(8, 8, 0),
        )

    sum_up = code(a64.store(7, 9), a64.add(9, 9, 8))
    results = WINDOW + 0x1000
    program = code(
        mmu_on(),
        mov(9, results),
        mov(4, where),
        a64.blr(4),
        sum_up,
        *(code(change(each), sum_up) for each in new),
        a64.off(),
    )
    data = {
        **tables({0: page(where, a64.WB, NEVER), 1: page(results, a64.WB, NEVER)}),
        0x14000: a64.bytes_of([a64.movz(7, 9), a64.RET]),
    }
    ran = run(program, data)
    offset = results - RAM
    assert ran.ram[0][offset : offset + 24] == b"".join(n.to_bytes(8, "little") for n in (9, 1, 2))
    assert [event for event in ran.story(where) if "walk" not in event] == [
        "guest map normal-wb exec",
        "guest fetch 0x40014000 8",
        *["guest write 0x40014000 8", "guest dc cvau 0x40014000 64", "guest ic ivau 0x40014000 64"],
        "guest fetch 0x40014000 8",
        *["guest write 0x40014000 8", "guest dc cvau 0x40014000 64", "guest ic ivau 0x40014000 64"],
        "guest fetch 0x40014000 8",
    ]


# -- tables that change ---------------------------------------------------------------------------

ENTRY3 = RAM + LEVEL3
"""The level 3 table is itself mapped write-back, in the code's block."""


def set_entry(index: int, value: int, *, at: int = ENTRY3) -> a64.Code:
    """Store a descriptor; changes x10 and x11."""
    return code(mov(10, at + 8 * index), mov(11, value), a64.store(11, 10))


def touch(address: int) -> a64.Code:
    """A load from an address, with x2 and x3."""
    return code(mov(2, address), a64.ldr(3, 2))


def tlbi(address: int, op: str = "tlbi vae1") -> a64.Code:
    return code(mov(12, address >> 12 & (1 << 44) - 1), maintain(op, 12), a64.DSB, ISB)


def flush_all() -> a64.Code:
    return code(maintain("tlbi vmalle1"), a64.DSB, ISB)


PXN_TABLE, UXN_TABLE = 1 << 59, 1 << 60
A, B = WINDOW, WINDOW + 0x1000
PAGES = {0: page(A, a64.WB, NEVER), 1: page(B, a64.WB, NEVER)}


def test_a_new_page_is_an_alias_from_its_store_on() -> None:
    program = code(
        mmu_on(),
        set_entry(4, page(A, a64.NC)),
        touch(WINDOW + 0x4000),
        set_entry(5, page(B, a64.WB, NEVER)),
        touch(WINDOW + 0x5000),
        a64.off(),
    )
    ran = run(program, tables({0: 0}))
    assert ran.story(A) == ["guest-nc map normal-nc exec", "guest-nc read 0x40200000 8"]
    assert ran.story(B) == ["guest map normal-wb", "guest read 0x40201000 8"]


def test_a_new_page_is_an_alias_though_nobody_uses_it() -> None:
    """Speculation may use it: the page counts from the store on, and is in the trace by the end of the run."""
    ran = run(code(mmu_on(), set_entry(4, page(A, a64.WT, NEVER)), a64.off()), tables({0: 0}))
    assert ran.story(A) == ["guest-wt map normal-wt"]


def test_a_new_alias_is_there_before_anything_else_befalls_the_page() -> None:
    program = code(
        mmu_on(),
        set_entry(4, page(A, a64.NC, NEVER)),
        set_entry(5, page(B, a64.NC, NEVER)),  # joins the first: one event will do
        mov(2, B),
        maintain("dc civac", 2),
        a64.off(),
    )
    ran = run(program, tables({1: page(B, a64.WB, NEVER)}))
    assert ran.story(B) == ["guest map normal-wb", "guest-nc map normal-nc", "guest dc civac 0x40201000 64"]
    assert ran.story(A) == ["guest-nc map normal-nc"]


def test_a_new_block_is_512_pages() -> None:
    """Level 2, entry 3 maps the window a second time, as a block of another type."""
    at = RAM + LEVEL2
    program = code(
        mmu_on(), set_entry(3, a64.block(WINDOW, a64.NC, NEVER), at=at), touch(RAM + 0x60_0000), a64.off()
    )
    ran = run(program, tables({0: 0}))
    assert ran.story(WINDOW) == ["guest-nc map normal-nc", "guest-nc read 0x40200000 8"]
    for number in (1, 100, 511):
        assert ran.story(WINDOW + 4096 * number) == ["guest-nc map normal-nc"]


def test_a_new_table_brings_all_its_pages() -> None:
    """The table counts from the store that links it, with its entries; its execute-never bits hold for all pages."""
    at = RAM + LEVEL2
    pages = {0: page(A, a64.WB), 7: page(B, a64.NC), 8: 0}
    linked = a64.table(RAM + SPARE_TABLE, PXN_TABLE | UXN_TABLE)
    program = code(
        mmu_on(),
        set_entry(9, page(B, a64.WT, NEVER), at=RAM + SPARE_TABLE),  # not live yet: only a store
        set_entry(2, linked, at=at),
        set_entry(8, page(A, a64.DEVICE), at=RAM + SPARE_TABLE),  # live now
        a64.off(),
    )
    ran = run(program, {**tables({0: 0}), SPARE_TABLE: a64.words(pages)})
    assert sorted(ran.story(A)) == ["guest map normal-wb", "guest-device map device"]
    assert sorted(ran.story(B)) == ["guest-nc map normal-nc", "guest-wt map normal-wt"]


@pytest.mark.parametrize(
    ("forbidden", "kind"),
    [
        (0, "normal-wb exec"),
        (PXN_TABLE, "normal-wb exec"),
        (UXN_TABLE, "normal-wb exec"),
        (PXN_TABLE | UXN_TABLE, "normal-wb"),
    ],
    ids=["nothing", "pxn", "uxn", "both"],
)
def test_what_a_table_forbids_it_forbids_to_all_below_it(forbidden: int, kind: str) -> None:
    data = tables({0: page(A)}, {1: a64.table(RAM + LEVEL3, forbidden)})
    assert run(code(mmu_on(), a64.off()), data).story(A) == [f"guest map {kind}"]


@pytest.mark.parametrize("op", ["tlbi vae1", "tlbi vae1is", "tlbi vaale1"])
def test_an_unmapped_page_is_an_alias_until_its_tlb_invalidation(op: str) -> None:
    program = code(
        mmu_on(),
        touch(A),
        set_entry(0, 0),
        touch(A),  # the TLB still has it
        tlbi(A, op),
        touch(B),
        a64.off(),
    )
    ran = run(program, tables(PAGES))
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest read 0x40200000 8",
        "guest read 0x40200000 8",
        "guest unmap",
    ]
    assert ran.story(B) == ["guest map normal-wb", "guest read 0x40201000 8"]


def test_an_unmapped_page_that_is_used_after_its_tlb_invalidation_is_a_fault() -> None:
    ran = run(code(mmu_on(), touch(A), set_entry(0, 0), tlbi(A), touch(A), a64.off()), tables(PAGES))
    assert "do not map 0x40200000" in ran.fault
    assert ran.story(A)[-1] == "guest unmap"


def test_all_unmapped_pages_go_with_a_tlb_invalidation_of_all() -> None:
    program = code(mmu_on(), set_entry(0, 0), set_entry(1, 0), touch(A), touch(B), flush_all(), a64.off())
    ran = run(code(mmu_on(), touch(A), touch(B), program[len(mmu_on()) :]), tables(PAGES))
    for where in (A, B):
        read = f"guest read {where:#x} 8"
        assert ran.story(where) == ["guest map normal-wb", read, read, "guest unmap"]


def test_the_tlb_invalidation_of_another_page_does_not_end_an_alias() -> None:
    program = code(
        mmu_on(), touch(A), set_entry(0, 0), tlbi(B), mov(2, A), maintain("dc civac", 2), tlbi(A), a64.off()
    )
    ran = run(program, tables(PAGES))
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest read 0x40200000 8",
        "guest dc civac 0x40200000 64",
        "guest unmap",
    ]


def test_a_page_remapped_with_another_type_is_two_aliases_until_the_tlb_invalidation() -> None:
    program = code(
        mmu_on(), touch(A), set_entry(0, page(A, a64.NC, NEVER)), touch(A), tlbi(A), touch(A), a64.off()
    )
    ran = run(program, tables(PAGES))
    # The second read still is through the old entry of the TLB.
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest read 0x40200000 8",
        "guest-nc map normal-nc",
        "guest read 0x40200000 8",
        "guest unmap",
        "guest-nc read 0x40200000 8",
    ]


def test_a_page_mapped_twice_is_one_alias_until_both_are_gone() -> None:
    twice = {0: page(A, a64.WB, NEVER), 1: page(A, a64.WB, NEVER)}
    program = code(
        mmu_on(),
        set_entry(0, 0),
        flush_all(),
        touch(WINDOW + 0x1000),
        set_entry(1, 0),
        flush_all(),
        a64.off(),
    )
    ran = run(program, tables(twice))
    assert ran.story(A) == ["guest map normal-wb", "guest read 0x40200000 8", "guest unmap"]


def test_a_page_that_becomes_executable_is_mapped_anew() -> None:
    program = code(
        mmu_on(), set_entry(2, page(A, a64.WB)), flush_all(), set_entry(2, 0), flush_all(), a64.off()
    )
    ran = run(program, tables(PAGES))
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest unmap",
        "guest map normal-wb exec",
        "guest unmap",
        "guest map normal-wb",
    ]


def test_an_unlinked_table_takes_all_its_pages_with_it() -> None:
    program = code(mmu_on(), touch(A), set_entry(1, 0, at=RAM + LEVEL2), flush_all(), a64.off())
    ran = run(program, tables(PAGES))
    assert ran.story(A) == ["guest map normal-wb", "guest read 0x40200000 8", "guest unmap"]
    assert ran.story(B) == ["guest map normal-wb", "guest unmap"]


def test_an_unlinked_table_is_memory_like_any_other() -> None:
    """A later store there is not a store of a descriptor."""
    program = code(
        mmu_on(),
        set_entry(1, 0, at=RAM + LEVEL2),
        flush_all(),
        set_entry(6, page(WINDOW + 0x8000)),
        flush_all(),
        a64.off(),
    )
    assert run(program, tables(PAGES)).story(WINDOW + 0x8000) == []


def test_a_table_stored_to_in_parts_is_seen_at_the_tlb_invalidation() -> None:
    program = code(
        mmu_on(),
        touch(A),
        mov(10, ENTRY3),
        a64.strb(31, 10),
        flush_all(),
        set_entry(0, 0),
        flush_all(),
        a64.off(),
    )
    ran = run(program, tables(PAGES))
    assert ran.story(A) == ["guest map normal-wb", "guest read 0x40200000 8", "guest unmap"]


def test_a_table_zeroed_at_once_maps_nothing_any_more() -> None:
    program = code(mmu_on(), touch(A), mov(10, ENTRY3), maintain("dc zva", 10), flush_all(), a64.off())
    ran = run(program, tables(PAGES))
    assert ran.story(A) == ["guest map normal-wb", "guest read 0x40200000 8", "guest unmap"]


def test_a_page_whose_descriptor_is_stored_in_halves_is_an_alias() -> None:
    """A descriptor that was invalid needs no TLB invalidation: the page can be used at once."""
    program = code(
        mmu_on(),
        mov(10, ENTRY3 + 8 * 4),
        mov(11, page(A, a64.NC) & 0xFFFF_FFFF),
        a64.store_w(11, 10),
        touch(WINDOW + 0x4000),
        a64.off(),
    )
    ran = run(program, tables({0: 0}))
    assert ran.story(A) == ["guest-nc map normal-nc exec", "guest-nc read 0x40200000 8"]


def test_the_tlb_invalidation_of_another_page_does_not_end_the_aliases_of_an_unlinked_table() -> None:
    program = code(mmu_on(), touch(A), set_entry(1, 0, at=RAM + LEVEL2), tlbi(RAM), mov(2, A))
    ran = run(code(program, maintain("dc civac", 2), flush_all(), a64.off()), tables(PAGES))
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest read 0x40200000 8",
        "guest dc civac 0x40200000 64",
        "guest unmap",
    ]


def test_other_tables_add_their_aliases_and_the_old_ones_stay_until_the_tlb_invalidation() -> None:
    """A second level 1 table, whose window is a block of another type."""
    other1, other2 = 0x14000, 0x15000
    data = {
        **tables(PAGES),
        other1: a64.words({1: a64.table(RAM + other2)}),
        other2: a64.words({0: a64.block(RAM), 1: a64.block(WINDOW, a64.NC, NEVER)}),
    }
    program = code(
        mmu_on(),
        touch(A),
        mov(1, RAM + other1),
        a64.msr("ttbr0_el1", 1),
        ISB,
        touch(A),
        flush_all(),
        touch(B),
        a64.off(),
    )
    ran = run(program, data)
    assert ran.story(A) == [
        "guest map normal-wb",
        "guest read 0x40200000 8",
        "guest-nc map normal-nc",
        "guest-nc read 0x40200000 8",
        "guest unmap",
    ]
    assert ran.story(B) == [
        "guest map normal-wb",
        "guest-nc map normal-nc",
        "guest unmap",
        "guest-nc read 0x40201000 8",
    ]


def test_tables_that_change_while_the_mmu_is_off_are_read_as_it_goes_on() -> None:
    program = code(
        mmu_on(),
        mov(1, a64.SCTLR_OFF),
        a64.msr("sctlr_el1", 1),
        ISB,
        set_entry(0, 0),
        set_entry(3, page(B, a64.NC, NEVER)),
        mmu_on(),
        touch(WINDOW + 0x3000),
        a64.off(),
    )
    ran = run(program, tables(PAGES))
    assert ran.story(A) == ["guest map normal-wb", "guest unmap"]
    assert ran.story(B) == ["guest map normal-wb", "guest-nc map normal-nc", "guest-nc read 0x40201000 8"]


# -- exception levels and forced write-back --------------------------------------------------------


def test_at_el2_its_own_registers_count() -> None:
    """EL2 has TTBR0_EL2 and so on; without VHE it has one execute-never bit, so PXN forbids nothing."""
    program = code(mmu_on(level=2), touch(A), mov(2, B), a64.store(3, 2), a64.off(call=a64.SMC))
    pages = {0: page(A, a64.WB, a64.PXN), 1: page(B, a64.NC, a64.UXN)}
    ran = run(program, tables(pages), level=2)
    assert ran.other == [
        *START,
        *ON,
        *CODE_WALK,
        *window_walk(0),
        "guest read 0x40200000 8",
        *window_walk(1),
        "guest-nc write 0x40201000 8",
    ]
    assert ran.story(A)[0] == "guest map normal-wb exec"
    assert ran.story(B)[0] == "guest-nc map normal-nc"


def test_each_exception_level_has_its_own_switches_and_tables() -> None:
    """
    From EL2 (MMU off) down to EL1, which turns its MMU on and calls up by HVC: EL2's vector reads with its MMU off.

    There is no stage 2 then, so DC IVAC at EL1 is one.
    """
    vectors, down = 0x8000, 16
    start = code(
        mov(1, 1 << 31),
        a64.msr("hcr_el2", 1),
        mov(1, RAM + vectors),
        a64.msr("vbar_el2", 1),
        mov(1, a64.SCTLR_OFF),
        a64.msr("sctlr_el1", 1),
        mov(1, 0x3C5),
        a64.msr("spsr_el2", 1),
        mov(1, ENTRY + 4 * down),
        a64.msr("elr_el2", 1),
        ISB,
        a64.ERET,
    )
    program = code(
        start,
        *[a64.NOP] * (down - len(start)),
        mmu_on(),
        touch(A),
        a64.HVC,
        touch(B),
        maintain("dc ivac", 2),
        a64.off(call=a64.SMC),
    )
    handler = code(mov(4, WINDOW + 0x2000), a64.ldr(3, 4), a64.ERET)
    data = {**tables({**PAGES, 2: page(A)}), vectors + 0x400: a64.bytes_of(handler)}
    ran = run(program, data, level=2)
    assert ran.fault == ""
    assert ran.other == [
        *START,
        *ON,
        *CODE_WALK,
        *window_walk(0),
        "guest read 0x40200000 8",
        "guest dcache off",
        "guest icache off",
        "guest mmu off",
        "guest read 0x40202000 8",
        *ON,
        *CODE_WALK,
        *window_walk(1),
        "guest read 0x40201000 8",
        "guest dc ivac 0x40201000 64",
    ]
    assert RAM + vectors + 0x400 in ran.fetched


def test_each_exception_level_sees_memory_by_its_own_tables() -> None:
    """EL2 maps the page non-cacheable and EL1 write-back; both MMUs are on, and the guest switches levels."""
    vectors, table1, table2, down = 0x8000, 0x14000, 0x15000, 64
    start = code(
        mmu_on(level=2),
        touch(A),
        mov(1, 1 << 31),
        a64.msr("hcr_el2", 1),
        mov(1, RAM + vectors),
        a64.msr("vbar_el2", 1),
        mov(1, a64.SCTLR_OFF),
        a64.msr("sctlr_el1", 1),
        mov(1, 0x3C5),
        a64.msr("spsr_el2", 1),
        mov(1, ENTRY + 4 * down),
        a64.msr("elr_el2", 1),
        ISB,
        a64.ERET,
    )
    program = code(
        start,
        *[a64.NOP] * (down - len(start)),
        mov(1, a64.MAIR),
        a64.msr("mair_el1", 1),
        mov(1, a64.tcr()),
        a64.msr("tcr_el1", 1),
        mov(1, RAM + table1),
        a64.msr("ttbr0_el1", 1),
        mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I),
        a64.msr("sctlr_el1", 1),
        ISB,
        touch(A),
        a64.HVC,
        touch(A),
        a64.off(call=a64.SMC),
    )
    data = {
        **tables({0: page(A, a64.NC, NEVER)}),
        table1: a64.words({1: a64.table(RAM + table2)}),
        table2: a64.words({0: a64.block(RAM), 1: a64.block(WINDOW, a64.WB, NEVER)}),
        vectors + 0x400: a64.bytes_of(code(touch(A), a64.ERET)),
    }
    ran = run(program, data, level=2)
    assert ran.fault == ""
    live: dict[str, str] = {}
    seen = []
    for event in ran.story(A):
        agent, op, *rest = event.split()
        if op == "map":
            live[agent] = rest[0]
        elif op == "unmap":
            del live[agent]
        else:
            seen.append((event, dict(live)))
    at_el2 = ("guest-nc read 0x40200000 8", {"guest-nc": "normal-nc"})
    at_el1 = ("guest read 0x40200000 8", {"guest": "normal-wb"})
    assert seen == [at_el2, at_el1, at_el2, at_el1]


@pytest.mark.parametrize("attribute", AGENTS, ids=a64.TYPE_WORDS.__getitem__)
def test_under_forced_write_back_the_guests_switches_and_types_are_nothing(attribute: int) -> None:
    """With FEAT_S2FWB, all accesses are cacheable and by one agent, whose alias the host makes for good."""
    program = code(
        touch(A),
        mmu_on(a64.M, tcr=a64.tcr(inner=0, outer=0)),
        touch(B),
        a64.store(3, 2),
        maintain("dc ivac", 2),
        maintain("ic iallu"),
        a64.off(),
    )
    ran = run(program, tables({1: page(A, attribute, NEVER)}), forced=True)
    assert ran.other == [
        "guest read 0x40200000 8",
        *CODE_WALK,
        *window_walk(1),
        "guest read 0x40200000 8",
        "guest write 0x40200000 8",
        "guest dc civac 0x40200000 64",
        "guest ic iallu",
    ]
    assert sum(" map " in event for event in ran.events) == 1
    assert ran.fetched == straight(program)


# -- ends ----------------------------------------------------------------------------------------


def test_a_run_ends_as_the_mmu_goes_on() -> None:
    ran = run(code(mmu_on(), a64.off()), tables({}), until=Until(End.MMU, 1000))
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.psci_call) == (End.MMU, None)
    assert ran.other == [*START, *ON]
    assert ran.fetched == straight(code(mmu_on())[:-1])


def test_a_run_ends_with_a_psci_call_or_goes_on() -> None:
    program = code(mov(0, a64.PSCI_VERSION), a64.HVC, mov(2, A), a64.store(0, 2), a64.off(3))
    ran = run(program)
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.psci_call) == (End.PSCI, (a64.PSCI_VERSION, 0, 0, 0))
    ran = run(program, until=Until(End.LIMIT, 1000))
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.psci_call) == (End.OFF, (a64.PSCI_SYSTEM_OFF, 3, A, 0))
    assert int.from_bytes(ran.ram[0][A - RAM : A - RAM + 8], "little") == 0x10000  # PSCI 1.0


def test_a_run_ends_after_so_many_instructions() -> None:
    ran = run(code(loop(a64.NOP, 1000), a64.off()), until=Until(End.LIMIT, 100))
    assert ran.outcome is not None
    assert ran.outcome.end is End.LIMIT
    assert 100 <= ran.outcome.instructions < 110
    assert ran.outcome.instructions == len(ran.fetched)


def test_a_second_bank_is_ram_too() -> None:
    ran = run(
        code(mov(2, SECOND_BANK + 8), a64.ldr(3, 2), a64.store(3, 2), a64.off()),
        banks=((RAM, RAM_SIZE), (SECOND_BANK, 1 << 20)),
    )
    assert ran.other == [*START, "guest read 0x80000008 8", "guest write 0x80000008 8"]


@pytest.mark.parametrize("core", [name for name, core in CORES.items() if core.architecture == "arm64"])
def test_every_core_runs(core: str) -> None:
    ran = run(code(mmu_on(), touch(A), a64.off()), tables(PAGES), core=core)
    assert ran.other == [*START, *ON, *CODE_WALK, *window_walk(0), "guest read 0x40200000 8"]


# -- the encodings ---------------------------------------------------------------------------------------------


def test_the_words_are_what_an_assembler_makes_of_the_texts(tmp_path: Path) -> None:
    require(shutil.which("aarch64-linux-gnu-as"), "aarch64-linux-gnu-as is not installed")
    registers = [*a64.REGISTERS]
    every = code(
        [a64.NOP, a64.WFI, a64.ISB, a64.DSB, a64.HVC, a64.SMC, a64.SVC, a64.BRK, a64.UDF, a64.RET, a64.ERET],
        [a64.WFE, a64.SEMIHOSTING, a64.svc(0x123), a64.brk(0xF00)],
        mov(7, 0x1122_3344_5566_7788),
        mov(8, 0xFFFF_0000_0000),
        mov(9, 0),
        [
            a64.add(1, 2, 0xABC),
            a64.lsr(4, 5, 56),
            a64.subs(5, 5, 1),
            a64.b(0),
            a64.b(16),
            a64.b(-3),
            a64.b_ne(-2),
            a64.b_ne(5),
        ],
        [
            a64.blr(4),
            a64.ldr(3, 2),
            a64.ldr(3, 2, 72),
            a64.ldr_w(3, 2, 4),
            a64.ldrh(3, 2, 2),
            a64.ldrb(3, 2, 1),
        ],
        [a64.store(3, 2, 8), a64.store_w(3, 2, 12), a64.strh(3, 2, 6), a64.strb(3, 2, 3)],
        [a64.ldp(3, 4, 2, 16), a64.stp(3, 4, 2, -16), a64.ldp(3, 4, 2)],
        (a64.msr(name, 1) for name in registers),
        (a64.mrs(30, name) for name in registers),
        (maintain(name, None if name in a64.NO_OPERAND else 3) for name in a64.MAINTENANCE),
    )
    source, assembled, binary = (tmp_path / name for name in ("all.s", "all.o", "all.bin"))
    source.write_text("".join(f"{insn.text}\n" for insn in every))
    subprocess.run(["aarch64-linux-gnu-as", "-march=armv8.4-a", "-o", assembled, source], check=True)
    subprocess.run(
        ["aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", assembled, binary], check=True
    )
    words = np.frombuffer(binary.read_bytes(), "<u4").tolist()
    assert [(insn.text, hex(word)) for insn, word in zip(every, words, strict=True)] == [
        (insn.text, hex(insn.word)) for insn in every
    ]
