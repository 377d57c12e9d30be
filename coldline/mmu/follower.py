# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows a core's translation tables for a front end that calls it at each operation of the core."""

import ctypes
from collections.abc import Sequence
from typing import Final

from coldline.arm import MemoryType
from coldline.arm import stage2 as stage2_types
from coldline.arm.fields import Sctlr, SctlrV7
from coldline.events import words
from coldline.events.agent_names import FIRST_VCPU, agents_of
from coldline.events.source import Sink
from coldline.events.words import EventWords
from coldline.jit import code_cache, programs
from coldline.jit.shared_record import SharedRecord, record_of
from coldline.mmu import view
from coldline.mmu.registers import TableCode, follow_registers
from coldline.mmu.view import ADDRESS_MASK, REGISTERS, TAG_SHIFT, VMSA64, View

FollowerRecord = record_of(words.WORDS_FIELDS, view.VIEW_FIELDS)
"""The type of the follower's record."""

_WORD: Final = 8
_POINTER, _NUMBER, _FLAG = ctypes.c_void_p, ctypes.c_int64, ctypes.c_bool


class TableFollower:
    """Follows the tables of one core.

    Parameters
    ----------
    banks : sequence of (base, buffer)
        RAM: the physical address and the writable bytes of each bank. `store` changes them.
    vcpu : str
        The core's name in the trace.
    level : int
        Its exception level, 1 or 2.
    table_format : int
        `VMSA64`, `LPAE` or `SHORT`.
    stage2 : int
        See `View`.
    two_types : bool
        Whether a walk may have an inner and an outer type, as in version 2 of a trace; else the weaker is taken.
    """

    def __init__(
        self,
        banks: Sequence[tuple[int, memoryview]],
        *,
        vcpu: str = FIRST_VCPU,
        level: int = 1,
        table_format: int = VMSA64,
        stage2: int = stage2_types.STAGE2_NORMAL_WB,
        two_types: bool = False,
    ) -> None:
        self._record = SharedRecord(FollowerRecord)
        self._events = EventWords(self._record, instructions=False)
        self._view = View(self._record, banks, stage2=stage2)
        self._agents = agents_of(vcpu)
        self._level = level
        self._record["el"], self._record["format"] = level, table_format
        self._record["two_types"] = two_types
        addresses = code_cache.load_code(programs.PAGE_TABLES)
        self._code = TableCode(self._record.pointer, addresses)
        self._store = ctypes.CFUNCTYPE(None, _POINTER, _NUMBER, _NUMBER, _NUMBER)(addresses["store"])
        self._settle_half = ctypes.CFUNCTYPE(None, _POINTER)(addresses["settle_half"])
        self._invalidate = ctypes.CFUNCTYPE(_FLAG, _POINTER, _FLAG, _NUMBER)(addresses["invalidate_tlb"])
        self._translate = ctypes.CFUNCTYPE(_NUMBER, _POINTER, _NUMBER)(addresses["translate"])
        if not self._record["silent"]:
            # The core starts with MMU and caches off; in a trace they are on by default.
            self._record["introduced"] = 1
            self._code.switch(0, Sctlr.M.mask | Sctlr.C.mask | Sctlr.I.mask)

    def write_register(self, name: str, value: int) -> None:
        """Follow a write of a system register of the core's exception level, one of `REGISTERS`."""
        if name not in REGISTERS:
            raise ValueError(f"{name} does not decide what an access is; choose from: {', '.join(REGISTERS)}")
        self._settle_half(self._record.pointer)
        before = self._view.register(name, self._level)
        self._view.set_register(name, self._level, value)
        changes = {name: (before, value)} if value != before else {}
        remaps = 0 if self._record["format"] == VMSA64 else SctlrV7.TRE.mask
        follow_registers(self._record, self._view, self._code, changes, remaps=remaps)

    def store(self, address: int, data: bytes) -> None:
        """Store bytes at a physical address; leaves that become valid count from now on."""
        for bank, ram in enumerate(self._view.ram):
            offset = address - self._record.item("bank_base", bank)
            if 0 <= offset < len(ram):
                for start in range(0, len(data), _WORD):
                    piece = data[start : start + _WORD]
                    value = int.from_bytes(piece, "little")
                    signed = value - (1 << 64) if value >> 63 else value
                    self._store(self._record.pointer, address + start, len(piece), signed)
                    ram[offset + start : offset + start + len(piece)] = piece
                return
        raise ValueError(f"no RAM at {address:#x}")

    def invalidate_tlb(self, address: int | None = None, size: int = 1) -> None:
        """Follow a TLB invalidation, of some bytes of virtual addresses or of everything; removed leaves end now."""
        self._settle_half(self._record.pointer)
        first = 0 if address is None else address
        self._invalidate(self._record.pointer, address is None, first, first + size - 1)

    def translate(self, address: int) -> tuple[int, MemoryType | None] | None:
        """Translate a virtual address; the walk is an event unless the translation is remembered.

        Returns
        -------
        tuple of int and MemoryType, or None
            The physical address and the type; the type is None with the MMU off and outside of RAM. None for a
            translation fault.
        """
        found = self._translate(self._record.pointer, address)
        if found < 0:
            return None
        tag = found >> TAG_SHIFT
        return found & ADDRESS_MASK, MemoryType(tag - 1) if tag else None

    def hand_over(self, sink: Sink) -> None:
        """Hand the events so far to `sink`."""
        self._code.settle()
        self._events.hand_over(sink, self._agents, self._code.unpack)
