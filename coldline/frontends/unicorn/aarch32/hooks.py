# SPDX-License-Identifier: GPL-2.0-or-later
"""The callbacks for AArch32, compiled: for blocks, which they search for accesses to CP15, and for those accesses."""

from typing import Any

import numpy as np
from numba import carray, cfunc, types
from unicorn import arm_const

from coldline.arm import cp15
from coldline.arm.maintenance import TLBI_CRN
from coldline.events.batch import InstructionState
from coldline.frontends.unicorn.aarch32.watched_registers import BARRIER_OPERATIONS, COUNTERS, WATCHED
from coldline.frontends.unicorn.accesses import (
    STOPPED,
    answer_tlb,
    begin_block,
    invalidate_tlb,
    maintain,
    pass_barriers,
    read_register,
    run_block,
    stop,
    write_register,
)
from coldline.frontends.unicorn.barriers import append_barriers, find_barriers, forget_barriers
from coldline.frontends.unicorn.code_places import at_instruction, code_at
from coldline.frontends.unicorn.hooks import EXPORTS as SHARED
from coldline.frontends.unicorn.hooks import STATE
from coldline.frontends.unicorn.state import (
    BIG_ENDIAN,
    MAX_PLACES,
    OPERATION_BITS,
    PLACES,
    SLEEPS,
    SWITCH,
    SYNCHRONISES,
)
from coldline.jit.intrinsics import compiled, int64, load8, load16, load32, load64, store8, store64, uint64
from coldline.mmu.memory import PAGE_MASK
from coldline.mmu.stores import settle_half
from coldline.mmu.translation import translate_code
from coldline.mmu.view import NOWHERE

_CPSR, _PC, _R0 = arm_const.UC_ARM_REG_CPSR, arm_const.UC_ARM_REG_PC, arm_const.UC_ARM_REG_R0
_R13, _R14 = arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR
_THUMB, _BIG_ENDIAN = 1 << 5, 1 << 9
"""CPSR's T and E (Arm ARM DDI 0406C B1.3.3)."""

_A32, _T32 = int(InstructionState.A32), int(InstructionState.T32)
_NARROW = 1 << OPERATION_BITS
"""Keys of 32-bit registers and operations are below this."""

_BY_ADDRESS = (1, 3)
_TLBI_INNER_SHAREABLE = 3
"""CRm of the operations for the inner shareable domain (Arm ARM DDI 0406C B3.18.7)."""

_WATCHED_KEYS = tuple(WATCHED)
_BARRIER_KEYS = tuple(BARRIER_OPERATIONS)
_MPIDR = cp15.MPIDR.key
_WFE, _WFE_T32, _SEV, _SEV_T32 = 0x0320F002, 0xBF20, 0x0320F004, 0xBF40
"""Hints: in A32 without their condition, in T32 as 16 bits."""


@compiled
def _instruction(s: Any, address: int, thumb: bool) -> int:
    """The instruction at a virtual address, 0 for none. A 32-bit Thumb one has its first half in the upper bits."""
    at = code_at(s, translate_code(s, address))
    if at == uint64(0):
        return 0
    if not thumb:
        return int64(load32(at))
    first = int64(load16(at))
    if not cp15.is_long(first):
        return first
    if (address & PAGE_MASK) == PAGE_MASK - 1:
        at = code_at(s, translate_code(s, address + 2))
        return first << 16 | (int64(load16(at)) if at else 0)
    return first << 16 | int64(load16(at + uint64(2)))


@compiled
def _length(s: Any, address: int, thumb: bool) -> int:
    """The size in bytes of the instruction at a virtual address."""
    if not thumb:
        return 4
    at = code_at(s, translate_code(s, address))
    return 4 if at and cp15.is_long(int64(load16(at))) else 2


@compiled
def _matters(s: Any, word: int) -> bool:
    """Whether an instruction is one that a run follows."""
    if not cp15.is_move(word):
        return False
    key = cp15.move_key(word)
    if cp15.is_read(word):
        return key in COUNTERS or key == _MPIDR
    if key in _WATCHED_KEYS:
        return True
    return key < _NARROW and ((key >> 7) & 0xF == TLBI_CRN or load8(s.maintenance + uint64(key)) != 0)


@compiled
def _is_place(s: Any, address: int) -> bool:
    known = False
    for index in range(s.place_count):
        known = known or load64(s.places + uint64(8 * index)) == uint64(address)
    return known


@compiled
def _note_places(s: Any, address: int, size: int, thumb: bool) -> bool:
    """Note the instructions that matter in a block; return whether any of them is new."""
    found = False
    at = address
    while at < address + size:
        word = _instruction(s, at, thumb)
        if _matters(s, word) and not _is_place(s, at):
            found = True
            if s.place_count < uint64(MAX_PLACES):
                store64(s.places + s.place_count * uint64(8), uint64(at))
                s.place_count += uint64(1)
        at += _length(s, at, thumb)
    return found


@compiled
def _count(s: Any, tagged: int, size: int) -> int:
    """The number of instructions in a block of Thumb code."""
    at = code_at(s, tagged)
    if at == uint64(0):
        return size >> 1
    count, offset = 0, 0
    while offset < size:
        offset += 4 if cp15.is_long(int64(load16(at + uint64(offset)))) else 2
        count += 1
    return count


@compiled
def _synchronises(word: int) -> bool:
    """Whether an A32 instruction, its condition cleared, is a DMB, a DSB or an exclusive (DDI 0406C A5.7, A5.2)."""
    return (word & 0x0FFF_FFE0) == 0x057F_F040 or (word & 0x0F80_00F0) == 0x0180_0090


@compiled
def _synchronises_t32(first: int, second: int) -> bool:
    """Whether two halfwords of Thumb code are a DMB, a DSB or an exclusive (Arm ARM DDI 0406C A6.3)."""
    return (
        (first == 0xF3BF and (second & 0xFFE0) == 0x8F40)
        or (first & 0xFFE0) == 0xE840
        or ((first & 0xFFE0) == 0xE8C0 and (second & 0xC0) == 0x40)
    )


@compiled
def _note_hints(s: Any, at: Any, size: int, thumb: bool) -> None:
    """Note the WFE that ends a block, the SEVs in it, and whether the turn is to end after it."""
    if at == uint64(0):
        return
    ends = s.yielded == uint64(0) and s.instructions >= s.synchronises_from
    before = 0
    length = 2 if thumb else 4
    for offset in range(0, size, length):
        place = at + uint64(offset)
        word = int64(load16(place)) if thumb else int64(load32(place)) & 0x0FFFFFFF
        if word == (_SEV_T32 if thumb else _SEV):
            s.sent_events += uint64(1)
        if ends and (_synchronises_t32(before, word) if thumb else _synchronises(word)):
            s.yielded = uint64(SYNCHRONISES)
        before = word
        if offset == size - length and word == (_WFE_T32 if thumb else _WFE):
            s.yielded = uint64(SLEEPS)


@cfunc(types.void(types.voidptr, types.uintp, types.uintp, STATE))
def on_edge(uc: Any, block: int, before: int, user: Any) -> None:
    """Called when the emulator has translated a block, before it enters it."""
    carray(user, (1,))[0].fresh = uint64(1)


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, STATE))
def on_block(uc: Any, address: int, size: int, user: Any) -> None:
    """Called before a block of instructions is executed; a stop here takes effect before its first one."""
    s = carray(user, (1,))[0]
    append_barriers(s, uint64(NOWHERE))
    s.block = address
    if s.locates:
        is_thumb = (s.thumb or s.fresh) and int64(read_register(uc, s, _CPSR)) & _THUMB
        s.instruction_set = uint64(_T32 if is_thumb else _A32)
    settle_half(s)
    tagged = begin_block(uc, s, int64(address), int64(size))
    if tagged == STOPPED:
        return
    thumb = False
    if s.thumb or s.fresh:
        cpsr = int64(read_register(uc, s, _CPSR))
        thumb = cpsr & _THUMB != 0
        if cpsr & _BIG_ENDIAN:
            stop(uc, s, BIG_ENDIAN)
            return
    if s.fresh:
        s.fresh = uint64(0)
        if thumb:
            s.thumb = uint64(1)
        if _note_places(s, int64(address), int64(size), thumb):
            stop(uc, s, PLACES)
            return
    if s.several:
        _note_hints(s, code_at(s, tagged), int64(size), thumb)
    if s.orders:
        instructions = _T32 if thumb else _A32
        if find_barriers(s, code_at(s, tagged), int64(size), instructions) and s.skip_sync:
            store8(s.skip_sync, np.uint8(0))
    resumed = address == s.resume_at
    s.resume_at = uint64(NOWHERE)
    if not resumed:
        s.instructions += uint64(_count(s, tagged, int64(size)) if thumb else int64(size) >> 2)
        run_block(s, tagged, int64(address), int64(size))


@cfunc(types.boolean(types.voidptr, types.uint64, types.int32, types.uintp, STATE))
def on_tlb_fill(uc: Any, address: int, kind: int, entry: int, user: Any) -> bool:
    """Called when the emulator needs a translation; False is a translation fault."""
    return answer_tlb(uc, carray(user, (1,))[0], int64(address), kind, entry)


@compiled
def _general(number: int) -> int:
    """The emulator's number for a core register."""
    return _R13 if number == 13 else _R14 if number == 14 else _R0 + number


@compiled
def _condition(s: Any, address: int, word: int, thumb: bool) -> int:
    """The condition of the instruction at an address in the present block: in Thumb, that of an IT before it."""
    if not thumb:
        return (word >> 28) & 0xF
    state, at = 0, int64(s.block)
    while at < address:
        length = _length(s, at, True)
        if state:
            state = cp15.advance_it(state)
        elif length == 2:
            state = cp15.it_state(_instruction(s, at, True))
        at += length
    return cp15.it_condition(state)


@compiled
def _answer_read(uc: Any, s: Any, address: int, word: int, thumb: bool) -> None:
    """Return the core's number, or all cores' instructions as the time; continue after the guest's read of it."""
    now = s.mpidr if cp15.move_key(word) == _MPIDR else s.instructions + s.elapsed
    s.effects += uint64(1)
    write_register(uc, s, _general(cp15.first_register(word)), now & uint64(0xFFFFFFFF))
    if cp15.is_wide(word):
        write_register(uc, s, _general(cp15.second_register(word)), now >> uint64(32))
    s.resume_at = uint64(address + 4)
    s.fresh = uint64(1)
    write_register(uc, s, _PC, uint64(address + 4 + (1 if thumb else 0)))


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, STATE))
def on_move(uc: Any, at: int, size: int, user: Any) -> None:
    """Called before a noted instruction is executed; its condition may fail, or the code may have changed."""
    s = carray(user, (1,))[0]
    cpsr, address = int64(read_register(uc, s, _CPSR)), int64(at)
    thumb = cpsr & _THUMB != 0
    at_instruction(s, at)
    word = _instruction(s, address, thumb)
    if not _matters(s, word) or not cp15.passes(_condition(s, address, word, thumb), cpsr):
        return
    pass_barriers(uc, s)
    if cp15.is_read(word):
        forget_barriers(s)
        _answer_read(uc, s, address, word, thumb)
        return
    settle_half(s)
    key = cp15.move_key(word)
    if key not in _BARRIER_KEYS:
        s.effects += uint64(1)
    value = read_register(uc, s, _general(cp15.first_register(word)))
    if cp15.is_wide(word):
        value |= read_register(uc, s, _general(cp15.second_register(word))) << uint64(32)
    if key in _WATCHED_KEYS:
        forget_barriers(s)
        s.trapped, s.trapped_value, s.trapped_at = uint64(key), value, uint64(address)
        stop(uc, s, SWITCH)
    elif (key >> 7) & 0xF == TLBI_CRN:
        broadcast = (key >> 3) & 0xF == _TLBI_INNER_SHAREABLE
        invalidate_tlb(uc, s, key & 7 in _BY_ADDRESS, int64(value) & ~PAGE_MASK, broadcast)
    else:
        maintain(s, int64(load8(s.maintenance + uint64(key))) - 1, int64(value))


EXPORTS = SHARED | {function.__name__: function for function in (on_block, on_tlb_fill, on_edge, on_move)}
