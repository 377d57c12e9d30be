# SPDX-License-Identifier: GPL-2.0-or-later
"""Barriers as events: DSB, DMB, ISB, exception entries and returns, each at its place among the accesses.

Which forms are one follows from the Arm ARM (DDI 0487 "Data Synchronization Barrier"; DDI 0406C A8.8.43, B4.2.5).
"""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.frontends.unicorn import End, Until
from coldline.guest.plan import Registers
from tests.frontends.unicorn.test_aarch32_exceptions import HANDLER, RETURN, SET_VBAR, VECTORS
from tests.helpers.guest_runs import BARRIERS, SPARE_TABLE, WINDOW, Ran, run_loaded
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M, Page
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import RAM, Code, Insn, bytes_of, code

A64, A32 = INSTRUCTION_SETS["a64"], INSTRUCTION_SETS["a32-short"]
OPTIONS = {
    15: "sy",
    14: "st",
    13: "ld",
    11: "ish",
    10: "ishst",
    9: "ishld",
    7: "nsh",
    6: "nshst",
    5: "nshld",
} | {
    3: "osh",
    2: "oshst",
    1: "oshld",
}
WHOLE = ("sy", "ish", "osh")
ELSEWHERE = RAM + SPARE_TABLE


@pytest.fixture(params=INSTRUCTION_SETS.values(), ids=lambda each: each.name)
def each(request: pytest.FixtureRequest) -> InstructionSet:
    chosen: InstructionSet = request.param
    return chosen


def barrier(isa: InstructionSet, name: str, option: int = 15) -> Insn:
    """A barrier of A64 or A32."""
    kind = {"dsb": 4, "dmb": 5, "isb": 6}[name]
    word = {True: 0xD503_301F | option << 8 | kind << 5, False: 0xF57F_F000 | kind << 4 | option}[
        isa.name == "a64"
    ]
    return Insn(name if name == "isb" else f"{name} {OPTIONS[option]}", word)


def t_barrier(name: str, option: int = 15) -> Insn:
    of_a32 = barrier(A32, name, option)
    return Insn(of_a32.text, 0xF3BF_8F00 | of_a32.word & 0xFF)


def told(ran: Ran) -> list[str]:
    """The operations of the events, with their addresses: without fetches, aliases and switches."""
    kept = [event.split() for event in ran.events]
    ops = ("fetch", "map", "unmap", "mmu", "dcache", "icache")
    return [
        " ".join(words[1:3] if words[1] in BARRIERS else words[1:]) for words in kept if words[1] not in ops
    ]


def run(isa: InstructionSet, program: Code, data: dict[int, bytes] | None = None) -> Ran:
    return isa.run(code(program, isa.off()), data or {}, orders=True)


def run_thumb(program: Code) -> Ran:
    registers = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=0x1F3, sctlr=a32.SCTLR_OFF)
    return run_loaded(a32.thumb(program), registers, core="cortex-a15", orders=True)


def t_off() -> Code:
    return code(a32.t_mov(0, a64.PSCI_SYSTEM_OFF), a32.T_HVC)


CALL = ["isb"]
"""The call that ends each program is an exception."""


def test_the_encodings_are_those_of_gnu_as(tmp_path: Path) -> None:
    for tool, isa, thumb in (
        ("aarch64-linux-gnu", A64, False),
        ("arm-linux-gnueabihf", A32, False),
        ("arm-linux-gnueabihf", A32, True),
    ):
        require(shutil.which(f"{tool}-as"), f"{tool}-as is not installed")
        every = [
            t_barrier(name, option) if thumb else barrier(isa, name, option)
            for name in ("dsb", "dmb")
            for option in OPTIONS
        ]
        every.append(t_barrier("isb") if thumb else barrier(isa, "isb"))
        source, built, flat = (tmp_path / f"all.{kind}" for kind in ("s", "o", "bin"))
        head = [] if isa is A64 else [".syntax unified", ".arch armv8-a", ".thumb" if thumb else ".arm"]
        source.write_text("\n".join([*head, *(insn.text for insn in every), ""]))
        subprocess.run([f"{tool}-as", "-o", built, source], check=True)
        subprocess.run([f"{tool}-objcopy", "-O", "binary", "-j", ".text", built, flat], check=True)
        assert flat.read_bytes() == (a32.thumb(every) if thumb else bytes_of(every))


@pytest.mark.parametrize("option", OPTIONS, ids=OPTIONS.values())
def test_forms_of_loads_or_stores_alone_complete_nothing(option: int) -> None:
    """A DSB of this core alone completes what concerns its own instruction cache, and is an event of its own."""
    alone = ["dsb nsh"] if OPTIONS[option] == "nsh" else []
    expected = ["dsb", "dmb"] if OPTIONS[option] in WHOLE else alone
    for isa in (A64, A32):
        program = code(barrier(isa, "dsb", option), barrier(isa, "dmb", option))
        assert told(run(isa, program)) == [*expected, *CALL]
    program = code(t_barrier("dsb", option), t_barrier("dmb", option))
    assert told(run_thumb(code(program, t_off()))) == [*expected, *CALL]


def test_each_is_at_its_place_among_accesses(each: InstructionSet) -> None:
    """Several in one block of code, which is entered twice."""
    body = code(
        *(each.store(4, 2), barrier(each, "dsb"), each.store(4, 2), barrier(each, "dmb"), each.load(4, 2)),
        *(each.maintain("dc civac", 2), barrier(each, "dsb", 11), each.maintain("ic ivau", 2)),
        *(barrier(each, "dsb"), barrier(each, "isb"), each.load(4, 2)),
    )
    ran = run(each, code(each.mov(2, WINDOW), each.mov(4, 5), body, body))
    word, line = f"{WINDOW:#x} 4", f"{WINDOW:#x} 64"
    once = [f"write {word}", "dsb", f"write {word}", "dmb", f"read {word}", f"dc civac {line}", "dsb"]
    once += [f"ic ivau {line}", "dsb", "isb", f"read {word}"]
    assert told(ran) == [*once, *once, *CALL]


def test_each_is_at_its_place_among_walks_and_switches(each: InstructionSet) -> None:
    """A DSB is before the walk for the load after it, and before a switch in the same block of code."""
    page = Page(WINDOW + 0x3000, "normal-wb")
    on = code(each.prepare(), each.sctlr(M | C | I))
    program = code(
        *(on, each.mov(2, WINDOW + 0x3000), each.mov(3, ELSEWHERE), each.mov(4, 7)),
        *(each.store(4, 3), barrier(each, "dsb"), each.load(4, 2), barrier(each, "dmb")),
        each.sctlr(M | C),
    )
    ran = run(each, program, each.tables({3: page}))
    walk = [event.removeprefix("guest ") for event in each.walk(WINDOW + 0x3000)]
    events = [event.removeprefix("guest ") for event in ran.events]
    at = events.index(f"write {ELSEWHERE:#x} 4")
    after = events[at + 1 :]
    assert after[: 2 + len(walk)] == ["dsb", *walk, f"read {WINDOW + 0x3000:#x} 4"]
    assert [event for event in after if event in ("dmb", "icache off", "isb")] == [
        "dmb",
        "icache off",
        "isb",
        "isb",
    ]


def test_without_order_there_is_none(each: InstructionSet) -> None:
    program = code(*(barrier(each, name) for name in BARRIERS), each.mov(2, WINDOW), each.load(4, 2))
    ran = each.run(code(program, each.off()), {})
    assert told(ran) == [f"read {WINDOW:#x} 4"]


def test_a_barrier_before_a_wait_is_told(each: InstructionSet) -> None:
    wfi = a64.WFI if each.name == "a64" else a32.WFI
    ran = each.run(code(barrier(each, "dsb"), wfi), {}, Until(End.PSCI, 1000), orders=True)
    assert told(ran) == ["dsb"]


# -- exceptions ------------------------------------------------------------------------------------------------


def test_an_svc_and_its_eret_synchronise() -> None:
    program = code(a64.mov(1, RAM + VECTORS), a64.msr("vbar_el1", 1), barrier(A64, "dsb"), a64.SVC, a64.NOP)
    handler = code(barrier(A64, "dmb"), a64.ERET)
    assert told(run(A64, program, {VECTORS + 0x200: bytes_of(handler)})) == [
        "dsb",
        "isb",
        "dmb",
        "isb",
        *CALL,
    ]


RETURNS = {
    "movs": [RETURN],
    "subs": [Insn("subs pc, lr, #0", 0xE25E_F000)],
    "ldm": [
        a32.store(14, 9),
        Insn("ldm r9, {pc}^", 0xE8D9_8000),
    ],
    "rfe": [
        a32.store(14, 9),
        Insn("mrs r10, spsr", 0xE14F_A000),
        a32.store(10, 9, 4),
        Insn("rfeia r9", 0xF899_0A00),
    ],
    "eq": [Insn("movseq pc, lr", 0x01B0_F00E), RETURN],
}


@pytest.mark.parametrize("name", RETURNS)
def test_an_svc_and_its_return_synchronise_on_arm32(name: str) -> None:
    """A conditional return is none, whether it is executed or not: here Z is set, so that it is."""
    program = code(
        *(a32.mov(1, RAM + VECTORS), SET_VBAR, barrier(A32, "isb"), a32.mov(9, WINDOW), a32.cmp(2, 2)),
        *(barrier(A32, "dsb"), a32.SVC, a32.NOP),
    )
    data = {VECTORS + 8: bytes_of([a32.b((HANDLER - VECTORS - 8) // 4)]), HANDLER: bytes_of(RETURNS[name])}
    events = [event for event in told(run(A32, program, data)) if event in BARRIERS]
    assert events == ["isb", "dsb", "isb", *([] if name == "eq" else ["isb"]), *CALL]


def test_a_barrier_after_an_access_that_faults_is_not_before_it() -> None:
    """The handler skips the load; the DSB before it has been executed, the DMB after it comes later."""
    absent = WINDOW + 0x5000
    program = code(
        *(a64.mov(1, RAM + VECTORS), a64.msr("vbar_el1", 1), A64.prepare(), A64.sctlr(M | C | I)),
        *(a64.mov(2, absent), barrier(A64, "dsb"), a64.ldr(3, 2), barrier(A64, "dmb")),
    )
    skip = code(a64.mrs(10, "elr_el1"), a64.add(10, 10, 4), a64.msr("elr_el1", 10), a64.ERET)
    ran = run(A64, program, {VECTORS + 0x200: bytes_of(skip), **A64.tables({})})
    events = [event for event in told(ran) if event in BARRIERS]
    assert events[-5:] == ["dsb", "isb", "isb", "dmb", *CALL]


# -- the operations of CP15 ------------------------------------------------------------------------------------

CP15 = {"dsb": (7, 0, 10, 4), "dmb": (7, 0, 10, 5), "isb": (7, 0, 5, 4)}


def cp15_barrier(name: str, condition: int = 14) -> Insn:
    crn, opc1, crm, opc2 = CP15[name]
    return Insn(name, condition << 28 | 0x0E00_0F10 | opc1 << 21 | crn << 16 | opc2 << 5 | crm)


@pytest.mark.parametrize("name", CP15)
def test_barriers_of_cp15(name: str) -> None:
    program = code(a32.mov(2, WINDOW), a32.store(4, 2), cp15_barrier(name), a32.load(4, 2))
    ran = run(A32, program)
    assert told(ran) == [f"write {WINDOW:#x} 4", name, f"read {WINDOW:#x} 4", *CALL]
    assert told(A32.run(code(program, a32.off()), {})) == [f"write {WINDOW:#x} 4", f"read {WINDOW:#x} 4"]


def test_a_barrier_of_cp15_has_a_condition() -> None:
    assert told(run(A32, code(a32.cmp(2, 2), cp15_barrier("dsb", 1), cp15_barrier("dmb", 0)))) == [
        "dmb",
        *CALL,
    ]


def test_barriers_do_not_end_a_sweep_by_set_way() -> None:
    """They are between its levels."""
    sweep = code(
        a32.mcr("dc csw"), cp15_barrier("dsb"), a32.mcr("dc csw"), barrier(A32, "dsb"), a32.mcr("dc csw")
    )
    events = told(run(A32, sweep))
    assert [event.split()[:2] for event in events if event.startswith("dc")] == [["dc", "csw"]]


# -- Thumb -----------------------------------------------------------------------------------------------------


def test_thumb_code() -> None:
    """Also where the barrier's first half is the last one of a page; none in an IT block."""
    store, load = Insn("str r4, [r2]", 0x6014), Insn("ldr r4, [r2]", 0x6814)
    program = code(
        *(a32.t_mov(2, WINDOW), store, t_barrier("dsb"), a32.T_NOP, load, t_barrier("dmb"), store),
        *(
            a32.T_CMP_EQUAL,
            a32.t_it("eq", 8, "it eq"),
            t_barrier("dsb"),
            load,
            t_barrier("isb"),
            load,
            t_off(),
        ),
    )
    word = f"{WINDOW:#x} 4"
    expected = [f"write {word}", "dsb", f"read {word}", "dmb", f"write {word}", f"read {word}", "isb"]
    assert told(run_thumb(program)) == [*expected, f"read {word}", *CALL]
    size = len(a32.thumb(code(a32.t_mov(2, WINDOW), store)))
    fill = [a32.T_NOP] * ((4096 - 2 - size) // 2)
    over = code(a32.t_mov(2, WINDOW), *fill, store, t_barrier("dsb"), load, t_off())
    assert struct.unpack_from("<H", a32.thumb(over), 4094) == (0xF3BF,)
    assert told(run_thumb(over)) == [f"write {word}", "dsb", f"read {word}", *CALL]
