# SPDX-License-Identifier: GPL-2.0-or-later
"""How runs end: calls, waits, loops that change nothing, semihosting; and what is not such a loop."""

from dataclasses import dataclass

import pytest

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.frontends.unicorn import End, Outcome, Until, endless_loops
from tests.helpers.guest_runs import WINDOW, Ran, mmu_on, run, tables
from tests.helpers.instruction_sets import INSTRUCTION_SETS, InstructionSet
from tests.helpers.tiny_guests import ENTRY, RAM, UART, Code, Insn, code, mov

LIMIT = 5_000
FIRST_ATTEMPT = 200


@pytest.fixture(autouse=True)
def early_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for loops early, so that the tests are short."""
    monkeypatch.setattr(endless_loops, "_FIRST", FIRST_ATTEMPT)


@dataclass(frozen=True)
class Words:
    """The instructions that the two instruction sets have in common here; registers 2 to 6 are free."""

    isa: InstructionSet
    wfi: Insn
    wfe: Insn
    itself: Insn
    back: Insn
    """A branch to the instruction before it."""
    count_down: Code
    """Subtract 1 from register 5; branch back if it is not zero."""
    poll: Code
    """Load from the address in register 2 until the value is 1."""
    clock: Code
    """Read the virtual counter, clear the register, branch back."""
    call: Insn
    semihosting: Insn


A64 = Words(
    isa=INSTRUCTION_SETS["a64"],
    wfi=a64.WFI,
    wfe=a64.WFE,
    itself=a64.b(0),
    back=a64.b(-1),
    count_down=code(a64.subs(5, 5, 1), a64.b_ne(-1)),
    poll=code(a64.ldr_w(3, 2), a64.subs(4, 3, 1), a64.b_ne(-2)),
    clock=code(a64.mrs(3, "cntvct_el0"), a64.movz(3, 0), a64.b(-2)),
    call=a64.HVC,
    semihosting=a64.SEMIHOSTING,
)
A32 = Words(
    isa=INSTRUCTION_SETS["a32-short"],
    wfi=a32.WFI,
    wfe=a32.WFE,
    itself=a32.b(0),
    back=a32.b(-1),
    count_down=code(a32.subs(5, 5, 1), a32.b(-1, 1)),
    poll=code(a32.load(3, 2), a32.subs(4, 3, 1), a32.b(-2, 1)),
    clock=code(a32.mrrc(3, 4, 14, 1), a32.mov(3, 0), a32.mov(4, 0), a32.b(-3)),
    call=a32.HVC,
    semihosting=a32.SEMIHOSTING,
)
both = pytest.mark.parametrize("words", [A64, A32], ids=["a64", "a32"])


def ended(words: Words, *pieces: Code | Insn, until: End = End.PSCI) -> Outcome:
    """Run a program, which ends in SYSTEM_OFF if it gets there."""
    isa = words.isa
    ran = isa.run(code(*pieces, isa.off()), isa.tables({}), until=Until(until, LIMIT))
    assert ran.outcome is not None
    return ran.outcome


def psci(words: Words, function: int) -> Code:
    return code(words.isa.mov(0, function), words.call)


@both
def test_a_wait_for_an_interrupt(words: Words) -> None:
    outcome = ended(words, words.wfi)
    assert (outcome.end, outcome.fault) == (End.WAIT, "")


@both
@pytest.mark.parametrize(
    ("function", "end"), [(a64.PSCI_SYSTEM_OFF, End.OFF), (a64.PSCI_SYSTEM_RESET, End.RESET)]
)
@pytest.mark.parametrize("until", [End.PSCI, End.OFF, End.MMU])
def test_calls_that_end_a_run_whatever_is_awaited(words: Words, function: int, end: End, until: End) -> None:
    outcome = ended(words, psci(words, function), until=until)
    assert outcome.end is end
    assert outcome.psci_call is not None
    assert outcome.psci_call[0] == function


@both
def test_until_off_goes_on_after_other_calls(words: Words) -> None:
    assert ended(words, psci(words, a64.PSCI_VERSION)).end is End.PSCI
    outcome = ended(words, psci(words, a64.PSCI_VERSION), until=End.OFF)
    assert outcome.end is End.OFF
    assert outcome.gaps(Until(End.OFF, LIMIT), 0) == ["the MMU and the data cache were never both on"]


@both
def test_a_branch_to_itself(words: Words) -> None:
    outcome = ended(words, words.itself)
    assert (outcome.end, outcome.pc) == (End.LOOP, ENTRY)
    assert outcome.instructions <= FIRST_ATTEMPT + 2


@both
def test_wfe_for_ever(words: Words) -> None:
    assert ended(words, words.wfe, words.back).end is End.LOOP
    assert ended(words, words.wfe).end is End.OFF


def test_an_undefined_instruction_after_a_wfe_is_no_hint() -> None:
    outcome = ended(A32, a32.WFE, a32.UDF)
    at = ENTRY + 4
    assert outcome.fault == (
        f"the guest took an undefined instruction at {at:#x}, and its vector at 0x4 cannot be executed"
    )


@both
def test_a_poll_of_ram_that_nobody_writes(words: Words) -> None:
    assert ended(words, words.isa.mov(2, WINDOW), words.poll).end is End.LOOP


@both
def test_a_poll_that_ends_is_no_loop(words: Words) -> None:
    one = code(words.isa.mov(2, WINDOW), words.isa.mov(3, 1), words.isa.store(3, 2))
    assert ended(words, one, words.poll).end is End.OFF


@both
@pytest.mark.parametrize("times", [FIRST_ATTEMPT // 2, FIRST_ATTEMPT, 1000])
def test_a_loop_that_counts_down_is_none(words: Words, times: int) -> None:
    outcome = ended(words, words.isa.mov(5, times), words.count_down)
    assert outcome.end is End.OFF
    assert outcome.instructions > 2 * times


@both
def test_a_loop_after_one_that_counts_down(words: Words) -> None:
    assert ended(words, words.isa.mov(5, 300), words.count_down, words.itself).end is End.LOOP


@both
def test_a_poll_of_a_device_that_stays_as_it_is(words: Words) -> None:
    outcome = ended(words, words.isa.mov(2, UART), words.poll)
    assert (outcome.end, outcome.devices) == (End.LOOP, (f"PL011 at {UART:#x}",))
    assert outcome.poll.startswith(f"it reads 0x0 (4 bytes) at {UART:#x} (PL011) at pc 0x")
    assert outcome.poll.endswith(", and waits for the value 0x1")


@both
def test_a_loop_that_reads_the_counter_is_none(words: Words) -> None:
    """Its registers are the same each time."""
    assert ended(words, words.clock).end is End.LIMIT


@both
def test_a_loop_that_stores_is_none(words: Words) -> None:
    assert ended(words, words.isa.mov(2, WINDOW), words.isa.store(3, 2), words.back).end is End.LIMIT


@both
@pytest.mark.parametrize("operation", [0x18, 0x20])
def test_a_program_that_exits_by_semihosting(words: Words, operation: int) -> None:
    outcome = ended(words, words.isa.mov(0, operation), words.semihosting)
    assert (outcome.end, outcome.fault) == (End.EXIT, "")


TEXT = b"one\ntwo\0three"


@both
def test_text_that_is_printed_by_semihosting(words: Words) -> None:
    """SYS_WRITE0 prints up to a null byte, SYS_WRITEC one byte; what follows a call is executed."""
    isa = words.isa
    calls = [(0x04, RAM + 0x8000), (0x03, RAM + 0x8008), (0x04, RAM + 0x8008), (0x18, 0)]
    program = code(*(code(isa.mov(0, op), isa.mov(1, at), words.semihosting) for op, at in calls))
    ran = isa.run(code(program, isa.off()), {0x8000: TEXT}, until=Until(End.PSCI, LIMIT))
    assert ran.outcome is not None
    assert (ran.outcome.end, bytes(ran.outcome.console)) == (End.EXIT, b"one\ntwotthree")
    assert not any(" read " in event for event in ran.events)


@both
def test_other_semihosting_calls_are_answered_with_minus_one(words: Words) -> None:
    isa = words.isa
    program = code(isa.mov(0, 0x01), words.semihosting, isa.mov(2, WINDOW), isa.store(0, 2), isa.off())
    ran = isa.run(program, {}, until=Until(End.PSCI, LIMIT))
    offset = WINDOW - RAM
    assert ran.ram[0][offset : offset + 4] == b"\xff\xff\xff\xff"


def test_text_at_a_virtual_address() -> None:
    pages = {5: a64.page(RAM + 0x8000, a64.WB, a64.PXN | a64.UXN)}
    say = code(mov(0, 0x04), mov(1, WINDOW + 0x5000), a64.SEMIHOSTING)
    ran: Ran = run(code(mmu_on(), say, a64.off()), {0x8000: TEXT, **tables(pages)})
    assert ran.outcome is not None
    assert bytes(ran.outcome.console) == b"one\ntwo"
    assert ran.outcome.end is End.OFF


def test_when_the_mmu_and_the_caches_were_on() -> None:
    """The branch over the header is one instruction; the switch is the last one but ISB."""
    program = mmu_on(a64.M)
    ran = run(code(program, mmu_on(), a64.off()), tables({}))
    assert ran.outcome is not None
    assert ran.outcome.mmu_on == 1 + len(program) - 1
    assert ran.outcome.caches_on == 1 + len(program) + len(mmu_on()) - 1
    assert run(code(a64.off()), {}).outcome.mmu_on is None  # type: ignore[union-attr]
