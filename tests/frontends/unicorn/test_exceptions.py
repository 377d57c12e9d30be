# SPDX-License-Identifier: GPL-2.0-or-later
"""Exceptions that an arm64 guest takes to its own vectors.

The expected syndromes are from the tables of the Arm ARM (DDI 0487, ESR_EL1): EC in bits 31:26, IL in bit 25, ISS in
bits 24:0. IL is 1 for an instruction of 32 bits.
"""

import struct

import pytest

import tests.helpers.tiny_guests as a64
from coldline.frontends.unicorn import End
from tests.helpers.guest_runs import LEVEL3, WINDOW, Ran, mmu_on, run, tables
from tests.helpers.tiny_guests import ENTRY, ERET, ISB, RAM, Code, Insn, bytes_of, code, mov

VECTORS = 0x8000
SPX, LOWER = VECTORS + 0x200, VECTORS + 0x400
"""Where a synchronous exception goes: from this level with SP_ELx, and from a lower one (D1.3.1.5)."""

SAVED = 0x18000
EL1H, EL2H, EL0T = 0x3C5, 0x3C9, 0x3C0
IL = 1 << 25


def set_vectors(level: int = 1, at: int = RAM + VECTORS) -> Code:
    return code(mov(1, at), a64.msr(f"vbar_el{level}", 1), ISB)


def saver(level: int = 1) -> Code:
    """Store ESR, FAR, ELR, SPSR and SP."""
    registers = [f"{name}_el{level}" for name in ("esr", "far", "elr", "spsr")]
    moves = [code(a64.mrs(10, name), a64.store(10, 9, 8 * index)) for index, name in enumerate(registers)]
    return code(mov(9, RAM + SAVED), *moves, Insn("add x10, sp, #0", 0x9100_03EA), a64.store(10, 9, 32))


def saved(ran: Ran) -> tuple[int, ...]:
    """The values of ESR, FAR, ELR and SPSR that the handler stored."""
    return struct.unpack_from("<4Q", ran.ram[0], SAVED)


def handled(program: Code, handler: Code, data: dict[int, bytes] | None = None, level: int = 1) -> Ran:
    """Run a program whose vector stores the registers and then does `handler`; it ends in SYSTEM_OFF."""
    vector = {SPX: bytes_of(code(saver(level), handler))}
    off = a64.off(7, a64.HVC if level == 1 else a64.SMC)
    return run(code(program, off), {**vector, **(data or {})}, level=level)


def assert_off(ran: Ran, result: int = 7) -> None:
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.fault) == (End.OFF, "")
    assert ran.outcome.psci_call is not None
    assert ran.outcome.psci_call[1] == result


@pytest.mark.parametrize(("level", "pstate"), [(1, EL1H), (2, EL2H)])
def test_svc_returns_by_eret(level: int, pstate: int) -> None:
    before = code(set_vectors(level), mov(5, 1), a64.subs(5, 5, 1))  # sets Z and C
    ran = handled(code(before, a64.svc(0x123)), code(ERET), level=level)
    assert_off(ran)
    esr, _, elr, spsr = saved(ran)
    assert esr == 0x15 << 26 | IL | 0x123
    assert elr == ENTRY + 4 * (len(before) + 1)
    assert spsr == 0x6000_0000 | pstate
    assert RAM + SPX in ran.fetched
    assert f"guest write {RAM + SAVED:#x} 8" in ran.events


@pytest.mark.parametrize(
    ("insn", "syndrome"),
    [(a64.brk(0xF00), 0x3C << 26 | IL | 0xF00), (a64.UDF, IL)],
    ids=["brk", "undefined"],
)
def test_what_returns_to_the_instruction_itself(insn: Insn, syndrome: int) -> None:
    """The handler adds 4 to ELR, so that the guest continues after it."""
    skip = code(a64.mrs(10, "elr_el1"), a64.add(10, 10, 4), a64.msr("elr_el1", 10), ERET)
    ran = handled(code(set_vectors(), insn), skip)
    assert_off(ran)
    esr, _, elr, spsr = saved(ran)
    assert (esr, elr, spsr) == (syndrome, ENTRY + 4 * len(set_vectors()), EL1H)


ABSENT = WINDOW + 0x5000


@pytest.mark.parametrize(
    ("address", "insn", "iss"),
    [
        (ABSENT + 8, a64.ldr(3, 2), 0b000111),
        (ABSENT + 8, a64.store(3, 2), 1 << 6 | 0b000111),
        (RAM + 0x40_0000, a64.ldr(3, 2), 0b000110),
        (0x8000_0000, a64.ldr_w(3, 2), 0b000101),
        (1 << 32 | WINDOW, a64.ldr(3, 2), 0b000100),
    ],
    ids=["level 3", "store", "level 2", "level 1", "beyond T0SZ"],
)
def test_a_data_abort_tells_its_address_and_level(address: int, insn: Insn, iss: int) -> None:
    """DFSC 0b0001LL is a translation fault at level LL; WnR is bit 6."""
    before = code(set_vectors(), mmu_on(), mov(2, address), a64.NOP)
    ran = handled(code(before, insn), a64.off(9), tables({0: a64.page(WINDOW)}))
    assert_off(ran, 9)
    esr, far, elr, spsr = saved(ran)
    assert (hex(esr), hex(far)) == (hex(0x25 << 26 | IL | iss), hex(address))
    assert (hex(elr), hex(spsr)) == (hex(ENTRY + 4 * len(before)), hex(EL1H))


@pytest.mark.parametrize(
    ("insn", "far"),
    [
        (a64.ldrb(3, 2, 0x123), ABSENT + 0x123),
        (a64.ldp(3, 4, 2, 0x18), ABSENT + 0x18),
        (Insn("ldr x3, [x2, #16]!", 0xF841_0C43), ABSENT + 16),
        (Insn("ldr x3, [x2], #16", 0xF841_0443), ABSENT),
        (Insn("ldur x3, [x2, #-8]", 0xF85F_8043), ABSENT - 8),
        (Insn("ldr x3, [x2, x5, lsl #3]", 0xF865_7843), ABSENT + 0x18),
        (Insn("ldr w3, [x2, w5, uxtw #2]", 0xB865_5843), ABSENT + 0xC),
        (Insn("ldr w3, [x2, w6, sxtw]", 0xB866_C843), ABSENT - 1),
        (Insn("ldxr x3, [x2]", 0xC85F_7C43), ABSENT),
        (Insn("st1 {v0.16b}, [x2], #16", 0x4C9F_7040), ABSENT),
    ],
    ids=lambda value: value.text if isinstance(value, Insn) else "",
)
def test_far_is_the_address_that_was_used(insn: Insn, far: int) -> None:
    """x5 is 3, w6 is -1; the page before the absent one is absent too."""
    fp = code(mov(1, 3 << 20), a64.msr("cpacr_el1", 1), ISB)
    before = code(set_vectors(), fp, mmu_on(), mov(2, ABSENT), mov(5, 3), mov(6, 0xFFFF_FFFF))
    ran = handled(code(before, insn), a64.off(9), tables({0: a64.page(WINDOW)}))
    assert_off(ran, 9)
    assert hex(saved(ran)[1]) == hex(far)


def test_an_access_over_a_page_end_faults_at_the_next_page() -> None:
    before = code(set_vectors(), mmu_on(), mov(2, ABSENT - 4))
    ran = handled(code(before, a64.ldr(3, 2)), a64.off(9), tables({4: a64.page(ABSENT - 0x1000)}))
    assert saved(ran)[1] == ABSENT


def test_a_data_abort_after_a_walk_of_more_levels() -> None:
    """The level is that of this access's walk, and not of the last one that read a descriptor."""
    touch = code(mov(2, WINDOW), a64.ldr(3, 2))
    before = code(set_vectors(), mmu_on(), touch, mov(2, 1 << 40))
    ran = handled(code(before, a64.ldr(3, 2)), a64.off(9), tables({0: a64.page(WINDOW)}))
    assert saved(ran)[0] == 0x25 << 26 | IL | 0b000100


def test_an_instruction_abort() -> None:
    ran = handled(code(set_vectors(), mmu_on(), mov(2, ABSENT), a64.blr(2)), a64.off(9), tables({}))
    assert_off(ran, 9)
    assert saved(ran) == (0x21 << 26 | IL | 0b000111, ABSENT, ABSENT, EL1H)


def test_a_handler_that_maps_the_page_has_the_access_done_again() -> None:
    entry = RAM + LEVEL3 + 8 * 5
    fill = code(mov(10, a64.page(ABSENT)), mov(11, entry), a64.store(10, 11), a64.DSB, ISB, ERET)
    ran = handled(code(set_vectors(), mmu_on(), mov(2, ABSENT), a64.ldr(3, 2)), fill, tables({}))
    assert_off(ran)
    read = f"guest read {ABSENT:#x} 8"
    assert ran.events.count(read) == 1
    assert ran.events.index(f"guest write {entry:#x} 8") < ran.events.index(read)


def test_an_exception_from_el0() -> None:
    """The vector is that of a lower level, and each level has its own stack pointer."""
    user = RAM + 0xA000
    enter = code(
        set_vectors(),
        mov(4, RAM + 0x1_E000),
        Insn("mov sp, x4", 0x9100_009F),
        mov(4, RAM + 0x1_F000),
        a64.msr("sp_el0", 4),
        mov(4, user),
        a64.msr("elr_el1", 4),
        mov(4, EL0T),
        a64.msr("spsr_el1", 4),
        ERET,
    )
    data = {
        LOWER: bytes_of(code(saver(), a64.off(9))),
        user - RAM: bytes_of(code(mov(9, RAM + SAVED), Insn("add x10, sp, #0", 0x9100_03EA), a64.svc(3))),
    }
    ran = run(enter, data)
    assert_off(ran, 9)
    esr, _, elr, spsr = saved(ran)
    assert (esr, elr, spsr) == (0x15 << 26 | IL | 3, user + 4 * 4, EL0T)
    assert struct.unpack_from("<Q", ran.ram[0], SAVED + 32) == (RAM + 0x1_E000,)


@pytest.mark.parametrize(
    ("insn", "what"),
    [
        (a64.SVC, "SVC at {at:#x}"),
        (a64.BRK, "BRK at {at:#x}"),
        (a64.UDF, "an undefined instruction at {at:#x}"),
        (a64.ldr(3, 2), "a data abort at {at:#x} (its tables do not map {absent:#x})"),
        (a64.blr(2), "an instruction abort at {absent:#x} (its tables do not map {absent:#x})"),
    ],
    ids=["svc", "brk", "undefined", "data abort", "instruction abort"],
)
def test_a_vector_that_is_not_mapped_is_a_fault(insn: Insn, what: str) -> None:
    vectors = WINDOW + 0x8000
    before = code(set_vectors(at=vectors), mmu_on(), mov(2, ABSENT))
    ran = run(code(before, insn), tables({}))
    assert ran.outcome is not None
    assert ran.outcome.end is End.FAULT
    taken = what.format(at=ENTRY + 4 * len(before), absent=ABSENT)
    vector = vectors + 0x200
    assert ran.fault == f"the guest took {taken}, and its vector at {vector:#x} cannot be executed"


def test_a_vector_that_takes_the_exception_again_is_a_fault() -> None:
    at = ENTRY + 4 * len(set_vectors())
    for insn, what in ((a64.SVC, "SVC"), (a64.BRK, "BRK"), (a64.UDF, "an undefined instruction")):
        ran = run(code(set_vectors(), insn), {SPX: bytes_of([insn])})
        assert ran.outcome is not None
        assert ran.outcome.end is End.FAULT
        assert ran.fault == (
            f"the guest took {what} at {at:#x}, and its vector at {RAM + SPX:#x} cannot be executed"
        )
