# SPDX-License-Identifier: GPL-2.0-or-later
"""Exceptions that an arm32 guest takes to its own vectors.

The expected values are from the Arm ARM (DDI 0406C): B1.8.1 (vectors), tables B1-3 (modes) and B1-7 (LR), B1.9 (CPSR)
and B4.1.51, B4.1.52, B4.1.95, B4.1.96 (fault status and addresses).
"""

import struct

import pytest

import tests.helpers.tiny_guests_a32 as a32
from coldline.frontends.unicorn import End
from tests.helpers.guest_runs import WINDOW, Ran
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M, Page
from tests.helpers.tiny_guests import ENTRY, RAM, Code, Insn, bytes_of, code

SHORT, LPAE = INSTRUCTION_SETS["a32-short"], INSTRUCTION_SETS["a32-lpae"]
VECTORS, HANDLER, SAVED = 0x8000, 0x9000, 0x1_8000
UND, SVC, PABT, DABT = 0x04, 0x08, 0x0C, 0x10
SVC_MODE, ABT_MODE, UND_MODE = 0x13, 0x17, 0x1B
STARTS_AS = 0x1D3
"""A, I and F are set; Supervisor mode."""

ABSENT = WINDOW + 0x5000
SET_VBAR = Insn("mcr p15, 0, r1, c12, c0, 0", 0xEE0C_1F10)
FLAGS = {
    "dfsr": Insn("mrc p15, 0, r10, c5, c0, 0", 0xEE15_AF10),
    "ifsr": Insn("mrc p15, 0, r10, c5, c0, 1", 0xEE15_AF30),
    "dfar": Insn("mrc p15, 0, r10, c6, c0, 0", 0xEE16_AF10),
    "ifar": Insn("mrc p15, 0, r10, c6, c0, 2", 0xEE16_AF50),
    "spsr": Insn("mrs r10, spsr", 0xE14F_A000),
    "cpsr": Insn("mrs r10, cpsr", 0xE10F_A000),
    "lr": Insn("mov r10, lr", 0xE1A0_A00E),
}
RETURN = Insn("movs pc, lr", 0xE1B0_F00E)


def set_vectors(at: int = RAM + VECTORS) -> Code:
    return code(a32.mov(1, at), SET_VBAR, a32.ISB)


def saver() -> Code:
    moves = [code(insn, a32.store(10, 9, 4 * index)) for index, insn in enumerate(FLAGS.values())]
    return code(a32.mov(9, RAM + SAVED), *moves)


def saved(ran: Ran) -> dict[str, int]:
    """The values of the registers that the handler stored."""
    return dict(zip(FLAGS, struct.unpack_from("<7I", ran.ram[0], SAVED), strict=True))


def mmu_on(kind: InstructionSet) -> Code:
    return code(kind.prepare(), kind.tlbi(), kind.sctlr(M | C | I))


def handled(
    program: Code,
    vector: int,
    handler: Code,
    kind: InstructionSet = SHORT,
    pages: dict[int, Page] | None = None,
) -> Ran:
    """Run a program whose vector branches to code that stores the registers and then does `handler`."""
    branch = a32.b((HANDLER - VECTORS - vector) // 4)
    data = {VECTORS + vector: bytes_of([branch]), HANDLER: bytes_of(code(saver(), handler))}
    if pages is not None:
        data |= kind.tables(pages)
    return kind.run(code(program, a32.off(7)), data)


def assert_off(ran: Ran, result: int = 7) -> None:
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.fault) == (End.OFF, "")
    assert ran.outcome.psci_call is not None
    assert ran.outcome.psci_call[1] == result


def test_svc_returns_to_the_next_instruction() -> None:
    before = code(set_vectors(), a32.mov(5, 1), a32.subs(5, 5, 1))  # sets Z and C
    ran = handled(code(before, a32.SVC), SVC, code(RETURN))
    assert_off(ran)
    found = saved(ran)
    assert found["lr"] == ENTRY + 4 * (len(before) + 1)
    assert hex(found["spsr"]) == hex(0x6000_0000 | STARTS_AS)
    assert hex(found["cpsr"]) == hex(0x6000_0000 | STARTS_AS)
    assert RAM + VECTORS + SVC in ran.fetched
    assert f"guest write {RAM + SAVED:#x} 4" in ran.events


@pytest.mark.parametrize(
    ("insn", "vector", "mode"),
    [(a32.UDF, UND, UND_MODE), (a32.BKPT, PABT, ABT_MODE)],
    ids=["udf", "bkpt"],
)
def test_an_instruction_that_is_refused_has_lr_after_it(insn: Insn, vector: int, mode: int) -> None:
    ran = handled(code(set_vectors(), insn), vector, code(RETURN))
    assert_off(ran)
    found = saved(ran)
    assert found["lr"] == ENTRY + 4 * len(set_vectors()) + 4
    assert (hex(found["spsr"]), hex(found["cpsr"])) == (hex(STARTS_AS), hex(0x1C0 | mode))
    if vector == PABT:
        assert found["ifsr"] == 0b00010


def test_only_what_the_exception_masks_is_masked() -> None:
    """From CPSR with A, I and F clear: SVC masks IRQs, a data abort also asynchronous aborts."""
    clear = Insn("cpsie aif", 0xF108_01C0)
    ran = handled(code(set_vectors(), clear, a32.SVC), SVC, code(a32.off(9)))
    assert hex(saved(ran)["cpsr"]) == hex(0x80 | SVC_MODE)
    program = code(set_vectors(), mmu_on(SHORT), clear, a32.mov(2, ABSENT), a32.load(3, 2))
    ran = handled(program, DABT, code(a32.off(9)), pages={})
    assert (hex(saved(ran)["spsr"]), hex(saved(ran)["cpsr"])) == (hex(SVC_MODE), hex(0x180 | ABT_MODE))


@pytest.mark.parametrize(
    ("kind", "address", "insn", "status"),
    [
        (SHORT, ABSENT + 8, a32.load(3, 2), 0b00111),
        (SHORT, ABSENT + 8, a32.store(3, 2), 1 << 11 | 0b00111),
        (SHORT, 0x8000_0000, a32.load(3, 2), 0b00101),
        (LPAE, ABSENT + 8, a32.load(3, 2), 1 << 9 | 0b000111),
        (LPAE, ABSENT + 8, a32.store(3, 2), 1 << 11 | 1 << 9 | 0b000111),
        (LPAE, RAM + 0x60_0000, a32.load(3, 2), 1 << 9 | 0b000110),
        (LPAE, 0x8000_0000, a32.load(3, 2), 1 << 9 | 0b000101),
    ],
    ids=["page", "store", "section", "level 3", "level 3, store", "level 2", "level 1"],
)
def test_a_data_abort_tells_its_address_and_level(
    kind: InstructionSet, address: int, insn: Insn, status: int
) -> None:
    before = code(set_vectors(), mmu_on(kind), a32.mov(2, address), a32.NOP)
    pages = {0: Page(WINDOW, "normal-wb")}
    ran = handled(code(before, insn), DABT, code(a32.off(9)), kind, pages)
    assert_off(ran, 9)
    found = saved(ran)
    assert (hex(found["dfsr"]), hex(found["dfar"])) == (hex(status), hex(address))
    assert hex(found["lr"]) == hex(ENTRY + 4 * len(before) + 8)
    assert (hex(found["spsr"]), hex(found["cpsr"])) == (hex(STARTS_AS), hex(0x1C0 | ABT_MODE))


@pytest.mark.parametrize(
    ("insn", "address"),
    [
        (a32.load(3, 2, 0x123, 1), ABSENT + 0x123),
        (Insn("ldr r3, [r2, #16]!", 0xE5B2_3010), ABSENT + 16),
        (Insn("ldr r3, [r2], #16", 0xE492_3010), ABSENT),
        (Insn("ldr r3, [r2, #-8]", 0xE512_3008), ABSENT - 8),
        (Insn("ldr r3, [r2, r5, lsl #3]", 0xE792_3185), ABSENT + 24),
        (Insn("ldr r3, [r2, -r5]", 0xE712_3005), ABSENT - 3),
        (Insn("ldmdb r2, {r3, r4}", 0xE912_0018), ABSENT - 8),
        (Insn("stmib r2, {r3, r4}", 0xE982_0018), ABSENT + 4),
        (a32.ldm(2, 3, 4), ABSENT),
    ],
    ids=lambda value: value.text if isinstance(value, Insn) else "",
)
def test_dfar_is_the_address_that_was_used(insn: Insn, address: int) -> None:
    """r5 is 3; the page before the absent one is absent too."""
    before = code(set_vectors(), mmu_on(SHORT), a32.mov(2, ABSENT), a32.mov(5, 3))
    ran = handled(code(before, insn), DABT, code(a32.off(9)), pages={})
    assert_off(ran, 9)
    assert hex(saved(ran)["dfar"]) == hex(address)


@pytest.mark.parametrize(("kind", "status"), [(SHORT, 0b00111), (LPAE, 1 << 9 | 0b000111)])
def test_a_prefetch_abort(kind: InstructionSet, status: int) -> None:
    program = code(set_vectors(), mmu_on(kind), a32.mov(2, ABSENT), a32.blx(2))
    ran = handled(program, PABT, code(a32.off(9)), kind, {})
    assert_off(ran, 9)
    found = saved(ran)
    assert (hex(found["ifsr"]), hex(found["ifar"]), hex(found["lr"])) == (
        hex(status),
        hex(ABSENT),
        hex(ABSENT + 4),
    )


def test_a_handler_that_maps_the_page_has_the_access_done_again() -> None:
    fill = code(
        SHORT.write_entry(5, SHORT.page(Page(ABSENT, "normal-wb"))),
        a32.mov(2, ABSENT),
        *(a32.DSB, a32.ISB, Insn("subs pc, lr, #8", 0xE25E_F008)),
    )
    program = code(set_vectors(), mmu_on(SHORT), a32.mov(2, ABSENT), a32.load(3, 2))
    ran = handled(program, DABT, fill, pages={})
    assert_off(ran)
    read = f"guest read {ABSENT:#x} 4"
    assert ran.events.count(read) == 1
    assert ran.events.index(f"guest write {SHORT.entry(5):#x} 4") < ran.events.index(read)


def test_each_mode_has_its_stack_and_its_link_register() -> None:
    stacks = code(a32.mov(4, RAM + 0x1_F000), Insn("mov sp, r4", 0xE1A0_D004))
    und = code(Insn("cps #27", 0xF102_001B), a32.mov(4, RAM + 0x1_E000), Insn("mov sp, r4", 0xE1A0_D004))
    back = Insn("cps #19", 0xF102_0013)
    push = Insn("push {r9, lr}", 0xE92D_4200)
    program = code(set_vectors(), stacks, und, back, a32.UDF, push)
    ran = handled(program, UND, code(push, RETURN))
    assert_off(ran)
    assert f"guest write {RAM + 0x1_E000 - 8:#x} 4" in ran.events
    assert f"guest write {RAM + 0x1_F000 - 8:#x} 4" in ran.events


THUMB_AT = 0xA000
T_ENTER = code(a32.mov(3, RAM + THUMB_AT | 1), a32.bx(3))


@pytest.mark.parametrize(
    ("insn", "vector", "after"),
    [
        (Insn("svc #0", 0xDF00), SVC, 2),
        (Insn("udf #0", 0xDE00), UND, 2),
        (Insn("bkpt #0", 0xBE00), PABT, 4),
        (Insn("ldr r3, [r2]", 0x6813), DABT, 8),
    ],
    ids=["svc", "udf", "bkpt", "data abort"],
)
def test_thumb_code_has_its_offsets_and_its_bits_in_spsr(insn: Insn, vector: int, after: int) -> None:
    """After an IT that holds, SPSR has ITSTATE: after an SVC that of the next instruction (A2.5.2)."""
    at = RAM + THUMB_AT
    branch = a32.b((HANDLER - VECTORS - vector) // 4)
    data = {
        THUMB_AT: a32.thumb(code(a32.T_CMP_EQUAL, a32.t_it("eq", 0x4, "itt eq"), insn, a32.T_NOP)),
        VECTORS + vector: bytes_of([branch]),
        HANDLER: bytes_of(code(saver(), a32.off(9))),
        **SHORT.tables({}),
    }
    ran = SHORT.run(code(set_vectors(), mmu_on(SHORT), a32.mov(2, ABSENT), T_ENTER), data)
    assert_off(ran, 9)
    found = saved(ran)
    assert hex(found["lr"]) == hex(at + 4 + after)
    # ITSTATE is 0b0000_0100 at the first instruction of ITT EQ, and 0b0000_1000 at the second.
    it = 0x08 if insn.text.startswith("svc") else 0x04
    assert hex(found["spsr"] & 0x0600_FC3F) == hex(it >> 2 << 10 | 1 << 5 | SVC_MODE)
    assert not found["cpsr"] & 0x0600_FC20


def test_sctlr_te_has_vectors_in_thumb() -> None:
    program = code(a32.mov(1, a32.SCTLR_OFF | 1 << 30), a32.mcr("sctlr", 1), set_vectors(), a32.SVC)
    end = a32.thumb(code(a32.t_mov(0, 0x8400_0008), a32.t_mov(1, 9), a32.T_HVC))
    ran = SHORT.run(code(program, a32.off()), {VECTORS + SVC: end})
    assert_off(ran, 9)


def test_sctlr_v_has_high_vectors() -> None:
    program = code(a32.mov(1, a32.SCTLR_OFF | 1 << 13), a32.mcr("sctlr", 1), set_vectors(), a32.NOP)
    ran = SHORT.run(code(program, a32.SVC), {})
    at = ENTRY + 4 * len(program)
    assert ran.fault == f"the guest took SVC at {at:#x}, and its vector at 0xffff0008 cannot be executed"


@pytest.mark.parametrize(
    ("insn", "vector", "what"),
    [
        (a32.SVC, SVC, "SVC at {at:#x}"),
        (a32.BKPT, PABT, "BRK at {at:#x}"),
        (a32.UDF, UND, "an undefined instruction at {at:#x}"),
        (a32.load(3, 2), DABT, "a data abort at {at:#x} (its tables do not map {absent:#x})"),
        (a32.blx(2), PABT, "an instruction abort at {absent:#x} (its tables do not map {absent:#x})"),
    ],
    ids=["svc", "bkpt", "undefined", "data abort", "prefetch abort"],
)
def test_a_vector_that_is_not_mapped_is_a_fault(insn: Insn, vector: int, what: str) -> None:
    vectors = WINDOW + 0x8000
    before = code(set_vectors(vectors), mmu_on(SHORT), a32.mov(2, ABSENT))
    ran = SHORT.run(code(before, insn), SHORT.tables({}))
    taken = what.format(at=ENTRY + 4 * len(before), absent=ABSENT)
    assert ran.fault == f"the guest took {taken}, and its vector at {vectors + vector:#x} cannot be executed"


@pytest.mark.parametrize(
    ("insn", "vector", "what"),
    [(a32.SVC, SVC, "SVC"), (a32.BKPT, PABT, "BRK"), (a32.UDF, UND, "an undefined instruction")],
    ids=["svc", "bkpt", "undefined"],
)
def test_a_vector_that_takes_the_exception_again_is_a_fault(insn: Insn, vector: int, what: str) -> None:
    ran = SHORT.run(code(set_vectors(), insn), {VECTORS + vector: bytes_of([insn])})
    at = ENTRY + 4 * len(set_vectors())
    assert ran.fault == (
        f"the guest took {what} at {at:#x}, and its vector at {RAM + VECTORS + vector:#x} cannot be executed"
    )
