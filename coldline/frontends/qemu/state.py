# SPDX-License-Identifier: GPL-2.0-or-later
"""The records through which the compiled loop over the plugin's records and Python share data.

A machine has one record. Each translation regime of each vCPU (EL1 and EL0, EL2, EL3) is a *view* with a record of
its own, with the fields of `coldline.mmu.view`: its tables are followed, and its agents have its aliases.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.errors import QemuError
from coldline.events import words as event_words
from coldline.events.agent_names import AGENTS, agent_of
from coldline.events.layout import EVENT_SIZE
from coldline.events.words import WORDS, EventWords
from coldline.frontends.qemu.records import CODE_NUMBERS, MAX_VCPUS
from coldline.jit.shared_record import WORD, Fields, SharedRecord, record_of, words
from coldline.mmu import view
from coldline.mmu.registers import TableCode
from coldline.mmu.stage2_space import CHUNK_PAGES, chunk_limit, make_stage2
from coldline.mmu.view import STAGE2, View
from coldline.support.units import PAGE_SIZE

REGIMES: Final = 4
"""Views of a vCPU, by exception level; there is none of level 0."""

STAGE2_LEVEL: Final = 4
"""In place of an exception level: the record is that of a stage 2."""

CP15: Final = 1 << 14
"""From here on, the encodings of operations are those of CP15, which AArch32 has."""

HOST: Final = (1 << 64) - 1
"""In place of the number of a guest: EL0 is that of EL2 (HCR_EL2.E2H and TGE)."""

MAX_VIEWS: Final = 1024

ADDRESS_TAGS: Final = 5
"""The tags of translated addresses: see `coldline.mmu.view.TAG_SHIFT`."""

ROWS: Final = 1 << 17
"""Events after which a batch is handed over."""

MAX_RANGES: Final = 64
"""Ranges of physical addresses that are wanted."""

SPARE_ROWS: Final = 1 << 20
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


class CodeBlock:
    """A block of code, in words, by their offsets. They are found by the number of the block."""

    VIRTUAL: Final = 0
    PHYSICAL: Final = 8
    """The address, and from `coldline.mmu.view.TAG_SHIFT` on the instruction set."""
    SIZE: Final = 16


CODE_PAGES: Final = 1 << 12
"""Rows of `CodePage`; a power of two."""

WATCH_FIELDS: Fields = (
    *words(
        "level",  # the exception level
        "vcpu",
        "guest",  # the number of the guest whose view, or stage 2, it is; 0 for none
        "agent_base",  # the number of the view's first agent in the trace
        "walker",  # the number of the agent that reads the tables of the stage 2
        "code_pages",  # `CodePage`
        "upgrades",  # whether an invalidation cleans as well, as under a stage 2 (HCR_EL2.VM)
        "no_set_way",  # whether operations by set/way do nothing: they trap (HCR_EL2.TSW), or caches are empty
        "broadcasts",  # whether an invalidation of this core's TLB is one of every core's (HCR_EL2.FB)
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
        "guests",  # the number of the guest that each vCPU runs at EL1; 0 for none, or `HOST`
        "selected",  # the number of the guest that VTTBR_EL2 of each vCPU selects, whether it runs or not; 0 for none
        "all_views",  # the address of each record that there is, of views and of stages 2
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
        "ic_held",  # the same of when an alias ended, or an agent without MMU fetched: caches may hold what they did
        "blocks",  # `CodeBlock`
        "reason",  # why the loop stopped
        "sweep",  # 1 + the operation of the present sweep by set/way
        "maintenance",  # 1 + the `Op` of each operation that maintains caches, by its encoding, CP15's from `CP15` on
        "maintained",  # operations of cache maintenance
        "unknown",  # accesses whose translation could not be followed
        "unknown_at",  # the virtual address of the first of them
        "wanted",  # of each page, a byte: whether events there are wanted
        "unpacked",  # if some are not, room for the rows of a view before those are left out
        "overflow",  # events for which there was no room
    ),
)

MachineRecord = record_of(MACHINE_FIELDS)
"""The type of a machine's record."""

_Bank = tuple[int, memoryview]


class ViewPlace(NamedTuple):
    """Whose a view is: a vCPU, its exception level (`STAGE2_LEVEL` for a stage 2), the number of the guest or 0, and
    the number of its first agent.
    """

    vcpu: int
    level: int
    guest: int = 0
    agent_base: int = 0


class Regime(SharedRecord):
    """A translation regime of a vCPU, or the stage 2 of a guest.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        RAM as it was after the last record.
    place : ViewPlace
        Whose it is.
    addresses : dict of str to int
        The compiled functions.
    instructions : bool
        Whether each event's instruction is wanted.
    """

    def __init__(
        self, banks: Sequence[_Bank], place: ViewPlace, addresses: dict[str, int], *, instructions: bool
    ) -> None:
        super().__init__(ViewRecord)
        self.level = place.level
        self.events = EventWords(self, instructions=instructions)
        pages = sum(len(ram) for _, ram in banks) // PAGE_SIZE
        slots = chunk_limit(pages) * CHUNK_PAGES if place.guest and place.level == 1 else 0
        self.view = View(self, banks, slots=slots)
        self.code = TableCode(self.pointer, addresses)
        self["two_types"] = True
        for name in ("level", "vcpu", "guest", "agent_base"):
            self[name] = getattr(place, name)
        self["walker"] = place.agent_base + AGENTS
        self.allocate("code_pages", CODE_PAGES * CodePage.SIZE)
        # EL3 has one range of addresses and no EL0, as EL2 without VHE has
        self["el"] = min(place.level, 2)
        if place.level == STAGE2_LEVEL:
            self["format"] = STAGE2
            make_stage2(self)
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
        self.allocate("guests", MAX_VCPUS * 8)
        self.allocate("selected", MAX_VCPUS * 8)
        self.allocate("all_views", MAX_VIEWS * 8)
        self.allocate("known", KNOWN_LINES * KnownLine.SIZE)
        self["generation"] = 1
        pages = sum(len(ram) for _, ram in banks) // PAGE_SIZE
        self.allocate("ic_pages", pages * 4)
        self.allocate("ic_held", (pages + 1) * 4)
        self.use("wanted", bytearray(b"\1") * pages)
        self.allocate("blocks", CODE_NUMBERS * CodeBlock.SIZE)
        self._banks, self._instructions = banks, instructions

    def add_regime(self, place: ViewPlace, addresses: dict[str, int]) -> Regime:
        """Make a view.

        Raises
        ------
        QemuError
            If there are as many as there can be.
        """
        if self["view_count"] == MAX_VIEWS:
            raise QemuError(f"more than {MAX_VIEWS} guests and vCPUs of guests")
        made = Regime(self._banks, place, addresses, instructions=self._instructions)
        memoryview(self.array("all_views")).cast("Q")[self["view_count"]] = made.pointer
        self["view_count"] += 1
        return made

    def use_regime(self, vcpu: int, level: int, regime: Regime) -> None:
        """Let the records of a vCPU at an exception level be of a view, which is up to date."""
        memoryview(self.array("views")).cast("Q")[vcpu * REGIMES + level] = regime.pointer

    def want_only(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Leave out what is done to other pages than those from some first to some end addresses."""
        wanted, first = self.array("wanted"), 0
        self.allocate("unpacked", WORDS * EVENT_SIZE)
        for base, ram in self._banks:
            pages = len(ram) // PAGE_SIZE
            wanted[first : first + pages] = bytes(pages)
            for start, end in ranges:
                low, high = max(start - base, 0) // PAGE_SIZE, min((end - base) // PAGE_SIZE, pages)
                if low < high:
                    wanted[first + low : first + high] = b"\1" * (high - low)
            first += pages

    def hold_everything(self) -> None:
        """Note that instruction caches may hold lines of any page before the first instruction."""
        held = memoryview(self.array("ic_held")).cast("I")
        for page in range(len(held)):
            held[page] = 1

    def run_guest(self, vcpu: int, guest: int, selected: int) -> None:
        """Note which guest a vCPU runs at EL1, 0 for none or `HOST`, and which one VTTBR_EL2 selects, 0 for none."""
        memoryview(self.array("guests")).cast("Q")[vcpu] = guest
        memoryview(self.array("selected")).cast("Q")[vcpu] = selected

    def stop_at(self, vcpu: int, level: int) -> None:
        """Let the loop stop before the next record of a vCPU at an exception level."""
        memoryview(self.array("views")).cast("Q")[vcpu * REGIMES + level] = 0


def agents_before(vcpu: int, level: int) -> int:
    """The number of agents before those of a regime, where each vCPU has those of EL1, EL2 and EL3."""
    return (vcpu * (REGIMES - 1) + level - 1) * AGENTS
