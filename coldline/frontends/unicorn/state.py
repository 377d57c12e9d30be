# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulator's callbacks and the driver share: one record, and the arrays that it points to.

Addresses of arrays are machine pointers of this process. The callbacks find everything through the one
pointer that the emulator hands them.
"""

import ctypes
import mmap
import re
from collections.abc import Mapping, Sequence
from typing import Any

from coldline.arm import MemoryType
from coldline.events import PAGE_SIZE, Op
from coldline.events.batch import INSTRUCTION_SIZE
from coldline.frontends.unicorn.memory import address_of, zeros

MAX_BANKS = 4
TAG_SHIFT = 40
"""The emulator's physical addresses carry a tag from this bit: 0 with the MMU off, else 1 + the memory type."""

ADDRESS_MASK = (1 << TAG_SHIFT) - 1
TAGS = 5
DATA_TAG = 8
"""Set in the tag of a load or store with the MMU on: the same bytes again, where no code runs.

The emulator looks for code to drop at each store to bytes that could be code. Ours is dropped at the guest's IC.
"""
TLB_ENTRIES = 1 << 16
"""Pages that a translation is remembered of; a power of two, filled to half."""

PENDING = 1024
"""Leaves that were taken out of tables and wait for a TLB invalidation."""

STACK = 2048
"""Tables that wait to be registered."""

HIGH_WATER = 1 << 18
"""Words of events after which a batch is handed on."""

WORDS = HIGH_WATER + (1 << 19)
"""Words of a batch: a block of guest code and a change of its tables must fit after the last look at the level."""

KINDS = 8
"""Kinds of leaf that are counted for each page: 2 * memory type + executable."""

AGENTS = ("guest", "guest-device", "guest-nc", "guest-wt")
"""The guest's aliases by memory type: the same page mapped with two types is two agents in a trace.

``guest`` is its write-back alias, and all its accesses with the MMU off."""


def agent_of(memory_type: int) -> int:
    """The agent (index into `AGENTS`) that is the guest's aliases of a type."""
    return 0 if memory_type == MemoryType.NORMAL_WB else memory_type + 1


# Why the callbacks stopped the emulator
RUNNING, DRAIN, LIMIT, SWITCH, FLUSH_CODE, PLACES, BIG_ENDIAN, SET_WAY = range(8)

VMSA64, LONG, SHORT = range(3)
"""Formats of translation tables: VMSAv8-64's, and Armv7's long and short descriptors."""

UNIT_SHIFT = 10
UNITS = PAGE_SIZE >> UNIT_SHIFT
"""Parts of a page in which a table may lie: the smallest whole one is Armv7's of the second level, of 1 KiB."""

MAX_PLACES = 1 << 12
"""Instructions that the emulator is asked to stop before: see `coldline.frontends.unicorn.aarch32`."""

REGISTERS = ("sctlr", "ttbr0", "ttbr1", "tcr", "mair")
"""System registers that decide what an access is, kept for EL1 and EL2. AArch32's are kept as those of EL1: TTBCR as
``tcr``, and PRRR and NMRR, which are MAIR0 and MAIR1, as the lower and the upper half of ``mair``."""

ENGINE_CALLS = ("uc_emu_stop", "uc_reg_read", "uc_reg_write", "uc_ctl")
"""The emulator's functions that the callbacks call, by their addresses in the record."""

_WORD = ctypes.c_uint64
_FIELDS: tuple[tuple[str, Any], ...] = (
    ("events", _WORD),  # words, as `coldline.frontends.unicorn.packed` has them
    ("fill", _WORD),  # how many words there are
    ("instruction_rows", _WORD),  # a row of `INSTRUCTION_DTYPE` for each event, or 0
    ("at_virtual", _WORD),  # the instruction to which `append` attributes events
    ("at_physical", _WORD),
    ("at_state", _WORD),
    ("instruction_set", _WORD),  # an `InstructionState`: of the block that is running
    ("block_physical", _WORD),
    ("count", _WORD),  # how many events they are
    ("high_water", _WORD),
    ("instructions", _WORD),
    ("limit", _WORD),
    ("accesses", _WORD),
    ("crossings", _WORD),
    ("reason", _WORD),
    ("block", _WORD),
    ("skip_sync", _WORD),
    ("scratch", _WORD),
    ("scratch_at", _WORD),
    ("banks", _WORD),
    ("el", _WORD),
    ("rooted", _WORD),
    ("has_el2", _WORD),
    ("forced", _WORD),
    ("virtual", _WORD),
    ("stale_low", _WORD),
    ("stale_high", _WORD),
    ("fault", _WORD),
    ("faulted", _WORD),
    ("tlb", _WORD),  # rows of virtual page, generation, tagged physical page
    ("generation", _WORD),
    ("translations", _WORD),
    ("code_page", _WORD),
    ("code_generation", _WORD),
    ("code_physical", _WORD),
    ("format", _WORD),
    ("marks", _WORD),  # a byte for each page: whether a live table has part of it
    ("units", _WORD),  # two words for each part of a page: see `coldline.mmu.tables`
    ("refs", _WORD),
    ("pages", _WORD),
    ("flash_pages", _WORD),  # the first so many of them are flash
    ("stack", _WORD),
    ("aliases", _WORD),
    ("pending", _WORD),
    ("pending_count", _WORD),
    ("rescan", _WORD),
    ("rescan_low", _WORD),
    ("rescan_high", _WORD),
    ("introduced", _WORD),
    ("sweep", _WORD),
    ("swept", _WORD),  # whether a sweep has begun since the driver was last told of one
    ("used", _WORD),  # a byte for each page: whether the guest has used it
    ("overflow", _WORD),
    ("held_address", _WORD),
    ("held_size", _WORD),
    ("held_agent", _WORD),
    ("held_before", _WORD),
    ("held_after", _WORD),
    ("stage2", _WORD),
    ("maintenance", _WORD),
    ("pc_register", _WORD),  # the emulator's number for it
    # AArch32 alone, from here to the emulator's calls
    ("fresh", _WORD),  # whether the next block may be one that the emulator has just translated
    ("thumb", _WORD),  # whether there is any Thumb code
    ("places", _WORD),
    ("place_count", _WORD),
    ("trapped", _WORD),  # the key of the register that the guest is about to write
    ("trapped_value", _WORD),
    ("trapped_at", _WORD),
    ("resume_at", _WORD),
    ("half_at", _WORD),  # the long descriptor of which the guest has stored the lower half
    ("half_value", _WORD),
    ("half_old", _WORD),
    *((name, _WORD) for name in ENGINE_CALLS),
    ("agent_of_tag", _WORD * (DATA_TAG + TAGS)),
    ("bank_base", _WORD * MAX_BANKS),
    ("bank_size", _WORD * MAX_BANKS),
    ("bank_pointer", _WORD * MAX_BANKS),
    ("bank_page", _WORD * MAX_BANKS),
    *((name, _WORD * 3) for name in REGISTERS),
)


class Record(ctypes.Structure):
    """The record. `banks` counts the banks; registers are indexed by exception level."""

    _fields_ = _FIELDS


class State:
    """The record and the arrays that it points to, kept alive together.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        Guest RAM: physical base and writable bytes.
    instructions : bool
        Whether each event's instruction is wanted.
    maintenance : mapping of int to Op
        The operations that maintain caches, by the key of their encoding in 14 bits.
    """

    def __init__(
        self,
        banks: Sequence[tuple[int, memoryview]],
        *,
        instructions: bool,
        maintenance: Mapping[int, Op] | None = None,
    ) -> None:
        self._record = Record()
        self.events = zeros(WORDS * 8)
        self.instructions = zeros(WORDS * INSTRUCTION_SIZE) if instructions else None
        self.ram = [memoryview(buffer) for _, buffer in banks]
        pages = sum(len(ram) for ram in self.ram) // PAGE_SIZE
        self._arrays: dict[str, bytearray | mmap.mmap] = {
            "tlb": zeros(TLB_ENTRIES * 3 * 8),
            "marks": zeros(pages),
            "used": zeros(pages),
            "units": zeros(pages * UNITS * 16),
            "refs": zeros(pages * KINDS * 2),
            "stack": zeros(STACK * 5 * 8),
            "aliases": zeros(pages * 4),
            "pending": zeros(PENDING * 4 * 8),
            "maintenance": bytearray(1 << 14),
            "places": zeros(MAX_PLACES * 8),
        }
        for key, op in (maintenance or {}).items():
            self._arrays["maintenance"][key] = 1 + op
        for name, array in self._arrays.items():
            self[name] = address_of(array)
        self["instruction_rows"] = address_of(self.instructions) if self.instructions is not None else 0
        self["events"] = address_of(self.events)
        self["scratch_at"] = self.pointer + Record.scratch.offset
        self["high_water"] = HIGH_WATER
        self["limit"] = 0xFFFFFFFFFFFFFFFF
        self["generation"] = 1
        self["stale_low"] = self["resume_at"] = self["half_at"] = 0xFFFFFFFFFFFFFFFF
        self["pages"] = pages
        self["banks"] = len(banks)
        page = 0
        for index, ((base, _), ram) in enumerate(zip(banks, self.ram, strict=True)):
            self._record.bank_base[index] = base
            self._record.bank_size[index] = len(ram)
            self._record.bank_pointer[index] = address_of(ram)
            self._record.bank_page[index] = page
            page += len(ram) // PAGE_SIZE

    def tell_types_apart(self) -> None:
        """From now on an access is by the agent that its memory type says, and not by ``guest`` alone."""
        for tag in range(1, TAGS):
            self._record.agent_of_tag[tag] = self._record.agent_of_tag[tag | DATA_TAG] = agent_of(tag - 1)

    def use_events(self, words: mmap.mmap, instructions: mmap.mmap | None) -> None:
        """Write events to `words`, of `WORDS` words, from now on, and their instructions to `instructions`."""
        if len(words) != WORDS * 8:
            raise ValueError(f"{len(words)} bytes for events, not {WORDS * 8}")
        self.events, self.instructions = words, instructions
        self["events"] = address_of(words)
        self["instruction_rows"] = address_of(instructions) if instructions is not None else 0
        self["fill"] = self["count"] = 0

    @property
    def pointer(self) -> int:
        """Where the record is."""
        return ctypes.addressof(self._record)

    def __getitem__(self, name: str) -> int:
        return int(getattr(self._record, name))

    def __setitem__(self, name: str, value: int) -> None:
        setattr(self._record, name, value)

    def places(self, known: int) -> list[int]:
        """The virtual addresses that were noted after the first `known`."""
        noted = memoryview(self._arrays["places"]).cast("Q")
        return list(noted[known : self["place_count"]])

    def used_ranges(self) -> list[tuple[int, int]]:
        """Addresses and sizes, in bytes, of the RAM that the guest has used, in whole pages."""
        ranges = []
        for index in range(self["banks"]):
            first = self._record.bank_page[index]
            pages = self._arrays["used"][first : first + self._record.bank_size[index] // PAGE_SIZE]
            base = self._record.bank_base[index]
            ranges += [
                (base + run.start() * PAGE_SIZE, (run.end() - run.start()) * PAGE_SIZE)
                for run in re.finditer(rb"\x01+", pages)
            ]
        return ranges

    def code_bytes(self, address: int, size: int) -> bytes:
        """Bytes at a virtual address in the page of the code that was run last; none where that is not in RAM."""
        physical = (self["code_physical"] | address & (PAGE_SIZE - 1)) & ADDRESS_MASK
        for index in range(self["banks"]):
            offset = physical - self._record.bank_base[index]
            if 0 <= offset < self._record.bank_size[index]:
                return bytes(self.ram[index][offset : offset + size])
        return b""

    def register(self, name: str, level: int) -> int:
        """A system register of an exception level, as last written."""
        return int(getattr(self._record, name)[level])

    def set_register(self, name: str, level: int, value: int) -> None:
        """Note that a system register was written."""
        getattr(self._record, name)[level] = value
