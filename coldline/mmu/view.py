# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a core that decides its translations: its RAM, its system registers, its stage 2.

The compiled functions of this package work on any record that has the fields `VIEW_FIELDS` and those to which events
are appended. A front end makes its record of these groups and its own fields. It keeps the registers up to
date, and calls the functions as the core stores, invalidates its TLB and writes registers.
"""

import re
from collections.abc import Sequence
from typing import Final

from coldline.arm import stage2 as stage2_types
from coldline.arm.fields import Field
from coldline.jit.shared_record import WORD, Fields, SharedRecord, address_of, words
from coldline.mmu.stage2_space import STAGE2_FIELDS
from coldline.support.units import PAGE_SIZE

NOWHERE: Final = 0xFFFF_FFFF_FFFF_FFFF
"""Stands for no address."""

MAX_BANKS: Final = 4

VMSA64, LPAE, SHORT, STAGE2 = range(4)
"""Formats of translation tables: VMSAv8-64's, Armv7's long and short descriptors, and VMSAv8-64's of stage 2."""

REGISTERS: Final = ("sctlr", "ttbr0", "ttbr1", "tcr", "mair")
"""System registers that decide an access's type, kept for EL1, EL2 and EL3. AArch32's are kept as those of EL1: TTBCR
as ``tcr``, and PRRR and NMRR, which are MAIR0 and MAIR1, as the lower and the upper half of ``mair``."""

LEVELS: Final = 4
"""The number of exception levels that registers are kept for. EL0 counts, though it has none."""

TAG_SHIFT: Final = 40
"""A translated address has a tag from this bit on: 0 with the MMU off or outside of RAM, else 1 + the memory type."""

ADDRESS_MASK: Final = (1 << TAG_SHIFT) - 1

TLB_ENTRIES: Final = 1 << 16
"""Pages whose translation is remembered; a power of two, of which half are used."""


class Translation:
    """A row of the remembered translations, in three words, by their offsets."""

    PAGE: Final = 0
    GENERATION: Final = 8
    PHYSICAL: Final = 16
    SIZE: Final = 24


UNIT_SHIFT: Final = 6
UNITS: Final = PAGE_SIZE >> UNIT_SHIFT
"""Linux takes 64 bytes for each first table of long descriptors (arch/arm/mm/pgd.c __pgd_alloc, 6.1)."""


class LiveUnit:
    """The record of each unit of RAM, two words, by their offsets: a mark, which is 0 if the unit has no live table,
    and the first virtual address that the unit's descriptors translate.
    """

    MARK: Final = 0
    LOWEST: Final = 8
    SIZE: Final = 16

    LEVEL: Final = Field(2, 0)
    """1 + the level of the table."""

    GRANULE: Final = Field(7, 3)
    """log2 of the granule's bytes."""

    NEVER: Final = Field(15, 8)
    """The execute-never bits imposed by the tables above."""

    FIRST: Final = Field(31, 16)
    PAST: Final = Field(47, 32)
    """The offsets in the unit of the table's first byte, and of the one past its last."""


class WaitingTable:
    """A table that waits to be registered, in five words, by their offsets."""

    ADDRESS: Final = 0
    LEVEL: Final = 8
    NEVER: Final = 16
    ENTRIES: Final = 24
    LOWEST: Final = 32
    SIZE: Final = 40


STACK: Final = 2048
"""Tables that can wait to be registered."""


class RemovedLeaf:
    """A leaf that was taken out of a table and waits for a TLB invalidation, in five words, by their offsets."""

    ADDRESS: Final = 0
    SHIFT: Final = 8
    KIND: Final = 16
    VIRTUAL: Final = 24
    STAGE: Final = 32
    """How far it has ended: see `coldline.mmu.endings`."""
    SIZE: Final = 40


PENDING: Final = 1024
"""Leaves that can wait for a TLB invalidation."""


class LeafKind:
    """The kind of a leaf; each kind is counted separately for each page."""

    EXECUTABLE: Final = Field(0, 0)
    TYPE: Final = Field(2, 1)
    COUNT: Final = 8


class Leaves:
    """The number of leaves of a type that map a page, without execution and with it. Both stop at their limit."""

    PLAIN: Final = Field(15, 0)
    EXECUTABLE: Final = Field(31, 16)
    SIZE: Final = 4


class Endings:
    """The leaves of a type that map a page and were removed, where mappings end at barriers.

    They are counted in `Leaves`, too, until they have ended.
    """

    REMOVED: Final = Field(15, 0)
    """How many they are."""

    INVALIDATED: Final = Field(31, 16)
    """How many of them a TLB invalidation has reached that is not complete."""

    TOLD: Final = Field(33, 32)
    """How far the mapping has ended by the trace's own events: see `coldline.mmu.endings`."""

    CHANGED: Final = Field(34, 34)
    """Whether the trace says that its descriptor has another type now."""

    SIZE: Final = 8


WAITS_FOR_DSB, WAITS_FOR_ISB, REACHED_HERE, REACHED_EVERYWHERE = 1, 2, 4, 8
"""What a new count of all leaves waits for before a TLB invalidation, where mappings end at barriers, and how far the
invalidation that has come reaches: this core's TLB, or every core's."""

VIEW_FIELDS: Fields = (
    *words(
        "banks",  # the number of banks
        "pages",  # of RAM, in all banks
        "el",  # the exception level; EL0 counts as EL1
        "format",
        "stage2",  # see `coldline.arm.stage2`
        "two_types",  # whether a walk may have an inner and an outer type: in version 2 of a trace
        "virtual",  # whether the MMU is on
        "walk_level",  # the level at which the last walk ended
        "introduced",  # a bit for each of the core's agents: whether its switches have been announced
        "silent",  # whether leaves are counted, and neither aliases nor switches are announced
        "rooted",  # the exception level whose tables are followed
        "rescan",  # whether to count all leaves again at the next invalidation of an address in this range
        "rescan_low",
        "rescan_high",
        "half_at",  # the long descriptor of which the core has stored the lower half, or `NOWHERE`
        "half_value",
        "half_old",
        "marks",  # a byte for each page: whether a live table is in it
        "units",  # `LiveUnit`
        "leaves",  # `Leaves` for each page and type
        "aliases",  # a byte for each page and type, during a rescan
        "stack",  # `WaitingTable`
        "pending",  # `RemovedLeaf`
        "pending_count",
        "ends_at_barriers",  # whether a mapping ends at a barrier: see `coldline.mmu.endings`
        "tells_endings",  # whether its steps are events
        "endings",  # `Endings` for each page and type
        "unseen",  # whether a barrier may have to be noted for a mapping that is ending
        "invalidated",  # whether a TLB invalidation is not complete
        "rescan_waits",  # what `rescan` waits for
        "tlb",  # `Translation`
        "generation",  # rows of other generations are empty
        "translations",  # rows of this one
        "code_page",  # the translation of the page of code that was used last
        "code_generation",
        "code_physical",
        "used",  # a byte for each page: whether the core has used it
    ),
    ("bank_base", WORD * MAX_BANKS),
    ("bank_size", WORD * MAX_BANKS),
    ("bank_pointer", WORD * MAX_BANKS),
    ("bank_page", WORD * MAX_BANKS),  # the number of the first page
    *((name, WORD * LEVELS) for name in REGISTERS),
    *STAGE2_FIELDS,
)
"""The fields of a record whose tables are followed."""


class View:
    """The view's part of a record, and its arrays.

    Parameters
    ----------
    record : SharedRecord
        A record with `VIEW_FIELDS`.
    banks : sequence of (base, buffer)
        RAM: the physical address and the writable bytes of each bank.
    stage2 : int
        The stage 2 below the core's own translation, if it is the same for all of RAM: see `coldline.arm.stage2`.
    slots : int
        The pages of intermediate addresses whose leaves are counted; 0 where they are those of RAM.
    """

    def __init__(
        self,
        record: SharedRecord,
        banks: Sequence[tuple[int, memoryview]],
        *,
        stage2: int = stage2_types.STAGE2_NORMAL_WB,
        slots: int = 0,
    ) -> None:
        self._record = record
        self.ram = [memoryview(buffer) for _, buffer in banks]
        pages = sum(len(ram) for ram in self.ram) // PAGE_SIZE
        leaves = (slots or pages) * (LeafKind.COUNT // 2)
        for name, size in (
            ("tlb", TLB_ENTRIES * Translation.SIZE),
            ("marks", pages),
            ("used", pages),
            ("units", pages * UNITS * LiveUnit.SIZE),
            ("leaves", leaves * Leaves.SIZE),
            ("aliases", leaves),
            ("stack", STACK * WaitingTable.SIZE),
            ("pending", PENDING * RemovedLeaf.SIZE),
            ("endings", leaves * Endings.SIZE),
        ):
            record.allocate(name, size)
        record["pages"], record["banks"] = pages, len(banks)
        record["generation"] = 1
        record["half_at"] = NOWHERE
        record["stage2"] = stage2
        record["silent"] = stage2_types.forces_write_back(stage2)
        page = 0
        for index, ((base, _), ram) in enumerate(zip(banks, self.ram, strict=True)):
            for name, value in (
                ("bank_base", base),
                ("bank_size", len(ram)),
                ("bank_pointer", address_of(ram)),
                ("bank_page", page),
            ):
                record.set_item(name, index, value)
            page += len(ram) // PAGE_SIZE

    def register(self, name: str, level: int) -> int:
        """Return a system register of an exception level, as last written."""
        return self._record.item(name, level)

    def set_register(self, name: str, level: int, value: int) -> None:
        """Note that a system register was written."""
        self._record.set_item(name, level, value)

    def forget_translations(self) -> None:
        """Forget every translation."""
        self._record["generation"] += 1
        self._record["translations"] = 0

    def used_ranges(self) -> list[tuple[int, int]]:
        """Return the addresses and sizes, in bytes, of the RAM that the core has used, in whole pages."""
        ranges = []
        used = self._record.array("used")
        for index, ram in enumerate(self.ram):
            first, base = self._record.item("bank_page", index), self._record.item("bank_base", index)
            pages = used[first : first + len(ram) // PAGE_SIZE]
            ranges += [
                (base + run.start() * PAGE_SIZE, (run.end() - run.start()) * PAGE_SIZE)
                for run in re.finditer(rb"\x01+", pages)
            ]
        return ranges

    def code_bytes(self, address: int, size: int) -> bytes:
        """Return the bytes at a virtual address in the last used page of code; none if it is not in RAM."""
        return self.bytes_at(self._record["code_physical"] & ADDRESS_MASK | address & (PAGE_SIZE - 1), size)

    def put_bytes(self, physical: int, data: bytes | bytearray) -> None:
        """Put bytes at a physical address, within one bank, as a debugger does."""
        for index, ram in enumerate(self.ram):
            offset = physical - self._record.item("bank_base", index)
            if 0 <= offset < len(ram):
                ram[offset : offset + len(data)] = data

    def bytes_at(self, physical: int, size: int) -> bytes:
        """Return the bytes at a physical address, up to the end of their bank; none if it is not in RAM."""
        for index, ram in enumerate(self.ram):
            offset = physical - self._record.item("bank_base", index)
            if 0 <= offset < len(ram):
                return bytes(ram[offset : offset + size])
        return b""
