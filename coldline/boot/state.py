# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulator's callbacks and the driver share: one record, and the arrays that it points to.

Addresses of arrays are machine pointers of this process. The callbacks find everything through the one
pointer that the emulator hands them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from coldline.arm import fields
from coldline.arm.maintenance import BEYOND_COHERENCY, MAINTENANCE
from coldline.trace import PAGE_SIZE, Op
from coldline.trace.columns import EVENT_DTYPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BANKS = 4
TAG_SHIFT = 40
"""The emulator's physical addresses carry a tag from this bit: 0 with the MMU off, else 1 + the memory type."""

ADDRESS_MASK = (1 << TAG_SHIFT) - 1
TAGS = 5
TLB_ENTRIES = 1 << 16
"""Pages that a translation is remembered of; a power of two, filled to half."""

PENDING = 1024
"""Leaves that were taken out of tables and wait for a TLB invalidation."""

STACK = 2048
"""Tables that wait to be registered."""

EVENTS = 1 << 18
HEADROOM = 1 << 17
"""Rows kept free: a block of guest code and a change of its tables must fit after the last look at the level."""

KINDS = 8
"""Kinds of leaf that are counted for each page: 2 * memory type + executable."""

AGENTS = ("guest", "guest-device", "guest-nc", "guest-wt")
"""The guest's aliases by memory type: the same page mapped with two types is two agents in a trace.

``guest`` is its write-back alias, and all its accesses with the MMU off."""

# Why the callbacks stopped the emulator
RUNNING, DRAIN, LIMIT, SWITCH, FLUSH_CODE = range(5)

REGISTERS = ("sctlr", "ttbr0", "ttbr1", "tcr", "mair")
"""System registers that decide what an access is, kept for EL1 and EL2."""

ENGINE_CALLS = ("uc_emu_stop", "uc_reg_read", "uc_reg_write", "uc_ctl")
"""The emulator's functions that the callbacks call, by their addresses in the record."""

STATE_DTYPE = np.dtype(
    [
        ("events", "u8"),  # EVENT_DTYPE rows
        ("pcs", "u8"),  # a u8 for each event, or 0
        ("count", "u8"),
        ("high_water", "u8"),
        ("instructions", "u8"),
        ("limit", "u8"),
        ("accesses", "u8"),
        ("crossings", "u8"),
        ("reason", "u8"),
        ("block", "u8"),
        ("skip_sync", "u8"),
        ("scratch", "u8"),
        ("scratch_at", "u8"),
        ("banks", "u8"),
        ("el", "u8"),
        ("rooted", "u8"),
        ("has_el2", "u8"),
        ("forced", "u8"),
        ("virtual", "u8"),
        ("stale_low", "u8"),
        ("stale_high", "u8"),
        ("fault", "u8"),
        ("faulted", "u8"),
        ("tlb", "u8"),  # rows of virtual page, generation, tagged physical page
        ("generation", "u8"),
        ("translations", "u8"),
        ("code_page", "u8"),
        ("code_generation", "u8"),
        ("code_physical", "u8"),
        ("levels", "u8"),
        ("refs", "u8"),
        ("never", "u8"),
        ("lowest", "u8"),
        ("pages", "u8"),
        ("stack", "u8"),
        ("aliases", "u8"),
        ("pending", "u8"),
        ("pending_count", "u8"),
        ("rescan", "u8"),
        ("rescan_low", "u8"),
        ("rescan_high", "u8"),
        ("introduced", "u8"),
        ("sweep", "u8"),
        ("overflow", "u8"),
        ("held_address", "u8"),
        ("held_size", "u8"),
        ("held_agent", "u8"),
        ("held_before", "u8"),
        ("held_after", "u8"),
        ("stage2", "u8"),
        ("maintenance", "u8"),
        *((name, "u8") for name in ENGINE_CALLS),
        ("bank_base", "u8", (MAX_BANKS,)),
        ("bank_size", "u8", (MAX_BANKS,)),
        ("bank_pointer", "u8", (MAX_BANKS,)),
        ("bank_page", "u8", (MAX_BANKS,)),
        *((name, "u8", (3,)) for name in REGISTERS),
    ]
)
"""The record. `banks` counts the banks; registers are indexed by exception level."""

WATCHED = {
    register.key: (name, level)
    for level, registers in (
        (1, (fields.SCTLR_EL1, fields.TTBR0_EL1, fields.TTBR1_EL1, fields.TCR_EL1, fields.MAIR_EL1)),
        (2, (fields.SCTLR_EL2, fields.TTBR0_EL2, None, fields.TCR_EL2, fields.MAIR_EL2)),
    )
    for name, register in zip(REGISTERS, registers, strict=True)
    if register is not None
}
"""The registers whose writes are followed: encoding to name and exception level."""


def new_rows() -> "NDArray[np.void]":
    """Room for `EVENTS` events."""
    return np.zeros(EVENTS, EVENT_DTYPE)


class State:
    """The record and the arrays that it points to, kept alive together.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        Guest RAM: physical base and writable bytes.
    with_pcs : bool
        Whether each event's program counter is wanted.
    """

    def __init__(self, banks: Sequence[tuple[int, memoryview]], *, with_pcs: bool) -> None:
        self.record: Any = np.zeros(1, STATE_DTYPE)
        self.events = new_rows()
        self.pcs = np.zeros(EVENTS if with_pcs else 0, np.uint64)
        self.ram = [np.frombuffer(buffer, np.uint8) for _, buffer in banks]
        pages = sum(len(ram) for ram in self.ram) // PAGE_SIZE
        self._arrays: dict[str, NDArray[Any]] = {
            "events": self.events,
            "tlb": np.zeros((TLB_ENTRIES, 3), np.uint64),
            "levels": np.zeros(pages, np.uint8),
            "never": np.zeros(pages, np.uint8),
            "refs": np.zeros((pages, KINDS), np.uint16),
            "stack": np.zeros((STACK, 5), np.uint64),
            "lowest": np.zeros(pages, np.uint64),
            "aliases": np.zeros((pages, 4), np.uint8),
            "pending": np.zeros((PENDING, 4), np.uint64),
            "maintenance": maintenance_table(),
        }
        state = self.record[0]
        for name, array in self._arrays.items():
            state[name] = array.ctypes.data
        state["pcs"] = self.pcs.ctypes.data if with_pcs else 0
        state["scratch_at"] = self.record["scratch"].ctypes.data
        state["high_water"] = EVENTS - HEADROOM
        state["limit"] = 0xFFFFFFFFFFFFFFFF
        state["generation"] = 1
        state["stale_low"] = 0xFFFFFFFFFFFFFFFF
        state["pages"] = pages
        state["banks"] = len(banks)
        page = 0
        for index, ((base, _), ram) in enumerate(zip(banks, self.ram, strict=True)):
            state["bank_base"][index] = base
            state["bank_size"][index] = len(ram)
            state["bank_pointer"][index] = ram.ctypes.data
            state["bank_page"][index] = page
            page += len(ram) // PAGE_SIZE

    def use_events(self, rows: "NDArray[np.void]") -> None:
        """Write events into `rows` from now on: `EVENTS` of them."""
        if len(rows) != EVENTS:
            raise ValueError(f"{len(rows)} rows for events, not {EVENTS}")
        self.events = self._arrays["events"] = rows
        self["events"] = rows.ctypes.data

    @property
    def pointer(self) -> int:
        """Where the record is."""
        return int(self.record.ctypes.data)

    def __getitem__(self, name: str) -> int:
        return int(self.record[name][0])

    def __setitem__(self, name: str, value: int) -> None:
        self.record[name][0] = value

    def register(self, name: str, level: int) -> int:
        """A system register of an exception level, as last written."""
        return int(self.record[name][0, level])

    def set_register(self, name: str, level: int, value: int) -> None:
        """Note that a system register was written."""
        self.record[name][0, level] = value


def maintenance_table() -> "NDArray[np.uint8]":
    """1 + `Op` for each encoding of SYS (op1, CRn, CRm, op2: 14 bits) that maintains a cache, else 0."""
    table = np.zeros(1 << 14, np.uint8)
    ops = {op.words: op for op in Op}
    for name, encoding in MAINTENANCE.items():
        table[encoding.key & 0x3FFF] = 1 + ops[name]
    for encoding in BEYOND_COHERENCY.values():
        table[encoding.key & 0x3FFF] = 1 + Op.DC_CVAC
    return table
