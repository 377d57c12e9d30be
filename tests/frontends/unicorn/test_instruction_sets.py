# SPDX-License-Identifier: GPL-2.0-or-later
"""One set of small guests, run on every instruction set and table format, with one list of expected events.

Instruction sets differ in their table walks, which are in `InstructionSet.walk`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import pytest

from coldline.frontends.unicorn import End, Until
from tests.helpers.guest_runs import START, WINDOW, straight
from tests.helpers.instruction_sets import INSTRUCTION_SETS, C, I, InstructionSet, M, Page
from tests.helpers.tiny_guests import ENTRY, PSCI_SYSTEM_OFF, RAM, Code, code

ON = ["guest mmu on", "guest dcache on", "guest icache on"]
AGENTS = {"normal-wb": "guest", "normal-wt": "guest-wt", "normal-nc": "guest-nc", "device": "guest-device"}
CODE_PAGES = {RAM + number: "normal-wb exec" for number in range(0, 0x20_0000, 4096)}


@dataclass
class Case:
    """A guest, and its expected events.

    Attributes
    ----------
    program : list of Insn
        Its code; an instruction that turns it off is added.
    expected : list of str
        Its events without fetches and changes of aliases.
    pages : mapping of int to Page
        The window's, by number.
    aliases : mapping or None
        The agents' mappings when the MMU turns on.
    stories : mapping of int to list of str
        All events at a page, except fetches and walks.
    data : mapping of int to bytes
        Other content of RAM.
    toggles : list of bool or None
        The switches of MMU and data cache that the host is told.
    """

    program: Code
    expected: list[str] | None = None
    pages: Mapping[int, Page] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[int, str]] | None = None
    stories: Mapping[int, list[str]] = field(default_factory=dict)
    data: Mapping[int, bytes] = field(default_factory=dict)
    toggles: list[bool] | None = None
    runs_straight: bool = True


def on(isa: InstructionSet, bits: int = M | C | I) -> Code:
    return code(isa.prepare(), isa.sctlr(bits))


CASES: dict[str, Callable[[InstructionSet], Case]] = {}


def case(function: Callable[[InstructionSet], Case]) -> None:
    CASES[function.__name__.lstrip("_")] = function


@case
def _accesses_with_the_mmu_off(isa: InstructionSet) -> Case:
    sizes = (4, 2, 1)
    each = [code(isa.mov(2, WINDOW + 8), isa.load(3, 2, size), isa.store(3, 2, size)) for size in sizes]
    told = [f"guest {op} {WINDOW + 8:#x} {size}" for size in sizes for op in ("read", "write")]
    return Case(code(*each), told)


def _type(kind: str, never: bool) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        agent = AGENTS[kind]
        expected: dict[str, dict[int, str]] = {"guest": dict(CODE_PAGES)}
        expected.setdefault(agent, {})[WINDOW + 0x3000] = kind if never else f"{kind} exec"
        return Case(
            code(on(isa), isa.mov(2, WINDOW + 0x1004), isa.load(3, 2), isa.store(3, 2)),
            [
                *ON,
                *isa.walk(RAM),
                *isa.walk(WINDOW + 0x1000),
                f"{agent} read {WINDOW + 0x3004:#x} 4",
                f"{agent} write {WINDOW + 0x3004:#x} 4",
            ],
            {1: Page(WINDOW + 0x3000, kind, never)},
            expected,
        )

    return guest


for _kind, _never in product(AGENTS, (False, True)):
    CASES[f"type_{_kind}_{'never' if _never else 'exec'}"] = _type(_kind, _never)


BY_ADDRESS = {"dc ivac": "dc civac", **{op: op for op in ("dc cvac", "dc civac", "dc cvau", "ic ivau")}}
"""Each operation's effect under a hypervisor: an invalidation cleans as well (HCR.VM, HCR_EL2.VM)."""

SET_WAY = {"dc isw": "dc cisw", "dc csw": "dc csw", "dc cisw": "dc cisw"}


def _by_address(op: str) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        """With the MMU off and on, through each alias, at any byte of the line."""
        words = BY_ADDRESS[op]
        return Case(
            code(
                isa.mov(2, WINDOW + 0x48),
                isa.maintain(op, 2),
                on(isa),
                isa.mov(2, WINDOW + 0x7F),
                isa.maintain(op, 2),
                isa.mov(2, WINDOW + 0x1000),
                isa.maintain(op, 2),
            ),
            [
                f"guest {words} {WINDOW + 0x40:#x} 64",
                *ON,
                *isa.walk(RAM),
                *isa.walk(WINDOW),
                f"guest {words} {WINDOW + 0x40:#x} 64",
                *isa.walk(WINDOW + 0x1000),
                f"guest-nc {words} {WINDOW + 0x3000:#x} 64",
            ],
            {0: Page(WINDOW, "normal-wb"), 1: Page(WINDOW + 0x3000, "normal-nc")},
        )

    return guest


def _whole_cache(op: str) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        return Case(
            code(isa.maintain(op), on(isa), isa.maintain(op)),
            [f"guest {op}", *ON, *isa.walk(RAM), f"guest {op}"],
        )

    return guest


def _by_set_and_way(op: str) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        """A sweep is one event over all RAM; a store ends it."""
        sweep = f"guest {SET_WAY[op]} 0x40000000 0x400000"
        return Case(
            code(
                isa.mov(2, WINDOW),
                isa.mov(3, 0),
                *[isa.maintain(op, 3)] * 3,
                isa.store(3, 2),
                *[isa.maintain(op, 3)] * 2,
            ),
            [sweep, f"guest write {WINDOW:#x} 4", sweep],
        )

    return guest


for _op in BY_ADDRESS:
    CASES[_op.replace(" ", "_")] = _by_address(_op)
for _op in ("ic iallu", "ic ialluis"):
    CASES[_op.replace(" ", "_")] = _whole_cache(_op)
for _op in SET_WAY:
    CASES[_op.replace(" ", "_")] = _by_set_and_way(_op)


def _switches(bits: int) -> Callable[[InstructionSet], Case]:
    """M, C and I in each combination, and off again: the MMU turns on first, and off last."""

    def guest(isa: InstructionSet) -> Case:
        names = {M: "mmu", C: "dcache", I: "icache"}
        kind = "normal-wb" if bits & C else "normal-nc"
        walks = [*isa.walk(RAM, kind), *isa.walk(WINDOW, kind)] if bits & M else []
        return Case(
            code(
                isa.prepare(),
                isa.sctlr(bits),
                isa.mov(2, WINDOW),
                isa.load(3, 2),
                isa.sctlr(0),
                isa.store(3, 2),
            ),
            [
                *(f"guest {names[bit]} on" for bit in (M, C, I) if bits & bit),
                *walks,
                f"guest read {WINDOW:#x} 4",
                *(f"guest {names[bit]} off" for bit in (C, I, M) if bits & bit),
                f"guest write {WINDOW:#x} 4",
            ],
            {0: Page(WINDOW, "normal-wb")},
            toggles=[bits & (M | C) == M | C, False] if bits & (M | C) else [],
        )

    return guest


for _bits in (0, M, C, I, M | C, M | I, C | I, M | C | I):
    CASES[
        "switch_" + ("".join(n for n, bit in zip("mci", (M, C, I), strict=True) if _bits & bit) or "none")
    ] = _switches(_bits)


@case
def _caches_go_on_after_the_mmu(isa: InstructionSet) -> Case:
    """As in U-Boot, first M, later C, then I. Translations that a switch makes unknown are walked again."""
    return Case(
        code(isa.prepare(), isa.sctlr(M), isa.sctlr(M | C), isa.sctlr(M | C | I)),
        [
            "guest mmu on",
            *isa.walk(RAM, "normal-nc"),
            "guest dcache on",
            *isa.walk(RAM),
            "guest icache on",
            *isa.walk(RAM),
        ],
        toggles=[False, True],
    )


def _walks(kind: str) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        return Case(
            code(isa.prepare(kind), isa.sctlr(M | C | I), isa.mov(2, WINDOW), isa.load(3, 2)),
            [*ON, *isa.walk(RAM, kind), *isa.walk(WINDOW, kind), f"guest read {WINDOW:#x} 4"],
            {0: Page(WINDOW, "normal-wb")},
        )

    return guest


for _kind in ("normal-wb", "normal-wt", "normal-nc"):
    CASES[f"walks_{_kind}"] = _walks(_kind)


@case
def _code_through_another_type(isa: InstructionSet) -> Case:
    return Case(
        code(on(isa), isa.mov(2, WINDOW + 0x2000), isa.call(2)),
        [*ON, *isa.walk(RAM), *isa.walk(WINDOW + 0x2000)],
        {2: Page(RAM + 0x18000, "normal-nc", never=False)},
        aliases={"guest": CODE_PAGES, "guest-nc": {RAM + 0x18000: "normal-nc exec"}},
        stories={
            RAM + 0x18000: ["guest-nc map normal-nc exec", "guest map normal-wb exec", "guest-nc fetch"]
        },
        data={0x18000: isa.ret().word.to_bytes(4, "little")},
        runs_straight=False,
    )


def _tlb(by_address: bool) -> Callable[[InstructionSet], Case]:
    def guest(isa: InstructionSet) -> Case:
        """A page's alias begins with its descriptor, and ends only with a TLB invalidation."""
        address = WINDOW + 0x5000
        return Case(
            code(
                on(isa),
                isa.write_entry(5, isa.page(Page(address, "normal-nc"))),
                isa.mov(3, address),
                isa.load(6, 3),
                isa.write_entry(5, 0),
                isa.load(6, 3),
                isa.tlbi(address if by_address else None),
            ),
            pages={0: Page(WINDOW, "normal-wb")},
            stories={
                address: [
                    "guest-nc map normal-nc",
                    f"guest-nc read {address:#x} 4",
                    f"guest-nc read {address:#x} 4",
                    "guest-nc unmap",
                ]
            },
        )

    return guest


CASES["a_page_comes_and_goes_by_address"] = _tlb(True)
CASES["a_page_comes_and_goes_with_all"] = _tlb(False)


@case
def _another_page_is_not_forgotten(isa: InstructionSet) -> Case:
    """An invalidation of one address forgets only its translation; that address is walked again."""
    load = [code(isa.mov(3, WINDOW + 0x1000 * number), isa.load(6, 3)) for number in (0, 1, 0, 1)]
    read = [f"guest read {WINDOW + 0x1000 * number:#x} 4" for number in (0, 1)]
    return Case(
        code(on(isa), *load[:2], isa.tlbi(WINDOW), *load[2:]),
        [
            *ON,
            *isa.walk(RAM),
            *isa.walk(WINDOW),
            read[0],
            *isa.walk(WINDOW + 0x1000),
            read[1],
            *isa.walk(WINDOW),
            *read,
        ],
        {0: Page(WINDOW, "normal-wb"), 1: Page(WINDOW + 0x1000, "normal-wb")},
    )


def test_every_case_has_a_name() -> None:
    assert len(CASES) == 1 + 8 + 5 + 2 + 3 + 8 + 1 + 3 + 1 + 2 + 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS.keys())
def test_conformance(isa: InstructionSet, name: str) -> None:
    expected = CASES[name](isa)
    program = code(expected.program, isa.off(7))
    ran = isa.run(program, {**isa.tables(expected.pages), **expected.data})
    assert ran.fault == ""
    assert ran.outcome is not None
    assert ran.outcome.end is End.OFF
    assert ran.outcome.psci_call is not None
    assert ran.outcome.psci_call[:2] == (PSCI_SYSTEM_OFF, 7)
    assert ran.outcome.crossings == 0
    if expected.expected is not None:
        assert ran.other == [*START, *expected.expected]
    if expected.runs_straight:
        assert ran.fetched == straight(program)
        assert ran.outcome.instructions == len(program) + 1
    if expected.aliases is not None:
        assert ran.aliases(before="guest mmu on") == expected.aliases
    for address, story in expected.stories.items():
        assert list(_without_walks(ran.story(address))) == story
    if expected.toggles is not None:
        assert ran.toggles == expected.toggles


def _without_walks(story: list[str]) -> Iterator[str]:
    for event in story:
        words = event.split()
        if words[1] != "walk":
            yield " ".join(words[:2]) if words[1] == "fetch" else event


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS.keys())
def test_what_tables_do_not_map_is_a_fault_that_names_it(isa: InstructionSet) -> None:
    before = code(on(isa), isa.mov(2, WINDOW + 0x5004))
    ran = isa.run(code(before, isa.load(3, 2), isa.off()), isa.tables({0: Page(WINDOW, "normal-wb")}))
    at = ENTRY + 4 * len(before)
    page = f"{WINDOW + 0x5000:#x}"
    walks = isa.walk(WINDOW + 0x5000)
    # It goes on to its vector, which is in the first gigabyte, a device.
    vector = 0x200 if isa.name == "a64" else 0x10
    taken = f"the guest took a data abort at {at:#x} (its tables do not map {page})"
    assert ran.fault == f"{taken}, and its vector at {vector:#x} cannot be executed"
    walks += isa.walk(vector)[:1]
    assert ran.other[-len(walks) :] == walks


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS.keys())
def test_a_psci_call_that_returns_goes_on_behind_it(isa: InstructionSet) -> None:
    """The result is in the first register: MIGRATE_INFO_TYPE is 2, as there is no trusted OS."""
    *_, hvc = isa.off()
    program = code(isa.mov(0, 0x8400_0006), hvc, isa.mov(2, WINDOW), isa.store(0, 2), isa.off())
    ran = isa.run(program, {}, Until(End.MMU, 100_000))
    assert ran.other == [*START, f"guest write {WINDOW:#x} 4"]
    assert ran.ram[0][0x20_0000:0x20_0004] == (2).to_bytes(4, "little")


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS.keys())
def test_an_access_over_a_page_end_is_followed_on_both_pages(isa: InstructionSet) -> None:
    pages = {number: Page(WINDOW + 0x3000 * number, "normal-wb") for number in (0, 1)}
    ran = isa.run(code(on(isa), isa.mov(2, WINDOW + 0xFFE), isa.load(3, 2), isa.off()), isa.tables(pages))
    assert f"guest read {WINDOW + 0xFFE:#x} 2" in ran.other
    assert ran.other[-1].startswith(f"guest read {WINDOW + 0x3000:#x} ")
    assert ran.outcome is not None
    assert ran.outcome.crossings == 0
