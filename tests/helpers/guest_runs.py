# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tiny guests on the Unicorn front end, with their own page tables, and returns their events as text."""

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import NamedTuple

import tests.helpers.tiny_guests as a64
from coldline.arm.cores import CORES
from coldline.arm.stage2 import FORCED_WB, STAGE2_NORMAL_WB
from coldline.checker import Checker
from coldline.events.batch import Batch
from coldline.frontends.unicorn import Boot, End, Listener, Outcome, Until
from coldline.frontends.unicorn.additions import Addition, Additions
from coldline.guest.machines import XENVM
from coldline.guest.plan import Registers
from coldline.rules import Profile
from coldline.rules.order.ordering import Ordering
from coldline.trace.operations import operations_of
from coldline.trace.text import parse_event
from tests.helpers.tiny_guests import ENTRY, ISB, RAM, code, mov
from tests.helpers.tiny_guests import sys as maintain


def instructions(lines: Iterable[str]) -> list[int]:
    """The physical addresses of all instructions that were fetched, in order."""
    found: list[int] = []
    for line in lines:
        words = line.split()
        if words[1] == "fetch":
            address, size = int(words[2], 0), int(words[3], 0)
            assert address % 4 == size % 4 == 0
            found += range(address, address + size, 4)
    return found


RAM_SIZE = 4 << 20
SECOND_BANK = 0x8000_0000
LEVEL1, LEVEL2, LEVEL3, SPARE_TABLE = 0x10000, 0x11000, 0x12000, 0x13000
WINDOW = RAM + 0x20_0000
"""Virtual and physical: 2 MiB whose pages the level 3 table maps one by one."""

BARRIERS = ("dsb", "dmb", "isb")

NEVER = a64.PXN | a64.UXN


def tables(
    pages: dict[int, int], blocks: dict[int, int] | None = None, *, never: int = NEVER
) -> dict[int, bytes]:
    """
    Tables with a write-back, executable block for the code, a device for the UART and `pages` in the window.

    Level 1 at 0x40010000, level 2 at 0x40011000 (of the gigabyte of RAM), level 3 at 0x40012000 (of the window).
    """
    return {
        LEVEL1: a64.words({0: a64.block(0, a64.DEVICE, never), 1: a64.table(RAM + LEVEL2)}),
        LEVEL2: a64.words({0: a64.block(RAM), 1: a64.table(RAM + LEVEL3), **(blocks or {})}),
        LEVEL3: a64.words(pages or {0: 0}),
    }


def mmu_on(sctlr: int = a64.M | a64.C | a64.I, *, tcr: int | None = None, level: int = 1) -> a64.Code:
    """Instructions that set registers, then SCTLR; they change only x1, without loads and stores."""
    at = f"el{level}"
    return code(
        mov(1, a64.MAIR),
        a64.msr(f"mair_{at}", 1),
        mov(1, a64.tcr() if tcr is None else tcr),
        a64.msr(f"tcr_{at}", 1),
        mov(1, RAM + LEVEL1),
        a64.msr(f"ttbr0_{at}", 1),
        ISB,
        maintain("tlbi vmalle1" if level == 1 else f"tlbi alle{level}"),
        a64.DSB,
        ISB,
        mov(1, a64.SCTLR_OFF | sctlr),
        a64.msr(f"sctlr_{at}", 1),
        ISB,
    )


class Instruction(NamedTuple):
    """A row of `INSTRUCTION_DTYPE`."""

    virtual: int
    physical: int
    state: int


@dataclass
class Ran:
    """A guest's run: its events as text, with the instruction of each, and its end."""

    events: list[str] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    outcome: Outcome | None = None
    fault: str = ""
    ram: list[mmap.mmap] = field(default_factory=list)
    toggles: list[bool] = field(default_factory=list)

    @property
    def fetched(self) -> list[int]:
        return instructions(self.events)

    @property
    def other(self) -> list[str]:
        """All events but fetches, changes of aliases, and switches that change nothing."""
        kept: list[str] = []
        now: dict[tuple[str, str], str | None] = {}
        for event in self.events:
            agent, op, *rest = event.split()
            if op in ("mmu", "dcache", "icache"):
                known = now.get((agent, op), "on" if op != "icache" else None)
                now[agent, op] = rest[0]
                if rest[0] == known or agent != "guest":
                    continue
            if op not in ("fetch", "map", "unmap"):
                kept.append(event)
        return kept

    def aliases(self, before: str) -> dict[str, dict[int, str]]:
        """The agents' mappings of each page, when `before` comes for the first time."""
        found: dict[str, dict[int, str]] = {}
        for event in self.events[: self.events.index(before)]:
            agent, op, *rest = event.split()
            if op in ("map", "unmap"):
                address, size = int(rest[0], 0), int(rest[1], 0)
                for number in range(address >> 12, (address + size) >> 12):
                    if op == "map":
                        found.setdefault(agent, {})[number << 12] = " ".join(rest[2:])
                    else:
                        del found[agent][number << 12]
        return {agent: pages for agent, pages in found.items() if pages}

    def story(self, address: int) -> list[str]:
        """All events at one page, in order; a map or an unmap without its range."""
        told = []
        for event in self.events:
            parsed = parse_event(event.split())
            if (
                parsed.op.has_range
                and parsed.address < address + 4096
                and address < parsed.address + parsed.size
            ):
                words = event.split()
                told.append(" ".join(words[:2] + words[4:]) if words[1] in ("map", "unmap") else event)
        return told


def run(
    program: a64.Code,
    data: dict[int, bytes] | None = None,
    *,
    level: int = 1,
    until: Until | None = None,
    forced: bool = False,
    banks: Sequence[tuple[int, int]] = ((RAM, RAM_SIZE),),
    core: str = "armv8-a",
    orders: bool = False,
) -> Ran:
    """Run an arm64 guest as its host would, from its first instruction to its end."""
    return run_loaded(
        a64.image(program, data, size=0x20000),
        Registers(
            pc=RAM,
            general=(0, 0, 0, 0),
            pstate={1: 0x3C5, 2: 0x3C9, 3: 0x3CD}[level],
            sctlr=0x00C5_0078 if level == 1 else 0x30C5_0830,
        ),
        level=level,
        until=until,
        forced=forced,
        banks=banks,
        core=core,
        orders=orders,
    )


def run_loaded(
    loaded: bytes,
    registers: Registers,
    *,
    level: int = 1,
    until: Until | None = None,
    forced: bool = False,
    banks: Sequence[tuple[int, int]] = ((RAM, RAM_SIZE),),
    core: str,
    orders: bool = False,
    additions: Sequence[Addition] = (),
) -> Ran:
    """Run the code at the start of RAM, from its first instruction to its end."""
    ran = Ran(
        ["guest map 0x40000000 0x400000 normal-wb exec"] if forced else ["guest mmu off"],
        [Instruction(0, 0, 0)],
    )
    ran.ram = [mmap.mmap(-1, size) for _, size in banks]
    ran.ram[0][: len(loaded)] = loaded

    def take(batch: Batch) -> None:
        ran.events += [str(batch.event(index)) for index in range(len(batch))]
        assert batch.instructions is not None
        ran.instructions += [Instruction(*row) for row in batch.instructions.tolist()]

    added = Additions(additions, orders=orders)
    machine = Boot(
        [(base, memoryview(ram)) for (base, _), ram in zip(banks, ran.ram, strict=True)],
        [registers],
        CORES[core],
        Listener(events=take, caches_toggled=lambda vcpu, enabled: ran.toggles.append(enabled)),
        exception_level=level,
        layout=XENVM,
        stage2=FORCED_WB if forced else STAGE2_NORMAL_WB,
        instructions=True,
        orders=orders,
        additions=added,
    )
    ran.outcome = machine.run(until or Until(End.PSCI, 100_000))
    ran.outcome.reached = added.reached()
    ran.fault = ran.outcome.fault
    assert (ran.outcome.end is End.FAULT) == bool(ran.fault)
    _check_invariants(ran, orders=orders)
    return ran


def _check_invariants(ran: Ran, *, orders: bool) -> None:
    """Check what holds for every trace of a guest."""
    checker = Checker(Profile(ordering=Ordering(barriers=True)) if orders else None)
    # None is one that cannot be. Longer runs are loops.
    for event, _ in islice(groupby(ran.events), 10_000):
        checker.event(parse_event(event.split(), operations_of(checker.profile)))
    # The guest's agents are one processor's: whenever one of them acts, its switches are the first one's.
    switches: dict[str, dict[str, str]] = {}
    for event in ran.events:
        agent, op, *rest = event.split()
        mine = switches.setdefault(agent, {"mmu": "on", "dcache": "on"})
        if op in ("mmu", "dcache", "icache"):
            mine[op] = rest[0]
        elif op not in ("map", "unmap", *BARRIERS):
            assert {"icache": mine["mmu"], **mine} == {
                "icache": switches["guest"]["mmu"],
                **switches["guest"],
            }
    # Each event's instruction lies in the code that was fetched last; a walk's may be the first of the code after it.
    fetched = at = range(0)
    for event, (virtual, physical, state) in zip(ran.events, ran.instructions, strict=True):
        agent, op, *rest = event.split()
        if op == "fetch":
            assert int(rest[0], 0) == physical
            fetched, at = (range(start, start + int(rest[1], 0), 2) for start in (virtual, physical))
        elif op in ("read", "write", "dc", "ic") and state:  # an operation that was added has no instruction
            assert virtual in fetched, event
            assert at.index(physical) == fetched.index(virtual)


def walks(*addresses: int, kind: str = "normal-wb") -> list[str]:
    return [f"guest walk {address:#x} 8 {kind}" for address in addresses]


def window_walk(index: int, kind: str = "normal-wb") -> list[str]:
    """The walk to a page of the window."""
    return walks(RAM + LEVEL1 + 8, RAM + LEVEL2 + 8, RAM + LEVEL3 + 8 * index, kind=kind)


START = ["guest mmu off", "guest dcache off", "guest icache off"]
ON = ["guest mmu on", "guest dcache on", "guest icache on"]
CODE_WALK = walks(RAM + LEVEL1 + 8, RAM + LEVEL2)


def straight(program: a64.Code) -> list[int]:
    """The instructions of a program that runs from its first to its last one."""
    return [RAM, *range(ENTRY, ENTRY + 4 * len(program), 4)]
