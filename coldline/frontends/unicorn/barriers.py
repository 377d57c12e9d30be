# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the barriers in a block of code, and appends their events in program order. Imported only to compile.

The emulator has no callback for a barrier. So the first barrier of a block is looked for as the block is entered.
Before an event of a later instruction is appended, and as the block is left, the barriers before it are.

A DSB is one here if its domain is the inner shareable one or a wider one, and its types are loads and stores; one of
the non-shareable domain (DSB NSH) is an event of its own. One for stores alone (DSB ISHST) completes no cache
maintenance, whatever its domain (Arm ARM DDI 0487I.a B2.3.11 "Data Synchronization Barrier": "If the required access
types of the DSB is reads and writes, ... All cache maintenance instructions"). It does complete stores: those of
descriptors are visible to walks then (see `coldline.mmu.endings`). That of others is left out, as is what a DMB for
stores alone orders: less is complete than could be. An exception return is an ISB (D1.4.4
"Context synchronization events").
"""

from typing import Any

from coldline.arm import cp15
from coldline.events.appending import emit
from coldline.events.batch import InstructionState
from coldline.events.op import Op
from coldline.frontends.unicorn.code_places import at_instruction, code_at
from coldline.jit.intrinsics import compiled, int64, load16, load32, uint64
from coldline.mmu.endings import STORES_ALONE, end_by_barrier
from coldline.mmu.memory import PAGE_MASK
from coldline.mmu.translation import translate_code
from coldline.mmu.view import NOWHERE

_DSB, _DMB, _ISB, _DSB_NSH = int(Op.DSB), int(Op.DMB), int(Op.ISB), int(Op.DSB_NSH)
_A64, _T32 = int(InstructionState.A64), int(InstructionState.T32)
_NONE = -1
_FULL, _INNER, _OUTER, _OWN = 0b1111, 0b1011, 0b0011, 0b0111
"""The options SY, ISH, OSH and NSH."""

_A64_SYSTEM_MASK, _A64_SYSTEM = 0xFC00_0000, 0xD400_0000
"""Every barrier and every exception return is a system instruction or a branch to a register, as few others are."""


@compiled
def _by_option(op: int, option: int) -> int:
    """A DSB or a DMB; `_NONE` if it covers loads alone, or too small a domain; `STORES_ALONE` for a DSB of stores."""
    if op == _DSB and option == _OWN:
        return _DSB_NSH
    if op == _DSB and option & 3 == 2:
        return STORES_ALONE
    return op if option in (_FULL, _INNER, _OUTER) else _NONE


@compiled
def _a64(word: int) -> int:
    """The barrier that an A64 instruction is (Arm ARM DDI 0487 C4.1.94, C6.2 ERET, ERETAA, ERETAB)."""
    if word & 0xFFFF_F0FF == 0xD503_309F:
        return _by_option(_DSB, word >> 8 & 0xF)
    if word & 0xFFFF_F0FF == 0xD503_30BF:
        return _by_option(_DMB, word >> 8 & 0xF)
    if word & 0xFFFF_F0FF == 0xD503_30DF or word in (0xD69F_03E0, 0xD69F_0BFF, 0xD69F_0FFF):
        return _ISB
    return _NONE


@compiled
def _a32(word: int) -> int:
    """The barrier that an A32 instruction is; a conditional return is none (Arm ARM DDI 0406C A5.7, B9.3)."""
    if word & 0xFFFF_FF00 == 0xF57F_F000:
        kind, option = word >> 4 & 0xF, word & 0xF
        return _by_option(_DSB, option) if kind == 4 else _by_option(_DMB, option) if kind == 5 else _ISB
    if word & 0xFE50_FFFF == 0xF810_0A00 or word == 0xE160_006E:  # RFE, ERET
        return _ISB
    if word >> 28 != 0xE:
        return _NONE
    if word & 0x0E50_8000 == 0x0850_8000:  # LDM with PC and ^
        return _ISB
    # MOVS PC, SUBS PC and the like: data processing with S set, but for comparisons and register shifts.
    computes = word & 0x0C10_F000 == 0x0010_F000 and word >> 23 & 3 != 2
    return _ISB if computes and (word >> 25 & 1 or not word >> 4 & 1) else _NONE


@compiled
def _t32(first: int, second: int) -> int:
    """The barrier that the two halfwords of a T32 instruction are (Arm ARM DDI 0406C A6.3.4, B9.3)."""
    if first == 0xF3BF and second & 0xFF00 == 0x8F00:
        kind, option = second >> 4 & 0xF, second & 0xF
        if kind == 4:
            return _by_option(_DSB, option)
        if kind == 5:
            return _by_option(_DMB, option)
        return _ISB if kind == 6 else _NONE
    returns = first == 0xF3DE and second & 0xFF00 == 0x8F00  # SUBS PC, LR and ERET
    restores = second == 0xC000 and (first & 0xFFD0 == 0xE810 or first & 0xFFD0 == 0xE990)  # RFE
    return _ISB if returns or restores else _NONE


@compiled
def _second_half(s: Any, address: int, code: Any) -> int:
    """The second half of the T32 instruction at a virtual address; its first half is at `code` in this process."""
    if (address & PAGE_MASK) != PAGE_MASK - 1:
        return int64(load16(code + uint64(2)))
    code = code_at(s, translate_code(s, address + 2))
    return int64(load16(code)) if code else 0


@compiled
def _find_a64(s: Any, at: Any) -> None:
    """Note the first barrier of a block of A64 instructions from virtual address `at` on."""
    while at < s.barrier_end:
        word = int64(load32(s.barrier_code + (at - s.block)))
        if word & _A64_SYSTEM_MASK == _A64_SYSTEM:
            op = _a64(word)
            if op != _NONE:
                s.barrier_at, s.barrier_op = at, uint64(op)
                return
        at += uint64(4)


@compiled
def _find(s: Any, at: int) -> None:
    """Note the first barrier of the block from virtual address `at` on."""
    s.barrier_at = uint64(NOWHERE)
    instructions, condition = int64(s.barrier_set), 0
    if instructions == _A64:
        _find_a64(s, uint64(at))
        return
    while at < int64(s.barrier_end):
        code = s.barrier_code + (uint64(at) - s.block)
        length = 4
        if instructions != _T32:
            op = _a32(int64(load32(code)))
        else:
            first, op = int64(load16(code)), _NONE
            if not cp15.is_long(first):
                length = 2
            elif not condition:
                op = _t32(first, _second_half(s, at, code))
            condition = cp15.advance_it(condition) if condition else cp15.it_state(first)
        if op != _NONE:
            s.barrier_at, s.barrier_op = uint64(at), uint64(op)
            return
        at += length


@compiled
def find_barriers(s: Any, code: Any, size: int, instructions: int) -> bool:
    """Look for barriers in the block that is entered, at `code` in this process; return whether it has any."""
    s.barrier_code, s.barrier_set = code, uint64(instructions)
    s.barrier_end = s.block + uint64(size)
    if code:
        _find(s, int64(s.block))
    return s.barrier_at != uint64(NOWHERE)


@compiled
def append_barrier(s: Any, op: int) -> None:
    """Append the event of a barrier, if it is one, and let mappings end at it."""
    if op == _DSB_NSH and s.sole_observer:
        op = _DSB
    if op != STORES_ALONE:
        emit(s, 0, 0, op, 0, 0)
    if op == _DSB and s.broadcasts != s.completed_broadcasts:
        s.completed_broadcasts = s.broadcasts
    if s.ends_at_barriers:
        end_by_barrier(s, op)


@compiled
def append_barriers(s: Any, before: Any) -> None:
    """Append the barriers of the block at virtual addresses below `before`; `NOWHERE` is above all of them."""
    while s.barrier_at < before:
        if s.locates:
            at_instruction(s, s.barrier_at)
        append_barrier(s, int64(s.barrier_op))
        _find(s, int64(s.barrier_at) + 4)


@compiled
def forget_barriers(s: Any) -> None:
    """Forget the barriers of the block that are left: it is left before them."""
    s.barrier_at = uint64(NOWHERE)
