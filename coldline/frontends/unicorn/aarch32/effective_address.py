# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the address that a load or a store of A32 or T32 uses: the emulator tells only its page."""

from collections.abc import Callable
from functools import cache
from typing import Any

from unicorn import arm_const as arm

_WORD = 0xFFFF_FFFF


def first_address(code: bytes, pc: int, read: Callable[[int], int], *, thumb: bool) -> int | None:
    """Return the lowest address that an instruction accesses, before it is executed; None if it is unknown.

    Parameters
    ----------
    code : bytes
        The instruction.
    pc : int
        Its virtual address.
    read : callable
        Reads a register, by the emulator's number.
    thumb : bool
        Whether it is a T32 instruction.
    """
    engine, kinds = _engine(thumb), _constants()
    insn = next(engine.disasm(code, pc, 1), None)
    if insn is None or not insn.operands:
        return None

    def register(number: int) -> int:
        if number == kinds.ARM_REG_PC:
            return pc + 4 & ~3 if thumb else pc + 8
        return read(getattr(arm, f"UC_ARM_REG_{engine.reg_name(number).upper()}"))

    for operand in insn.operands:
        if operand.type == kinds.ARM_OP_MEM:
            base = register(operand.mem.base)
            if "]," in insn.op_str:  # post-indexed: the offset is added afterwards
                return base
            index = 0
            if operand.mem.index:
                index = register(operand.mem.index)
                if operand.shift.type not in (kinds.ARM_SFT_INVALID, kinds.ARM_SFT_LSL):
                    return None
                index = (index << operand.shift.value) * (-1 if operand.subtracted else 1)
            return base + operand.mem.disp + index & _WORD
    return _of_several(insn, kinds, register)


def _of_several(insn: Any, kinds: Any, register: Callable[[int], int]) -> int | None:
    """The lowest address of LDM, STM, PUSH or POP."""
    stack = {kinds.ARM_INS_PUSH: -4 * len(insn.operands), kinds.ARM_INS_POP: 0}
    if insn.id in stack:
        return register(kinds.ARM_REG_SP) + stack[insn.id] & _WORD
    size = 4 * (len(insn.operands) - 1)
    after = {
        kinds.ARM_INS_LDM: 0,
        kinds.ARM_INS_STM: 0,
        kinds.ARM_INS_LDMIB: 4,
        kinds.ARM_INS_STMIB: 4,
        kinds.ARM_INS_LDMDB: -size,
        kinds.ARM_INS_STMDB: -size,
        kinds.ARM_INS_LDMDA: 4 - size,
        kinds.ARM_INS_STMDA: 4 - size,
    }.get(insn.id)
    return None if after is None else register(insn.operands[0].reg) + after & _WORD


@cache
def _constants() -> Any:
    from capstone import arm as constants

    return constants


@cache
def _engine(thumb: bool) -> Any:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB if thumb else capstone.CS_MODE_ARM)
    engine.detail = True
    return engine
