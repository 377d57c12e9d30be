# SPDX-License-Identifier: GPL-2.0-or-later
"""A GICv3's system registers of one core, without interrupts: they keep what is stored, and nothing is pending.

The emulator's cores have no such registers and take their MSR and MRS for undefined instructions.
Source: Arm IHI 0069, chapter 12.2; Arm ARM DDI 0487 C5.1.2 for the instructions.
"""

from collections.abc import Callable
from typing import Final

from coldline.arm.fields import SystemRegister

_MOVE, _MOVE_MASK = 0xD510_0000, 0xFFD0_0000
_READS: Final = 1 << 21
_ICC_PMR_EL1: Final = SystemRegister(3, 0, 4, 6, 0)
_ICC_CTLR_EL1: Final = SystemRegister(3, 0, 12, 12, 4)
_SPURIOUS: Final = 1023
_PRIORITY_BITS: Final = 4 << 8
"""PRIbits: 5 bits of priority."""

_FIXED: Final = {
    SystemRegister(3, 0, 12, 8, 0).key: _SPURIOUS,  # ICC_IAR0_EL1
    SystemRegister(3, 0, 12, 8, 2).key: _SPURIOUS,  # ICC_HPPIR0_EL1
    SystemRegister(3, 0, 12, 12, 0).key: _SPURIOUS,  # ICC_IAR1_EL1
    SystemRegister(3, 0, 12, 12, 2).key: _SPURIOUS,  # ICC_HPPIR1_EL1
    SystemRegister(3, 0, 12, 12, 5).key: 7,  # ICC_SRE_EL1: SRE, DFB and DIB, which cannot be cleared
    SystemRegister(3, 4, 12, 9, 5).key: 0xF,  # ICC_SRE_EL2: Enable, too
}


def _is_known(key: int) -> bool:
    """Whether a register is ICC_PMR_EL1, another ICC_*_EL1, or one of `_FIXED`."""
    of_interface = key >> 7 == _ICC_CTLR_EL1.key >> 7 and (key >> 3 & 0xF) >= 8
    return key == _ICC_PMR_EL1.key or of_interface or key in _FIXED


class GicRegisters:
    """The registers of one core."""

    def __init__(self) -> None:
        self._kept = {_ICC_CTLR_EL1.key: _PRIORITY_BITS}

    def answer(self, word: int, read: Callable[[int], int], write: Callable[[int, int], None]) -> bool:
        """Do an instruction if it is an MSR or MRS of one of these registers; return whether it is.

        Parameters
        ----------
        word : int
            The instruction.
        read, write : callable
            Read and write a general-purpose register, by its number from 0 to 30.
        """
        key, register = word >> 5 & 0xFFFF, word & 31
        if word & _MOVE_MASK != _MOVE or not _is_known(key):
            return False
        if not word & _READS:
            value = read(register) if register != 31 else 0
            self._kept[key] = value | (_PRIORITY_BITS if key == _ICC_CTLR_EL1.key else 0)
        elif register != 31:
            write(register, _FIXED.get(key, self._kept.get(key, 0)))
        return True
