# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes AArch32 exceptions to the guest's own vectors, which the emulator does not do.

Source: Arm ARM DDI 0406C B1.8 (exception handling), B1.9 (the kinds of exception, and the pseudocode of taking them)
and B3.13 (fault status).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import unicorn
from unicorn import arm_const as arm

from coldline.arm import cp15
from coldline.arm.cp15 import Cp15
from coldline.arm.fields import SctlrV7

THUMB: Final = 1 << 5
"""CPSR's T (B1.3.3)."""

_HIGH_VECTORS: Final = 0xFFFF_0000
_MODE: Final = 0x1F
_J_AND_IT: Final = 0x0700_FC00
_BIG_ENDIAN, _MASK_ABORTS, _MASK_IRQS = 1 << 9, 1 << 8, 1 << 7
_LONG_FORMAT, _WRITE_NOT_READ = 1 << 9, 1 << 11
_DEBUG_EVENT: Final = 0b00010
_LONG_DEBUG_EVENT: Final = 0b100010


class Vector(NamedTuple):
    """What is particular to one kind of exception (tables B1-3, B1-4 and B1-7).

    Attributes
    ----------
    offset : int
        Its vector's offset from the base.
    mode : int
        The mode that it is taken to.
    after, after_thumb : int
        What LR is after the address of the instruction, which for an SVC is the next one.
    masks : int
        The bits of CPSR that it sets.
    """

    offset: int
    mode: int
    after: int
    after_thumb: int
    masks: int = _MASK_IRQS


UNDEFINED_INSTRUCTION: Final = Vector(0x04, 0x1B, 4, 2)
SUPERVISOR_CALL: Final = Vector(0x08, 0x13, 0, 0)
PREFETCH_ABORT: Final = Vector(0x0C, 0x17, 4, 4, _MASK_ABORTS | _MASK_IRQS)
DATA_ABORT: Final = Vector(0x10, 0x17, 8, 8, _MASK_ABORTS | _MASK_IRQS)


class VectorTable:
    """The vectors of one core.

    Parameters
    ----------
    emulator : unicorn.Uc
        The core.
    read, write : callable
        Read and write one of its CP15 registers.
    """

    def __init__(
        self, emulator: unicorn.Uc, read: Callable[[Cp15], int], write: Callable[[Cp15, int], None]
    ) -> None:
        self._emulator, self._read, self._write = emulator, read, write

    def address(self, vector: Vector) -> int:
        """Return the address of a vector (B1.8.1)."""
        high = SctlrV7.V.get(self._read(cp15.SCTLR))
        return (_HIGH_VECTORS if high else self._read(cp15.VBAR)) + vector.offset

    def enter(self, vector: Vector, at: int) -> None:
        """Enter a vector because of the instruction at an address, or after it if it was an SVC."""
        before, sctlr = int(self._emulator.reg_read(arm.UC_ARM_REG_CPSR)), self._read(cp15.SCTLR)
        thumb = bool(SctlrV7.TE.get(sctlr))
        after = before & ~(_MODE | _J_AND_IT | THUMB | _BIG_ENDIAN) | vector.mode | vector.masks
        after |= (THUMB if thumb else 0) | (_BIG_ENDIAN if SctlrV7.EE.get(sctlr) else 0)
        self._emulator.reg_write(arm.UC_ARM_REG_CPSR, after)
        self._emulator.reg_write(arm.UC_ARM_REG_SPSR, before)
        offset = vector.after_thumb if before & THUMB else vector.after
        self._emulator.reg_write(arm.UC_ARM_REG_LR, at + offset & 0xFFFF_FFFF)
        self._emulator.reg_write(arm.UC_ARM_REG_PC, self.address(vector) | (1 if thumb else 0))

    def enter_breakpoint(self, at: int, *, long: bool) -> None:
        """Enter the vector of prefetch aborts for a BKPT; `long` is the format of the tables."""
        self._write(cp15.IFSR, _LONG_FORMAT | _LONG_DEBUG_EVENT if long else _DEBUG_EVENT)
        self.enter(PREFETCH_ABORT, at)

    def enter_fetch_abort(self, at: int, level: int, *, long: bool) -> None:
        """Enter the vector of prefetch aborts for a translation fault at a level."""
        self._write(cp15.IFSR, _translation_fault(level, long=long))
        self._write(cp15.IFAR, at)
        self.enter(PREFETCH_ABORT, at)

    def enter_data_abort(self, at: int, address: int, level: int, *, write: bool, long: bool) -> None:
        """Enter the vector of data aborts for a translation fault at a level; DFSR's domain is 0."""
        self._write(cp15.DFSR, _translation_fault(level, long=long) | (_WRITE_NOT_READ if write else 0))
        self._write(cp15.DFAR, address)
        self.enter(DATA_ABORT, at)


def _translation_fault(level: int, *, long: bool) -> int:
    """The fault status (tables B3-23 and B3-24). Without a walk, as beyond the tables, it is that of level 1."""
    level = max(level, 1)
    return _LONG_FORMAT | 0b000100 | level if long else 0b00101 if level == 1 else 0b00111
