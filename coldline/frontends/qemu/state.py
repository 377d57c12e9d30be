# SPDX-License-Identifier: GPL-2.0-or-later
"""The records through which the compiled loop over the plugin's records and Python share data.

A machine has one record. Each translation regime of each vCPU (EL1 and EL0, EL2, EL3) is a *view* with a record of
its own, with the fields of `coldline.mmu.view`: its tables are followed, and its agents have its aliases.
"""

from collections.abc import Sequence
from typing import Final

from coldline.events import words as event_words
from coldline.events.agent_names import AGENTS, agent_of
from coldline.events.words import EventWords
from coldline.frontends.qemu.records import CODE_NUMBERS, MAX_VCPUS
from coldline.jit.shared_record import WORD, Fields, SharedRecord, record_of, words
from coldline.mmu import view
from coldline.mmu.registers import TableCode
from coldline.mmu.view import View
from coldline.support.units import PAGE_SIZE

REGIMES: Final = 4
"""Views of a vCPU, by exception level; there is none of level 0."""

ADDRESS_TAGS: Final = 5
"""The tags of translated addresses: see `coldline.mmu.view.TAG_SHIFT`."""

ROWS: Final = 1 << 17
"""Events after which a batch is handed over."""

SPARE_ROWS: Final = 1 << 19
"""Events that one record of the plugin's may make at the most: those of a change of tables."""

# Why the loop stopped before the last record
CONSUMED, REGISTERS_CHANGED, NEW_VIEW, ROWS_FULL, AARCH32 = range(5)


class KnownLine:
    """A line whose last loads and stores are remembered, in words, by their offsets: see `known`.

    They are found by the number of the line.
    """

    KEY: Final = 0
    """The line, the agent and the type."""
    GENERATION: Final = 8
    WRITTEN: Final = 16
    READ: Final = 24
    """The bytes that were stored, and loaded since: a bit for each."""
    SIZE: Final = 32


KNOWN_LINES: Final = 1 << 13
"""Rows of `KnownLine`; a power of two."""


class CodePage:
    """A page of code that a view executes, in words, by their offsets. They are found by the number of the page."""

    PHYSICAL: Final = 0
    GENERATION: Final = 8
    """That of the view's translations, as of when the rest is; 0 is none."""
    VIRTUAL: Final = 16
    TAG: Final = 24
    SIZE: Final = 32


CODE_PAGES: Final = 1 << 12
"""Rows of `CodePage`; a power of two."""

WATCH_FIELDS: Fields = (
    *words(
        "foreign",  # whether it is a guest that is not followed, as its stage 2 is not
        "agent_base",  # the number of the view's first agent in the trace
        "code_pages",  # `CodePage`
        "upgrades",  # whether an invalidation cleans as well, as under a stage 2 (HCR_EL2.VM)
        "traps_set_way",  # whether operations by set/way trap (HCR_EL2.TSW), and so are none
        "old_roots",  # whether tables of an earlier TTBR are still followed: until all of the TLB is invalidated
    ),
    ("agent_of_tag", WORD * ADDRESS_TAGS),
)
"""A view's own fields."""

ViewRecord = record_of(event_words.WORDS_FIELDS, view.VIEW_FIELDS, WATCH_FIELDS)
"""The type of a view's record."""

MACHINE_FIELDS: Fields = (
    *words(
        "views",  # the address of each view's record by vCPU and level; 0 if it is absent or not up to date
        "owners",  # the same without regard to that
        "all_views",  # the same, of those that there are
        "view_count",
        "current",  # the address of the view whose record came last
        "rows",  # where events go, as rows of `EVENT_DTYPE`
        "count",  # events that are there
        "instruction_rows",  # a row of `INSTRUCTION_DTYPE` for each, or 0
        "line",  # bytes of a cache line
        "known",  # `KnownLine`
        "generation",  # rows of others are empty
        "filters",  # whether loads and stores that can change no verdict are left out
        "ic_count",  # how many IC IALLUIS there were, and of these before the last one that is an event
        "ic_told",
        "ic_agent",  # of the last one, the number of its agent, and its instruction
        "ic_code",
        "ic_pages",  # of each page, four bytes: 1 + the count when it was last changed, 0 for never
        "blocks",  # the virtual and the physical address of each block of code, by its number
        "reason",  # why the loop stopped
        "sweep",  # 1 + the operation of the present sweep by set/way
        "maintenance",  # 1 + the `Op` of each operation that maintains caches, by its encoding
        "maintained",  # operations of cache maintenance
        "foreign",  # loads and stores of guests that are not followed
        "unknown",  # accesses whose translation could not be followed
        "unknown_at",  # the virtual address of the first of them
        "low",  # the range of physical addresses that is wanted
        "high",
    ),
)

MachineRecord = record_of(MACHINE_FIELDS)
"""The type of a machine's record."""

_Bank = tuple[int, memoryview]


class Regime(SharedRecord):
    """A translation regime of a vCPU.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        RAM as it was after the last record.
    level : int
        The exception level: 1, 2 or 3.
    agent_base : int
        The number of its first agent.
    addresses : dict of str to int
        The compiled functions.
    instructions : bool
        Whether each event's instruction is wanted.
    """

    def __init__(
        self,
        banks: Sequence[_Bank],
        level: int,
        agent_base: int,
        addresses: dict[str, int],
        *,
        instructions: bool,
    ) -> None:
        super().__init__(ViewRecord)
        self.level = level
        self.events = EventWords(self, instructions=instructions)
        self.view = View(self, banks)
        self.code = TableCode(self.pointer, addresses)
        self["agent_base"], self["two_types"] = agent_base, True
        self.allocate("code_pages", CODE_PAGES * CodePage.SIZE)
        # EL3 has one range of addresses and no EL0, as EL2 without VHE has
        self["el"] = min(level, 2)
        for tag in range(1, ADDRESS_TAGS):
            self.set_item("agent_of_tag", tag, agent_of(tag - 1))

    @property
    def slot(self) -> int:
        """The index of its registers in the view: see `coldline.mmu.view.LEVELS`."""
        return self["el"]


class MachineState(SharedRecord):
    """The record of a machine, with its arrays.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        RAM.
    instructions : bool
        Whether each event's instruction is wanted.
    """

    def __init__(self, banks: Sequence[_Bank], *, instructions: bool) -> None:
        super().__init__(MachineRecord)
        self.allocate("views", MAX_VCPUS * REGIMES * 8)
        self.allocate("owners", MAX_VCPUS * REGIMES * 8)
        self.allocate("all_views", 2 * MAX_VCPUS * REGIMES * 8)
        self.allocate("known", KNOWN_LINES * KnownLine.SIZE)
        self["generation"] = 1
        self.allocate("ic_pages", sum(len(ram) for _, ram in banks) // PAGE_SIZE * 4)
        self.allocate("blocks", CODE_NUMBERS * 16)
        self._banks, self._instructions = banks, instructions

    def add_regime(self, level: int, agent_base: int, addresses: dict[str, int]) -> Regime:
        """Make the view of a regime."""
        made = Regime(self._banks, level, agent_base, addresses, instructions=self._instructions)
        memoryview(self.array("all_views")).cast("Q")[self["view_count"]] = made.pointer
        self["view_count"] += 1
        return made

    def use_regime(self, vcpu: int, level: int, regime: Regime) -> None:
        """Let the records of a vCPU at an exception level be of a view, which is up to date."""
        for name in ("views", "owners"):
            memoryview(self.array(name)).cast("Q")[vcpu * REGIMES + level] = regime.pointer

    def stop_at(self, vcpu: int, level: int) -> None:
        """Let the loop stop before the next record of a vCPU at an exception level."""
        memoryview(self.array("views")).cast("Q")[vcpu * REGIMES + level] = 0


def agents_before(vcpu: int, level: int) -> int:
    """The number of agents before those of a regime, where each vCPU has those of EL1, EL2 and EL3."""
    return (vcpu * (REGIMES - 1) + level - 1) * AGENTS
