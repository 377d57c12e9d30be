# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that start at EL3, as firmware does: their own tables, returns to lower levels, and calls from there.

At EL3, SMC is the guest's own, so these runs end in WFI.
"""

import struct
from itertools import pairwise

import pytest

import tests.helpers.tiny_guests as a64
from coldline.arm import vmsa
from coldline.frontends.unicorn import End
from tests.frontends.unicorn.test_exceptions import IL, LOWER, SAVED, SPX, VECTORS, saver
from tests.helpers.guest_runs import (
    LEVEL1,
    LEVEL2,
    NEVER,
    ON,
    START,
    WINDOW,
    Ran,
    mmu_on,
    run,
    tables,
    walks,
    window_walk,
)
from tests.helpers.tiny_guests import ENTRY, ERET, HVC, ISB, RAM, SMC, WFI, Code, bytes_of, code, mov

EL1H, EL2H, EL3H = 0x3C5, 0x3C9, 0x3CD
SCR = 1 << 10 | 1 << 8 | 1
"""SCR_EL3: RW, HCE and NS (Arm ARM DDI 0487, SCR_EL3)."""

STACK3, STACK0 = RAM + 0x1A000, RAM + 0x1B000
LOWER_AT = 48
"""The instruction at which the lower level starts."""

SET_SP = a64.Insn("mov sp, x1", 0x9100_003F)
SPSEL_0, SPSEL_1 = a64.Insn("msr spsel, #0", 0xD500_40BF), a64.Insn("msr spsel, #1", 0xD500_41BF)


def went_down(pstate: int, before: Code, lower: Code, data: dict[int, bytes]) -> Ran:
    """Run `before` at EL3, then `lower` at the level of `pstate`."""
    start = code(
        mov(1, SCR),
        a64.msr("scr_el3", 1),
        mov(1, 1 << 31),
        a64.msr("hcr_el2", 1),
        mov(1, RAM + VECTORS),
        a64.msr("vbar_el3", 1),
        mov(1, a64.SCTLR_OFF),
        a64.msr("sctlr_el1", 1),
        before,
        mov(1, pstate),
        a64.msr("spsr_el3", 1),
        mov(1, ENTRY + 4 * LOWER_AT),
        a64.msr("elr_el3", 1),
        ISB,
        ERET,
    )
    assert len(start) <= LOWER_AT
    return run(code(start, [a64.NOP] * (LOWER_AT - len(start)), lower, WFI), data, level=3)


def assert_waits(ran: Ran) -> None:
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.fault) == (End.WAIT, "")


def saved(ran: Ran) -> tuple[int, ...]:
    """ESR, FAR, ELR, SPSR and SP as the handler stored them."""
    return struct.unpack_from("<5Q", ran.ram[0], SAVED)


def test_el3_has_its_own_tables() -> None:
    """One range of addresses; a table walk is as TCR_EL3 says, and a page is as MAIR_EL3 says."""
    program = code(
        mmu_on(level=3), mov(4, WINDOW), a64.ldr(3, 4), mov(4, WINDOW + 0x1000), a64.ldr(3, 4), WFI
    )
    pages = {0: a64.page(WINDOW, a64.WB, NEVER), 1: a64.page(WINDOW + 0x1000, a64.NC, NEVER)}
    ran = run(program, tables(pages), level=3)
    assert_waits(ran)
    assert ran.other == [
        *START,
        *ON,
        *walks(RAM + LEVEL1 + 8, RAM + LEVEL2),
        *window_walk(0),
        f"guest read {WINDOW:#x} 8",
        *window_walk(1),
        f"guest-nc read {WINDOW + 0x1000:#x} 8",
    ]
    assert ran.outcome is not None
    assert ran.outcome.mmu_on == ran.outcome.caches_on is not None


@pytest.mark.parametrize(("never", "mapped"), [(a64.UXN, "normal-wb"), (a64.PXN, "normal-wb exec")])
def test_el3_has_one_execute_never_bit(never: int, mapped: str) -> None:
    """XN of EL3 is at the place of UXN; the place of PXN is reserved (Arm ARM DDI 0487 D8.3)."""
    ran = run(code(mmu_on(level=3), WFI), tables({0: a64.page(WINDOW, a64.WB, never)}), level=3)
    assert ran.story(WINDOW)[0] == f"guest map {mapped}"
    assert vmsa.executable(2, 3) is False
    assert vmsa.executable(1, 3) is True


@pytest.mark.parametrize(("pstate", "sets"), [(EL1H, "sctlr_el1"), (EL2H, "sctlr_el2")])
def test_smc_enters_el3_with_its_own_stack(pstate: int, sets: str) -> None:
    """The stack pointer of EL3 is what it was at the ERET, whatever the lower level's is; the handler returns."""
    before = code(mov(1, STACK3), SET_SP)
    lower = code(
        mov(1, STACK0), SET_SP, a64.Insn("smc #0x123", SMC.word | 0x123 << 5), mov(4, WINDOW), a64.ldr(3, 4)
    )
    ran = went_down(pstate, before, lower, {LOWER: bytes_of(code(saver(3), ERET))})
    assert_waits(ran)
    esr, _, elr, spsr, stack = saved(ran)
    smc = ENTRY + 4 * (LOWER_AT + len(lower) - 1 - len(mov(4, WINDOW)))
    assert (hex(esr), hex(elr), hex(spsr)) == (hex(0x17 << 26 | IL | 0x123), hex(smc), hex(pstate))
    assert hex(stack) == hex(STACK3)
    assert ran.other[-1] == f"guest read {WINDOW:#x} 8"


def test_el3_that_runs_on_the_stack_of_el0() -> None:
    """Trusted Firmware-A leaves EL3 with SP_EL3 selected and works on SP_EL0: each keeps its value."""
    before = code(SPSEL_0, mov(1, STACK0), SET_SP, SPSEL_1, mov(1, STACK3), SET_SP)
    handler = code(SPSEL_0, saver(3), SPSEL_1, ERET)
    ran = went_down(EL1H, before, code(SMC), {LOWER: bytes_of(handler)})
    assert_waits(ran)
    assert hex(saved(ran)[4]) == hex(STACK0)


def test_exceptions_at_el3_stay_there() -> None:
    """SMC, SVC and an undefined instruction at EL3 are taken to EL3: from SP_EL3, by the vector at 0x200."""
    for insn, exception_class, ahead in ((SMC, 0x17, 4), (a64.SVC, 0x15, 4), (a64.UDF, 0, 0)):
        before = code(mov(1, RAM + VECTORS), a64.msr("vbar_el3", 1), ISB)
        ran = run(code(before, insn), {SPX: bytes_of(code(saver(3), WFI))}, level=3)
        assert_waits(ran)
        esr, _, elr, spsr, _ = saved(ran)
        assert (hex(esr), hex(spsr)) == (hex(exception_class << 26 | IL), hex(EL3H))
        assert elr == ENTRY + 4 * len(before) + ahead


def test_hvc_from_el1_is_for_el2() -> None:
    vectors2 = 0x9000
    before = code(mov(1, RAM + vectors2), a64.msr("vbar_el2", 1))
    handler = code(saver(2), ERET)
    ran = went_down(EL1H, before, code(HVC), {vectors2 + 0x400: bytes_of(handler)})
    assert_waits(ran)
    assert saved(ran)[0] == 0x16 << 26 | IL


def test_each_level_has_its_own_switches() -> None:
    """EL3 has its MMU and caches on, EL1 has them off: it reads past the caches, and its DC IVAC is one."""
    lower = code(mov(2, WINDOW), a64.ldr(3, 2), a64.sys("dc ivac", 2), SMC)
    pages = {0: a64.page(WINDOW, a64.WB, NEVER)}
    handler = code(mov(2, WINDOW), a64.ldr(3, 2), ERET)
    ran = went_down(EL1H, mmu_on(level=3), lower, {**tables(pages), LOWER: bytes_of(handler)})
    assert_waits(ran)
    off = ["guest dcache off", "guest icache off", "guest mmu off"]
    read = f"guest read {WINDOW:#x} 8"
    assert ran.other[len(START) :] == [
        *ON,
        *walks(RAM + LEVEL1 + 8, RAM + LEVEL2),
        *off,
        read,
        f"guest dc ivac {WINDOW:#x} 64",
        *ON,
        *walks(RAM + LEVEL1 + 8, RAM + LEVEL2),
        *window_walk(0),
        read,
        *off,
    ]


def test_the_switches_of_another_level_count_at_once() -> None:
    """The switches of the level that an exception enters or leaves were written before: an ISB follows them."""
    vectors2, scr = 0x9000, a64.msr("vbar_el2", 1)
    handler = code(ERET)
    start = code(mov(1, RAM + vectors2), scr, mov(1, 1 << 31), a64.msr("hcr_el2", 1), mmu_on(level=2))
    lower_at = ENTRY + 4 * LOWER_AT
    down = code(
        mov(1, a64.SCTLR_OFF), a64.msr("sctlr_el1", 1), mov(1, EL1H), a64.msr("spsr_el2", 1),
        mov(1, lower_at), a64.msr("elr_el2", 1), ISB, ERET,
    )  # fmt: skip
    before = code(start, down)
    assert len(before) <= LOWER_AT
    program = code(before, [a64.NOP] * (LOWER_AT - len(before)), code(HVC), WFI)
    data = {**tables({}), vectors2 + 0x400: bytes_of(handler)}
    ran = run(program, data, level=2, orders=True)
    kept = [event for event in ran.events if event.split()[1] in ("mmu", "isb")]
    assert [
        event for event, after in pairwise(kept) if event.split()[1] == "mmu" and after != "guest isb"
    ] == []
    assert kept[-2:] == ["guest mmu off", "guest isb"]


@pytest.mark.parametrize("register", ["s3_1_c15_c2_1", "s3_1_c11_c0_2"])
def test_registers_of_the_implementation_keep_what_is_stored(register: str) -> None:
    """CPUECTLR_EL1 and L2CTLR_EL1, which the emulator lacks and firmware sets up."""
    program = code(
        mov(9, RAM + SAVED),
        a64.mrs(1, register),
        a64.store(1, 9),
        mov(1, 0x1234),
        a64.msr(register, 1),
        a64.mrs(2, register),
        a64.store(2, 9, 8),
        WFI,
    )
    ran = run(program, {SAVED: b"\xff" * 16}, level=3)
    assert_waits(ran)
    assert saved(ran)[:2] == (0, 0x1234)
    at_el1 = run(code(a64.mrs(1, register), WFI), level=1)
    assert "an undefined instruction" in at_el1.fault
