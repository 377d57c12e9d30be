# SPDX-License-Identifier: GPL-2.0-or-later
"""Two vCPUs of one machine run in turn: they share RAM and code, and each has its own events, switches and tables."""

import mmap
from collections.abc import Iterator, Sequence

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.checker import Checker
from coldline.events.agent_names import agents_of, vcpu_name
from coldline.events.batch import Batch
from coldline.frontends.unicorn import Boot, End, Listener, Outcome, Until, round_robin
from coldline.frontends.unicorn.turns import Turns, first_alone
from coldline.guest.plan import Registers
from coldline.trace.text import parse_event
from tests.helpers.guest_runs import LEVEL3, NEVER, RAM_SIZE, WINDOW, mmu_on, tables
from tests.helpers.tiny_guests import RAM, Code, code, mov

SECOND = 0x4000
"""The second vCPU's entry, as an offset in RAM."""

MINE, ITS = RAM + 0x8000, RAM + 0x9000
STAY = a64.b(0)


class Ran:
    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.toggles: list[tuple[int, bool]] = []
        self.swept: list[int] = []
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
) -> Ran:
    ran = Ran()
    ram = mmap.mmap(-1, RAM_SIZE)
    its = b"".join(each.word.to_bytes(4, "little") for each in second)
    loaded = a64.image(first, {SECOND: its, **(data or {})}, size=0x20000)
    ram[: len(loaded)] = loaded

    def take(batch: Batch) -> None:
        ran.batches.append([str(batch.event(index)) for index in range(len(batch))])

    boot = Boot(
        [(RAM, memoryview(ram))],
        [Registers(pc, (0, 0, 0, 0), 0x3C5, a64.SCTLR_OFF) for pc in (RAM, RAM + SECOND)],
        CORES["armv8-a"],
        Listener(
            events=take,
            caches_toggled=lambda vcpu, on: ran.toggles.append((vcpu, on)),
            set_way=ran.swept.append,
        ),
        exception_level=1,
        uart=a64.UART,
        turns=turns,
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
    ran = run(code([STAY]), code([STAY]), turns=round_robin(10), until=Until(End.LIMIT, 100))
    agents = [each.split()[0] for each in ran.of("fetch")]
    assert runs_of(agents) == ["guest", "guest1"] * 5
    assert [agents.count(each) for each in ("guest", "guest1")] == [50, 50]
    assert ran.outcome is not None
    assert (ran.outcome.end, ran.outcome.instructions) == (End.LIMIT, 100)


def test_a_schedule_can_be_anything() -> None:
    def second_twice(vcpus: int) -> Iterator[tuple[int, int]]:
        while True:
            yield from ((0, 1), (1, 2), (1, 2))

    ran = run(code([STAY]), code([STAY]), turns=second_twice, until=Until(End.LIMIT, 25))
    agents = [each.split()[0] for each in ran.of("fetch")]
    assert agents == (["guest"] + ["guest1"] * 4) * 5


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
