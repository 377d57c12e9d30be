# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of one core that the emulator's callbacks and Python share: a record, and the arrays that it points to.

The emulator passes each callback one pointer, that of the record. It has the fields for appending events
(`coldline.events.words`), those for the core's translation tables (`coldline.mmu.view`), and the emulator's fields
of this module.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from coldline.arm import stage2 as stage2_types
from coldline.events import Op
from coldline.events import words as event_words
from coldline.events.agent_names import agent_of
from coldline.events.words import EventWords
from coldline.jit import shared_record
from coldline.jit.shared_record import WORD, Fields, SharedRecord, record_of
from coldline.mmu import view
from coldline.mmu.view import NOWHERE, View

TAGS: Final = 5
"""The tags of translated addresses: see `view.TAG_SHIFT`."""

DATA_TAG: Final = 8
"""Set in the tag of a load or store with the MMU on: an alias of the same bytes from which no code runs.

At each store to bytes that could be code, the emulator looks for translated code to drop. With this alias it does
not: here translated code is dropped at the guest's IC instructions.
"""

# Why the callbacks stopped the emulator
RUNNING, DRAIN, LIMIT, SWITCH, FLUSH_CODE, PLACES, BIG_ENDIAN, SET_WAY, WATCHED_BLOCK = range(9)

# Why a core's turn is to end
SYNCHRONISES, SLEEPS = 1, 2

MAX_PEERS: Final = 127
"""The most other cores of a machine."""

MAX_PLACES: Final = 1 << 12
"""The most instructions before which the emulator stops for a callback: see `coldline.frontends.unicorn.aarch32`."""

OPERATION_BITS: Final = 14
"""Bits of an encoding of a SYS instruction (op1, CRn, CRm, op2), or of MCR's (opc1, CRn, CRm, opc2)."""

ENGINE_CALLS: Final = ("uc_emu_stop", "uc_reg_read", "uc_reg_write", "uc_ctl")
"""The emulator's functions that the callbacks call, by their addresses in the record."""

CALLBACK_FIELDS: Fields = (
    *shared_record.words(
        "instructions",  # that were executed
        "limit",  # the number of them after which the core is stopped
        "accesses",
        "crossings",
        "reason",  # the reason why the core was stopped
        "block",  # the virtual address of the block of code that is running
        "block_physical",  # where it is, if instructions are wanted
        "instruction_set",  # its `InstructionState`
        "line",  # bytes of the core's cache line, which an operation by address maintains
        "skip_sync",  # see `pc_sync`
        "locates",  # whether the instructions of any events are wanted, though not of those in the present buffer
        "looks_up",  # whether the emulator is to look up the program counter at each access nevertheless
        "filled_tlb",  # whether the emulator has got a translation since the last callback of an access
        "scratch",
        "scratch_at",
        "has_el2",
        "stale_low",  # the range of code that the core's IC operations have invalidated
        "stale_high",
        "fault",
        "faulted",
        "fault_kind",  # the emulator's number for the kind of the access
        "effects",  # stores, loads from devices that are not steady, writes of system registers, reads of counters
        "watched_block",  # the address of a block before which the core is stopped
        "watched_from",  # the number of instructions at which the watch begins: it is not stopped there
        "mpidr",
        "orders",  # whether barriers are events
        "sole_observer",  # whether nobody else sees memory, so that every domain is this core's
        "barrier_at",  # the virtual address of the next barrier of the block that is running, or `NOWHERE`
        "barrier_op",
        "barrier_end",  # the virtual address of the block's end
        "barrier_code",  # where the block is in this process
        "barrier_set",  # its `InstructionState`
        "several",  # whether the machine has several cores
        "elapsed",  # instructions that the other cores had executed when the turn began
        "yielded",  # why the turn is to end: `SYNCHRONISES`, `SLEEPS` (the core has executed WFE), or 0
        "synchronises_from",  # the number of instructions from which the turn ends at a barrier or an exclusive
        "sent_events",  # SEVs
        "peers",  # the number of the other cores
        "table_stores",  # stores to their live tables
        "broadcasts",  # TLB invalidations that reach them
        "completed_broadcasts",  # how many of them a DSB has completed
        "unbroadcast",  # whether such a store came after the last such invalidation
        "last_block",  # see `polls`: the virtual address of the block before
        "loop_head",
        "loop_effects",
        "loop_fill",
        "loop_count",
        "loop_before_fill",
        "loop_before_count",
        "loop_digest",
        "loop_repeats",
        "polling",
        "overrun",  # the number of instructions at which a turn ends even in a loop
        "flash_pages",  # how many pages of RAM, from the first, are flash
        "sweep",  # 1 + the operation of the present sweep by set/way
        "swept",  # whether a sweep has begun since Python cleared this
        "upgrades",  # whether an invalidation at EL1 cleans as well, as under a stage 2 (HCR_EL2.VM)
        "maintenance",  # 1 + the `Op` of each operation that maintains caches, by its encoding
        "pc_register",  # the emulator's number for it
        "memory_features",  # what ID_AA64MMFR0_EL1 reads as
        "additions",  # see `additions`: the number of the rows of added operations
        "addition_rows",
        "addition_records",
        "addition_events",
        "addition_pages",  # a bit for the numbers, modulo 64, of the pages that they are on
        "next_choice",  # the number of the next fetch in whose block one is to be added, or an earlier one
        "inserted",  # events of added operations, and of the parts of fetches that are cut off
        "cut_from",  # the virtual address of the block whose fetch is cut where operations are added
        "cut_end",
        "cut_tagged",  # its translation
        "handed_over",  # the number of events before those of the buffer
        "kept_low",  # the range of the lines of which the guest is given old bytes
        "kept_high",
        "kept_ends",  # the operations that end it: a bit for each `Op`
        "kept_over",  # whether one of them has ended it
    ),
    *shared_record.words(  # for AArch32 only
        "fresh",  # whether the next block may be one that the emulator has just translated
        "thumb",  # whether there is any Thumb code
        "places",
        "place_count",
        "trapped",  # the key of the register that the guest is about to write
        "trapped_value",
        "trapped_at",
        "resume_at",
    ),
    *((name, WORD) for name in ENGINE_CALLS),
    ("agent_of_tag", WORD * (DATA_TAG + TAGS)),
    ("peer_marks", WORD * MAX_PEERS),  # where the others' `marks` are
)
"""The emulator's own fields."""

CallbackRecord = record_of(event_words.WORDS_FIELDS, view.VIEW_FIELDS, CALLBACK_FIELDS)
"""The type of the record."""


class State(SharedRecord):
    """The record of a core, with its arrays.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        Guest RAM: physical base and writable bytes.
    instructions : bool
        Whether each event's instruction is wanted.
    maintenance : mapping of int to Op
        The operations that maintain caches, by the key of their encoding in `OPERATION_BITS`.
    stage2 : int
        See `View`.

    Attributes
    ----------
    events : EventWords
        The buffers of its events.
    view : View
        Its registers and RAM.
    """

    def __init__(
        self,
        banks: Sequence[tuple[int, memoryview]],
        *,
        instructions: bool,
        maintenance: Mapping[int, Op] | None = None,
        stage2: int = stage2_types.STAGE2_NORMAL_WB,
    ) -> None:
        super().__init__(CallbackRecord)
        self.events = EventWords(self, instructions=instructions)
        self.view = View(self, banks, stage2=stage2)
        operations = bytearray(1 << OPERATION_BITS)
        for key, op in (maintenance or {}).items():
            operations[key] = 1 + op
        self.use("maintenance", operations)
        self.allocate("places", MAX_PLACES * 8)
        self["scratch_at"] = self.address("scratch")
        self["limit"] = self["stale_low"] = self["resume_at"] = self["watched_block"] = self[
            "loop_head"
        ] = self["barrier_at"] = NOWHERE
        if not stage2_types.forces_write_back(stage2):
            for tag in range(1, TAGS):
                self.set_item("agent_of_tag", tag, agent_of(tag - 1))
                self.set_item("agent_of_tag", tag | DATA_TAG, agent_of(tag - 1))

    def new_places(self, known: int) -> list[int]:
        """Return the virtual addresses that were noted after the first `known`."""
        noted = memoryview(self.array("places")).cast("Q")
        return list(noted[known : self["place_count"]])
