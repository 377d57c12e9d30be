# SPDX-License-Identifier: GPL-2.0-or-later
"""Two vCPUs of one machine run in turn: they share RAM and code, and each has its own events, switches and tables."""

import mmap
from collections.abc import Iterator, Sequence

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.arm.cores import CORES
from coldline.checker import Checker
from coldline.events.agent_names import agents_of, vcpu_name
from coldline.events.batch import Batch
from coldline.frontends.unicorn import Boot, End, Listener, Outcome, Until, round_robin
from coldline.frontends.unicorn.turns import Turns, first_alone, random_turns
from coldline.guest.machines import XENVM
from coldline.guest.plan import Registers
from coldline.trace.text import parse_event
from tests.helpers.guest_runs import LEVEL3, NEVER, RAM_SIZE, WINDOW, mmu_on, tables
from tests.helpers.tiny_guests import RAM, Code, code, mov

SECOND = 0x4000
"""The second vCPU's entry, as an offset in RAM."""

MINE, ITS = RAM + 0x8000, RAM + 0x9000
STAY = a64.b(0)
SVC_MODE = 0x1D3  # CPSR of Supervisor mode, all exceptions masked


class Ran:
    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.toggles: list[tuple[int, bool]] = []
        self.swept: list[int] = []
        self.started: list[int] = []
        self.ram: mmap.mmap
        self.outcome: Outcome | None = None

    @property
    def events(self) -> list[str]:
        return [event for batch in self.batches for event in batch]

    def of(self, *ops: str) -> list[str]:
        return [event for event in self.events if event.split()[1] in ops]


def run(
    first: Code,
    second: Code,
    data: dict[int, bytes] | None = None,
    *,
    turns: Turns,
    until: Until | None = None,
    started: int = 2,
    core: str = "armv8-a",
) -> Ran:
    ran = Ran()
    ram = ran.ram = mmap.mmap(-1, RAM_SIZE)
    its = b"".join(each.word.to_bytes(4, "little") for each in second)
    wide = CORES[core].architecture == "arm64"
    loaded = (a64 if wide else a32).image(first, {SECOND: its, **(data or {})}, size=0x20000)
    pstate, sctlr = (0x3C5, a64.SCTLR_OFF) if wide else (SVC_MODE, a32.SCTLR_OFF)
    ram[: len(loaded)] = loaded

    def take(batch: Batch) -> None:
        ran.batches.append([str(batch.event(index)) for index in range(len(batch))])

    boot = Boot(
        [(RAM, memoryview(ram))],
        [Registers(pc, (0, 0, 0, 0), pstate, sctlr) for pc in (RAM, RAM + SECOND)[:started]],
        CORES[core],
        Listener(
            events=take,
            vcpu_started=ran.started.append,
            caches_toggled=lambda vcpu, on: ran.toggles.append((vcpu, on)),
            set_way=ran.swept.append,
        ),
        exception_level=1,
        layout=XENVM,
        turns=turns,
        vcpus=2,
    )
    ran.outcome = boot.run(until or Until(End.OFF, 10_000))
    check(ran)
    return ran


def check(ran: Ran) -> None:
    """Each batch is of one vCPU, and the check takes all events."""
    checker = Checker()
    for vcpu in range(2):
        checker.event(parse_event([vcpu_name(vcpu), "mmu", "off"]))
    for batch in ran.batches:
        agents = {event.split()[0] for event in batch}
        assert any(agents <= set(agents_of(vcpu_name(vcpu))) for vcpu in range(2)), agents
        for event in batch:
            checker.event(parse_event(event.split()))


def stores(address: int, count: int) -> Code:
    """Stores, each in its own block of code."""
    return code(mov(2, address), *[[a64.store(4, 2), a64.b(1)]] * count)


def spin(address: int) -> Code:
    """A loop of two instructions that stores."""
    return code(mov(2, address), [a64.store(4, 2), a64.b(-1)])


def runs_of(agents: Sequence[str]) -> list[str]:
    return [agent for index, agent in enumerate(agents) if not index or agent != agents[index - 1]]


def test_each_is_an_agent_of_its_own() -> None:
    ran = run(code(stores(MINE, 40), a64.off()), code(stores(ITS, 40), [STAY]), turns=round_robin(8))
    assert ran.events[:2] == ["guest dcache off", "guest icache off"]
    written = ran.of("write")
    assert [each for each in written if each.startswith("guest ")] == [f"guest write {MINE:#x} 8"] * 40
    its = [each for each in written if each.startswith("guest1 ")]
    assert its
    assert set(its) == {f"guest1 write {ITS:#x} 8"}
    fetches = [each.split() for each in ran.of("fetch")]
    assert {agent: {int(address, 0) >= RAM + SECOND for who, _, address, _ in fetches if who == agent}
            for agent in ("guest", "guest1")} == {"guest": {False}, "guest1": {True}}  # fmt: skip
    assert ran.outcome is not None
    assert ran.outcome.end is End.OFF


def test_turns_are_as_long_as_the_schedule_says() -> None:
    """The first core begins with a branch over the header of its image."""
    ran = run(spin(MINE), spin(ITS), turns=round_robin(10), until=Until(End.LIMIT, 100))
    agents = [each.split()[0] for each in ran.of("write")]
    assert runs_of(agents) == ["guest", "guest1"] * 5
    begun = len(mov(2, MINE)) // 2  # stores for which the first turn has no time
    assert agents.count("guest1") == 25 - begun
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.turns) == (End.LIMIT, [5, 5])
    assert 100 <= ran.outcome.instructions <= 101


def test_a_schedule_can_be_anything() -> None:
    def second_twice(vcpus: int) -> Iterator[tuple[int, int]]:
        while True:
            yield from ((0, 5), (1, 2), (1, 2))

    ran = run(spin(MINE), spin(ITS), turns=second_twice, until=Until(End.LIMIT, 50))
    agents = [each.split()[0] for each in ran.of("write")]
    assert runs_of(agents)[:4] == ["guest", "guest1"] * 2
    assert ran.outcome is not None
    assert abs(2 * ran.outcome.turns[0] - ran.outcome.turns[1]) <= 2


def test_a_seed_is_a_schedule() -> None:
    until = Until(End.LIMIT, 6_000)
    runs = [run(spin(MINE), spin(ITS), turns=random_turns(seed), until=until).events for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_first_alone() -> None:
    ran = run(code(stores(MINE, 3), a64.off()), code([STAY]), turns=first_alone)
    assert {each.split()[0] for each in ran.events} == {"guest"}


def test_one_changes_code_that_the_other_runs() -> None:
    go_on = code(mov(2, RAM + SECOND), mov(4, a64.NOP.word), [a64.store_w(4, 2)], [STAY])
    ran = run(go_on, code([STAY], stores(ITS, 1), a64.off()), turns=round_robin(20))
    assert ran.of("write") == [f"guest write {RAM + SECOND:#x} 4", f"guest1 write {ITS:#x} 8"]


def test_each_has_its_own_switches_and_tables() -> None:
    pages = {0: a64.page(WINDOW, a64.NC, NEVER)}
    second = code(mmu_on(), stores(WINDOW, 1), a64.off())
    ran = run(code([STAY]), second, tables(pages), turns=round_robin(16))
    assert ran.toggles == [(1, True)]
    assert ran.of("mmu") == ["guest1 mmu on", "guest1-nc mmu on"]
    assert {each.split()[0] for each in ran.of("map", "walk")} <= set(agents_of("guest1"))
    assert f"guest1-nc write {WINDOW:#x} 8" in ran.events
    assert [each for each in ran.of("walk") if each.split()[2] == f"{RAM + LEVEL3:#x}"] == [
        f"guest1 walk {RAM + LEVEL3:#x} 8 normal-wb"
    ]


def test_set_way_is_told_with_its_vcpu() -> None:
    second = code([a64.sys("dc cisw", 0), a64.b(1)], stores(ITS, 1), a64.off())
    ran = run(code([STAY]), second, turns=round_robin(16))
    assert ran.swept == [1]


def test_a_fault_of_either_ends_the_run() -> None:
    ran = run(code([STAY]), code(stores(0x1000_0000, 1)), turns=round_robin(16))
    assert ran.outcome is not None
    assert ran.outcome.end is End.FAULT
    assert ran.outcome.fault.startswith("the guest used 0x10000000 at 0x4000400")


def test_the_limit_is_of_all_together() -> None:
    ran = run(code([STAY]), code([STAY]), turns=round_robin(7), until=Until(End.PSCI, 3000))
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.fault) == (End.LIMIT, "")
    assert 3000 <= ran.outcome.instructions < 3000 + 7


CPU_ON, CPU_OFF, AFFINITY_INFO, FEATURES = 0xC400_0003, 0x8400_0002, 0xC400_0004, 0x8400_000A
(HVC,) = [each for each in a64.off() if each.word == 0xD400_0002]


def calls(*arguments: int, keep: int | None = None) -> Code:
    """A PSCI call with x0 to x3; its result is stored at an address."""
    setting = [mov(register, value) for register, value in enumerate(arguments)]
    kept = [mov(2, keep), [a64.store(0, 2)]] if keep is not None else []
    return code(*setting, [HVC], *kept)


def word(ran: Ran, address: int) -> int:
    return int.from_bytes(ran.ram[address - RAM : address - RAM + 8], "little", signed=True)


def test_cpu_on_starts_a_core_with_its_context() -> None:
    """Arm DEN 0022: x0 is the context, the MMU and the caches are off; a second CPU_ON is ALREADY_ON."""
    first = code(
        calls(CPU_ON, 1, RAM + SECOND, 0x1234, keep=MINE),
        calls(CPU_ON, 1, RAM + SECOND, 0, keep=MINE + 8),
        calls(CPU_ON, 2, RAM + SECOND, 0, keep=MINE + 16),
        calls(AFFINITY_INFO, 1, 0, keep=MINE + 24),
        calls(FEATURES, CPU_ON, keep=MINE + 32),
        spin(MINE + 64),
    )
    second = code(mov(2, ITS), [a64.store(0, 2)], stores(ITS + 8, 300), a64.off())
    ran = run(first, second, turns=round_robin(200), started=1)
    assert ran.started == [1]
    assert word(ran, ITS) == 0x1234
    assert [word(ran, MINE + 8 * index) for index in range(5)] == [0, -4, -2, 0, 0]
    assert ran.outcome is not None
    assert min(ran.outcome.turns) >= 1
    switches = [each for each in ran.events if each.startswith("guest1 ")][:2]
    assert switches == ["guest1 dcache off", "guest1 icache off"]


def test_a_core_that_is_never_started_has_no_turn() -> None:
    ran = run(code(stores(MINE, 3), a64.off()), code([STAY]), turns=round_robin(4), started=1)
    assert ran.started == []
    assert ran.outcome is not None
    assert ran.outcome.turns == [1]


def test_a_core_that_is_off_can_be_started_again() -> None:
    first = code(
        calls(CPU_ON, 1, RAM + SECOND, 1, keep=MINE),
        stores(MINE + 8, 200),
        calls(AFFINITY_INFO, 1, 0, keep=MINE + 8),
        a64.off(),
    )
    second = code(stores(ITS, 1), calls(CPU_OFF))
    ran = run(first, second, turns=round_robin(20), started=1)
    assert word(ran, MINE + 8) == 1, "OFF"


def test_each_reads_its_own_number() -> None:
    """MPIDR_EL1.Aff0."""
    mrs = a64.Insn("mrs x4, mpidr_el1", 0xD538_00A4)
    ran = run(
        code([mrs], stores(MINE, 1), [STAY]),
        code([mrs], stores(ITS, 1), stores(ITS + 8, 20), a64.off()),
        turns=round_robin(20),
    )
    assert [word(ran, address) & 0xFF for address in (MINE, ITS)] == [0, 1]


def test_polls_are_not_judged_but_the_read_that_leaves_the_loop_is() -> None:
    """The second core waits for a word that the first one stores late."""
    loop = [a64.ldr(4, 2), a64.Insn("cbz x4, .-4", 0xB4FF_FFE4)]
    wait = code(mov(2, MINE), [a64.b(1)], loop, stores(ITS, 1), a64.off())
    late = code(stores(MINE + 64, 300), mov(4, 1), stores(MINE, 1), [STAY])
    for turns in (round_robin(100), round_robin(7), random_turns(3)):
        ran = run(late, wait, turns=turns)
        reads = [each for each in ran.events if each == f"guest1 read {MINE:#x} 8"]
        assert len(reads) == 1, turns
        stored = ran.events.index(f"guest write {MINE:#x} 8")
        assert ran.events.index(reads[0]) > stored


def test_reads_of_different_places_are_no_polls() -> None:
    """A sum over memory changes nothing either, but each of its reads is of another place."""
    add = a64.Insn("add x2, x2, #8", 0x9100_2042)
    loop = [a64.ldr(4, 2), add, a64.Insn("subs x5, x5, #1", 0xF100_04A5), a64.Insn("b.ne .-12", 0x54FF_FFA1)]
    ran = run(code(spin(MINE)), code(mov(2, ITS), mov(5, 50), loop, a64.off()), turns=round_robin(30))
    reads = [each for each in ran.events if each.startswith("guest1 read")]
    assert reads == [f"guest1 read {ITS + 8 * index:#x} 8" for index in range(50)]


def test_two_cores_that_wait_for_each_other_end_the_run() -> None:
    wait = code(mov(2, MINE), [a64.ldr(4, 2), a64.Insn("cbz x4, .-4", 0xB4FF_FFE4)])
    ran = run(wait, wait, turns=round_robin(500), until=Until(End.OFF, 10_000_000))
    assert ran.outcome is not None
    assert ran.outcome.end is End.LOOP
    assert ran.outcome.instructions < 1_000_000


def test_cores_that_all_wait_for_an_event_end_the_run() -> None:
    """Nobody sends one: WFE may end at any time, but each core then only waits again."""
    wait = [a64.Insn("wfe", 0xD503_205F), a64.b(-1)]
    ran = run(code(wait), code(wait), turns=round_robin(1000), until=Until(End.OFF, 100_000_000))
    assert ran.outcome is not None
    assert ran.outcome.end is End.LOOP
    assert ran.outcome.instructions < 1_000


def test_a_store_wakes_a_core_whose_loop_was_taken_for_endless() -> None:
    loop = [a64.ldr(4, 2), a64.Insn("cbz x4, .-4", 0xB4FF_FFE4)]
    wait = code(mov(2, MINE), [a64.b(1)], loop, a64.off())
    count = [a64.Insn("subs x5, x5, #1", 0xF100_04A5), a64.Insn("b.ne .-4", 0x54FF_FFE1)]
    late = code(mov(5, 100_000), count, mov(4, 1), stores(MINE, 1), [STAY])
    ran = run(late, wait, turns=round_robin(1000), until=Until(End.OFF, 10_000_000))
    assert ran.outcome is not None
    assert ran.outcome.end is End.OFF
    assert ran.outcome.turns[1] < ran.outcome.turns[0], "the second core was idle for some turns"


def test_no_event_is_lost_before_a_block_that_the_emulator_stops_at_twice() -> None:
    """For AArch32, a block that is stopped at is begun again: that is no iteration of a loop, and so no poll."""
    first = code(
        a32.mov(2, MINE),
        a32.store(4, 2),
        a32.mcr("ic iallu"),
        [a32.b(1)],
        a32.mcr("dc civac", 2),  # code that was translated before the IC, with an operation that is new
        a32.off(),
    )
    ran = run(first, code([a32.b(0)]), turns=round_robin(1000), core="cortex-a15")
    assert f"guest write {MINE:#x} 4" in ran.events


MEETING = {
    "armv8-a": {
        "dmb ish": 0xD503_3BBF,
        "dsb sy": 0xD503_3F9F,
        "ldxr x4, [x2]": 0xC85F_7C44,
        "stxr w5, x4, [x2]": 0xC805_7C44,
        "ldaxrb w4, [x2]": 0x085F_FC44,
        "stlr w4, [x2]": 0x889F_FC44,
    },
    "cortex-a15": {
        "dmb ish": 0xF57F_F05B,
        "dsb sy": 0xF57F_F04F,
        "ldrex r4, [r2]": 0xE192_4F9F,
        "strexd r5, r6, r7, [r2]": 0xE1A2_5F96,
    },
}
PLAIN = {
    "armv8-a": {"isb": 0xD503_3FDF, "nop": 0xD503_201F, "ldr x4, [x2]": 0xF940_0044, "ldp": 0xA940_1444},
    "cortex-a15": {"isb": 0xF57F_F06F, "ldrd r4, r5, [r2]": 0xE1C2_40D0, "mul r4, r5, r6": 0xE004_0695},
}


def turns_of(core: str, text: str, word: int) -> int:
    """The turns of a core that executes one instruction again and again, each in a block of its own."""
    isa = a64 if core == "armv8-a" else a32
    again = [a64.Insn(text, word), isa.b(1)] * 100
    ran = run(code(isa.mov(2, MINE), again, isa.off()), [isa.b(0)], turns=round_robin(40), core=core)
    assert ran.outcome is not None
    assert ran.outcome.end is End.OFF
    return ran.outcome.turns[0]


@pytest.mark.parametrize("core", MEETING)
def test_a_turn_ends_where_cores_meet_from_its_half_on(core: str) -> None:
    """Barriers, exclusives, and accesses that acquire or release; all else waits for the end of the turn."""
    assert {text: turns_of(core, text, word) for text, word in PLAIN[core].items()} == dict.fromkeys(
        PLAIN[core], 6
    )
    for text, word in MEETING[core].items():
        assert turns_of(core, text, word) >= 9, text


def test_a_turn_ends_at_barriers_in_thumb_code() -> None:
    def turns(insn: a64.Insn) -> int:
        again = a32.thumb(code(a32.t_mov(2, MINE), [insn, a64.Insn("b .+2", 0xE7FF)] * 100, a32.T_HVC))
        first = code(a32.mov(0, a64.PSCI_SYSTEM_OFF), a32.mov(3, RAM + 0x6001), a32.bx(3))
        ran = run(first, [a32.b(0)], {0x6000: again}, turns=round_robin(40), core="cortex-a15")
        assert ran.outcome is not None
        assert ran.outcome.end is End.OFF
        return ran.outcome.turns[0]

    assert turns(a32.T_NOP) == turns(a64.Insn("ldrd r4, r5, [r2]", 0xE9D2_4500)) == 6
    for text, word in {"dmb ish": 0xF3BF_8F5B, "ldrex": 0xE852_4F00, "strexb": 0xE8C2_4F45}.items():
        assert turns(a64.Insn(text, word)) >= 9, text


@pytest.mark.parametrize("turns", [round_robin(1), round_robin(2), round_robin(7), random_turns(5)])
def test_a_lock_free_counter_counts_whatever_the_turns_are(turns: Turns) -> None:
    """A turn can end between LDXR and STXR: then the other core's store makes this one's fail, and one gets on."""

    def count(times: int) -> Code:
        return code(
            *(mov(2, MINE), mov(6, times), [a64.b(1)]),
            *([a64.Insn("ldxr x4, [x2]", 0xC85F_7C44), a64.b(1), a64.add(4, 4, 1)]),
            *([a64.Insn("stxr w5, x4, [x2]", 0xC805_7C44), a64.Insn("cbnz w5, .-16", 0x35FF_FF85)]),
            *([a64.subs(6, 6, 1), a64.b_ne(-6)]),
        )

    wait = [a64.ldr(4, 2), a64.subs(4, 4, 100), a64.b_ne(-2)]
    ran = run(
        code(count(50), wait, a64.off()), code(count(50), [STAY]), turns=turns, until=Until(End.OFF, 50_000)
    )
    assert ran.outcome is not None
    assert (ran.outcome.end, word(ran, MINE)) == (End.OFF, 100)


def test_the_time_is_that_of_all_cores() -> None:
    now = code(a64.mrs(4, "cntvct_el0"), stores(ITS, 1), [STAY])
    ran = run(code(stores(MINE, 400), a64.off()), now, turns=round_robin(300))
    assert word(ran, ITS) >= 300


def test_a_gicv3_is_there_on_xens_machine_too() -> None:
    """Its distributor's number, and ICC_SRE_EL1: without them, Linux gets no further than its interrupts."""
    pidr2, sre = 0x0300_1000 + 0xFFE8, a64.Insn("mrs x4, S3_0_C12_C12_5", 0xD538_CCA4)
    program = code(mov(2, pidr2), a64.ldr_w(4, 2), stores(MINE, 1), [sre], stores(MINE + 8, 1), a64.off())
    ran = run(program, [STAY], turns=round_robin(100))
    assert [word(ran, MINE), word(ran, MINE + 8)] == [0x3B, 7]


SHARED = {0: a64.page(WINDOW, a64.WB, NEVER), 1: a64.page(WINDOW + 0x1000, a64.NC, NEVER)}
ENTRIES = RAM + LEVEL3
"""The level 3 table, which both cores use."""


def of_the_second(ran: Ran) -> list[str]:
    """What becomes of the second core's aliases of the third page of the window, and its accesses there."""
    third = WINDOW + 0x2000
    kept = []
    for event in ran.events:
        agent, op, *rest = event.split()
        if agent.startswith("guest1") and op in ("map", "unmap", "read", "write"):
            address, size = int(rest[0], 0), int(rest[1], 0)
            if address <= third < address + size:
                kept.append(f"{agent} {op} {' '.join(rest[2:])}".strip())
    return kept


def test_a_core_follows_another_ones_stores_to_its_live_tables() -> None:
    """Page 2 of the window is added by the first core, whose MMU is off, and used by the second one."""
    add = code(
        stores(MINE, 60),
        mov(2, ENTRIES + 16),
        mov(4, a64.page(WINDOW + 0x2000, a64.NC, NEVER)),
        [a64.store(4, 2)],
    )
    use = code(mmu_on(), stores(WINDOW, 60), stores(WINDOW + 0x2000, 1), a64.off())
    ran = run(code(add, [STAY]), use, tables(SHARED), turns=round_robin(40))
    assert of_the_second(ran) == ["guest1-nc map normal-nc", "guest1-nc write"]


@pytest.mark.parametrize(
    ("tlbi", "ended"),
    [("tlbi vmalle1is", ["guest1-nc unmap"]), ("tlbi vmalle1", [])],
    ids=["broadcast", "local"],
)
def test_what_a_core_removes_from_anothers_tables_ends_with_a_broadcast(tlbi: str, ended: list[str]) -> None:
    data = tables({**SHARED, 2: a64.page(WINDOW + 0x2000, a64.NC, NEVER)})
    remove = code(
        stores(MINE, 60),
        mov(2, ENTRIES + 16),
        mov(4, 0),
        [a64.store(4, 2)],
        stores(MINE, 60),
        [a64.sys(tlbi)],
    )
    use = code(mmu_on(), stores(WINDOW, 200), a64.off())
    ran = run(code(remove, [STAY]), use, data, turns=round_robin(40))
    assert of_the_second(ran) == ["guest1-nc map normal-nc", *ended]


def test_a_broadcast_reaches_another_ones_tlb() -> None:
    """The second core walks to a page again once the first one has invalidated it."""
    again = code([a64.ldr(5, 2), a64.b(1)] * 200)
    use = code(mmu_on(), mov(2, WINDOW), again, a64.off())
    walks = {}
    for tlbi in ("tlbi vmalle1is", "tlbi vmalle1"):
        ran = run(code(stores(MINE, 60), [a64.sys(tlbi), STAY]), use, tables(SHARED), turns=round_robin(40))
        walks[tlbi] = ran.events.count(f"guest1 walk {ENTRIES:#x} 8 normal-wb")
    assert walks == {"tlbi vmalle1is": 2, "tlbi vmalle1": 1}
