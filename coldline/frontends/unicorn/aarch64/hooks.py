# SPDX-License-Identifier: GPL-2.0-or-later
"""The callbacks for AArch64, compiled. The emulator has callbacks for SYS, MSR and MRS."""

from typing import Any

import numpy as np
from numba import carray, cfunc, types
from unicorn import arm64_const

from coldline.arm.fields import ID_AA64MMFR0_EL1, MPIDR_EL1
from coldline.arm.maintenance import TLBI_CRN
from coldline.events.batch import InstructionState
from coldline.events.op import Op
from coldline.frontends.unicorn.aarch64.watched_registers import COUNTERS, WATCHED
from coldline.frontends.unicorn.accesses import (
    STOPPED,
    answer_tlb,
    begin_block,
    invalidate_other_level,
    invalidate_tlb,
    maintain,
    pass_barriers,
    read_register,
    run_block,
    stop,
    write_register,
)
from coldline.frontends.unicorn.barriers import (
    append_barrier,
    append_barriers,
    find_barriers,
    forget_barriers,
)
from coldline.frontends.unicorn.code_places import at_instruction, code_at
from coldline.frontends.unicorn.hooks import EXPORTS as SHARED
from coldline.frontends.unicorn.hooks import STATE
from coldline.frontends.unicorn.state import OPERATION_BITS, SLEEPS, SWITCH, SYNCHRONISES
from coldline.jit.intrinsics import compiled, int64, load8, load32, load64, store8, uint64
from coldline.mmu.memory import PAGE_SHIFT
from coldline.mmu.stores import change_level
from coldline.mmu.translation import forget_translations
from coldline.mmu.view import NOWHERE

_A64 = int(InstructionState.A64)
_OPERATION = (1 << OPERATION_BITS) - 1
_TLBI_OUTER_OR_LOCAL = (3, 7)
_TLBI_BROADCAST = (1, 3)
"""CRm of the operations for the outer and the inner shareable domain (Arm ARM DDI 0487 C5.5)."""

_MEMORY_FEATURES = ID_AA64MMFR0_EL1.key
_PSTATE = arm64_const.UC_ARM64_REG_PSTATE
_WATCHED_KEYS = tuple(WATCHED)
_MPIDR = MPIDR_EL1.key
_WFE, _SEV = 0xD503205F, 0xD503209F
_ISB = int(Op.ISB)


@compiled
def _see_level(uc: Any, s: Any) -> None:
    """Notice a change of the guest's exception level; EL0 is in EL1's translation regime.

    The switches of the new level are not written here, and are in force at once: an ISB follows their events.
    """
    level = max((read_register(uc, s, _PSTATE) >> uint64(2)) & uint64(3), uint64(1))
    if level != s.el:
        change_level(s, level)
        if s.orders:
            append_barrier(s, _ISB)
        forget_translations(s)


@compiled
def _synchronises(word: int) -> bool:
    """Whether an instruction is a DMB or DSB, an exclusive, an atomic, or an acquiring or releasing access.

    Arm ARM DDI 0487 C4.1: barriers; load/store exclusive and ordered, compare and swap; atomic memory operations.
    """
    return (
        (word & 0xFFFF_F0DF) == 0xD503_309F
        or (word & 0x3F00_0000) == 0x0800_0000
        or (word & 0x3B20_0C00) == 0x3820_0000
    )


@compiled
def _note_hints(s: Any, at: Any, size: int) -> None:
    """Note the WFE that ends a block, the SEVs in it, and whether the turn is to end after it."""
    if at == uint64(0):
        return
    ends = s.yielded == uint64(0) and s.instructions >= s.synchronises_from
    for offset in range(0, size, 4):
        word = int64(load32(at + uint64(offset)))
        if word == _SEV:
            s.sent_events += uint64(1)
        elif ends and _synchronises(word):
            s.yielded = uint64(SYNCHRONISES)
    if int64(load32(at + uint64(size - 4))) == _WFE:
        s.yielded = uint64(SLEEPS)


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, STATE))
def on_block(uc: Any, address: int, size: int, user: Any) -> None:
    """Called before a block of instructions is executed; a stop here takes effect before its first one."""
    s = carray(user, (1,))[0]
    append_barriers(s, uint64(NOWHERE))
    s.block = address
    if s.has_el2:
        _see_level(uc, s)
    tagged = begin_block(uc, s, int64(address), int64(size))
    if tagged != STOPPED:
        s.instructions += uint64(size >> 2)
        if s.several:
            _note_hints(s, code_at(s, tagged), int64(size))
        if s.orders and find_barriers(s, code_at(s, tagged), int64(size), _A64) and s.skip_sync:
            store8(s.skip_sync, np.uint8(0))
        run_block(s, tagged, int64(address), int64(size))


@cfunc(types.boolean(types.voidptr, types.uint64, types.int32, types.uintp, STATE))
def on_tlb_fill(uc: Any, address: int, kind: int, entry: int, user: Any) -> bool:
    """Called when the emulator needs a translation; False is a translation fault."""
    s = carray(user, (1,))[0]
    _see_level(uc, s)
    return answer_tlb(uc, s, int64(address), kind, entry)


@compiled
def _encoding(register: int) -> int:
    """The `SystemRegister.key` of an instruction, from the emulator's description of it."""
    crn, crm = int64(load32(register)), int64(load32(register + uint64(4)))
    op0, op1 = int64(load32(register + uint64(8))), int64(load32(register + uint64(12)))
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | int64(load32(register + uint64(16)))


@compiled
def _invalidate_tlb(uc: Any, s: Any, key: int, value: Any) -> None:
    op1, crm, op2 = key >> 11 & 7, key >> 3 & 0xF, key & 7
    # At EL2 also of EL1: ALLE1, VMALLS12E1, by intermediate address, and all that EL1 has.
    level = 1 if op1 == 0 or op2 in (4, 6) or crm in (0, 4) else 2
    if level != int64(s.el):
        invalidate_other_level(uc, s)
        return
    by_address = crm in _TLBI_OUTER_OR_LOCAL and op2 & 1
    # The operand has VA[55:12]; the bits above are those of bit 55.
    broadcast = crm in _TLBI_BROADCAST
    invalidate_tlb(uc, s, by_address, (int64(value) << 20) >> 20 << PAGE_SHIFT, broadcast)


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, STATE))
def on_sys(uc: Any, register_id: int, register: int, user: Any) -> int:
    """Called at SYS: cache and TLB maintenance. Return non-zero if the emulator must not do it itself."""
    s = carray(user, (1,))[0]
    pass_barriers(uc, s)
    key = _encoding(register)
    if (key >> 7) & 0xF == TLBI_CRN:
        _invalidate_tlb(uc, s, key, load64(register + uint64(24)))
        return 0
    op = int64(load8(s.maintenance + uint64(key & _OPERATION)))
    if op:
        if s.locates:
            at_instruction(s, read_register(uc, s, np.int32(s.pc_register)))
        done = maintain(s, op - 1, int64(load64(register + uint64(24))))
        return 1 if done else 0
    return 0


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, STATE))
def on_msr(uc: Any, register_id: int, register: int, user: Any) -> int:
    """Called at MSR: a write of a watched register stops the emulator just after the write."""
    s = carray(user, (1,))[0]
    s.effects += uint64(1)
    key = _encoding(register)
    if key in _WATCHED_KEYS:
        pass_barriers(uc, s)
        forget_barriers(s)
        if s.locates:
            at_instruction(s, read_register(uc, s, np.int32(s.pc_register)))
        stop(uc, s, SWITCH)
    return 0


@cfunc(types.uint32(types.voidptr, types.int32, types.uintp, STATE))
def on_mrs(uc: Any, register_id: int, register: int, user: Any) -> int:
    """Called at MRS: the time is all cores' instructions, so each run is the same; granules are the profile's."""
    s = carray(user, (1,))[0]
    key = _encoding(register)
    if key == _MEMORY_FEATURES:
        write_register(uc, s, register_id, s.memory_features)
        return 1
    if key in COUNTERS:
        s.effects += uint64(1)
        write_register(uc, s, register_id, s.instructions + s.elapsed)
        return 1
    if key == _MPIDR:
        write_register(uc, s, register_id, s.mpidr)
        return 1
    return 0


EXPORTS = SHARED | {
    function.__name__: function for function in (on_block, on_tlb_fill, on_sys, on_msr, on_mrs)
}
