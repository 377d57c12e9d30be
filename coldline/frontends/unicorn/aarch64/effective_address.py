# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the address that a load, a store or a cache operation uses: the emulator tells only its page."""

from collections.abc import Callable
from functools import cache
from typing import Any

from unicorn import arm64_const as arm64

_WORD = (1 << 64) - 1


def effective_address(code: bytes, pc: int, read: Callable[[int], int]) -> int | None:
    """Return the first address that an A64 instruction accesses, before it is executed; None if it is unknown.

    Parameters
    ----------
    code : bytes
        The instruction.
    pc : int
        Its virtual address.
    read : callable
        Reads a register, by the emulator's number.
    """
    engine, kinds = _engine(), _constants()
    insn = next(engine.disasm(code, pc, 1), None)
    if insn is None or not insn.operands:
        return None
    last = insn.operands[-1]
    for operand in insn.operands:
        if operand.type != kinds.ARM64_OP_MEM:
            continue
        base = _register(engine, operand.mem.base, read)
        if "]," in insn.op_str:  # post-indexed: the offset is added afterwards
            return base
        return base + operand.mem.disp + _offset(engine, operand, read) & _WORD
    if insn.mnemonic.startswith("ldr") and last.type == kinds.ARM64_OP_IMM:
        return int(last.imm) & _WORD  # relative to the program counter
    if insn.mnemonic in ("dc", "ic") and last.type == kinds.ARM64_OP_REG:
        return _register(engine, last.reg, read)
    return None


def _offset(engine: Any, operand: Any, read: Callable[[int], int]) -> int:
    """The value of the index register, extended and shifted as the operand says."""
    if not operand.mem.index:
        return 0
    value = _register(engine, operand.mem.index, read)
    if engine.reg_name(operand.mem.index).startswith("w"):
        value &= 0xFFFF_FFFF
        if operand.ext == _constants().ARM64_EXT_SXTW and value >> 31:
            value -= 1 << 32
    return value << int(operand.shift.value)


def _register(engine: Any, number: int, read: Callable[[int], int]) -> int:
    name = engine.reg_name(number)
    return 0 if name in ("xzr", "wzr") else read(getattr(arm64, f"UC_ARM64_REG_{name.upper()}"))


@cache
def _engine() -> Any:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
    engine.detail = True
    return engine


def _constants() -> Any:
    import capstone

    return capstone.arm64
