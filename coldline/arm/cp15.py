# SPDX-License-Identifier: GPL-2.0-or-later
"""Armv7's system control coprocessor, CP15: its registers and operations, and the instructions that reach them.

Functions on plain integers, so that Numba can compile them as they are. Source: Arm ARM DDI 0406C,
A8.8.98 (MCR), A8.8.99 (MCRR), A8.3 (conditional execution) and B3.17 (the registers of a VMSA implementation).
"""

from typing import NamedTuple

_WIDE = 1 << 14


class Cp15(NamedTuple):
    """The encoding of a register or an operation in MCR and MRC: CRn, opc1, CRm, opc2."""

    crn: int
    opc1: int
    crm: int
    opc2: int

    @property
    def key(self) -> int:
        """The same as one number, in the order of `SystemRegister.key`: 14 bits."""
        return self.opc1 << 11 | self.crn << 7 | self.crm << 3 | self.opc2


class Cp15Wide(NamedTuple):
    """The encoding of a 64-bit register in MCRR and MRRC: CRm, opc1."""

    crm: int
    opc1: int

    @property
    def key(self) -> int:
        """The same as one number, unlike any `Cp15.key`."""
        return _WIDE | self.opc1 << 11 | self.crm << 3


MPIDR = Cp15(0, 0, 0, 5)
SCTLR = Cp15(1, 0, 0, 0)
TTBR0 = Cp15(2, 0, 0, 0)
TTBR1 = Cp15(2, 0, 0, 1)
TTBCR = Cp15(2, 0, 0, 2)
TTBR0_WIDE = Cp15Wide(2, 0)
TTBR1_WIDE = Cp15Wide(2, 1)
DFSR = Cp15(5, 0, 0, 0)
IFSR = Cp15(5, 0, 0, 1)
DFAR = Cp15(6, 0, 0, 0)
IFAR = Cp15(6, 0, 0, 2)
VBAR = Cp15(12, 0, 0, 0)
PRRR = Cp15(10, 0, 2, 0)
"""MAIR0 where TTBCR.EAE is set."""

NMRR = Cp15(10, 0, 2, 1)
"""MAIR1 where TTBCR.EAE is set."""

PMCCNTR = Cp15(9, 0, 13, 0)
CNTPCT = Cp15Wide(14, 0)
CNTVCT = Cp15Wide(14, 1)

CP15_MAINTENANCE: dict[str, Cp15] = {
    "ic ialluis": Cp15(7, 0, 1, 0),
    "ic iallu": Cp15(7, 0, 5, 0),
    "ic ivau": Cp15(7, 0, 5, 1),
    "dc ivac": Cp15(7, 0, 6, 1),
    "dc isw": Cp15(7, 0, 6, 2),
    "dc cvac": Cp15(7, 0, 10, 1),
    "dc csw": Cp15(7, 0, 10, 2),
    "dc cvau": Cp15(7, 0, 11, 1),
    "dc civac": Cp15(7, 0, 14, 1),
    "dc cisw": Cp15(7, 0, 14, 2),
}
"""Each cache maintenance operation by its name in a trace: ICIALLUIS, ICIALLU, ICIMVAU, DCIMVAC, DCISW, DCCMVAC,
DCCSW, DCCMVAU, DCCIMVAC, DCCISW (B4.2.1). The branch predictor's (BPI*) concern no data and have no event."""

CP15_BARRIERS: dict[str, Cp15] = {
    "dsb": Cp15(7, 0, 10, 4),
    "dmb": Cp15(7, 0, 10, 5),
    "isb": Cp15(7, 0, 5, 4),
}
"""Each barrier by its name in a trace: CP15DSB, CP15DMB, CP15ISB (B4.2.5), which are full system barriers."""

_ALWAYS = 14
_COPROCESSOR_BITS, _MOVE, _WIDE_MOVE = 0x0F00_0F10, 0x0E00_0F10, 0x0C40_0F00
_WIDE_BITS = 0x0FE0_0F00
_READ = 1 << 20
_HVC_BITS, _HVC = 0x0FF0_00F0, 0x0140_0070
_THUMB_HVC_BITS, _THUMB_HVC = 0xFFF0_F000, 0xF7E0_8000


def is_move(word: int) -> bool:
    """Whether an instruction is MCR, MRC, MCRR or MRRC of coprocessor 15; one of Thumb's has its first half above."""
    if word >> 28 == 15:
        return False
    return word & _COPROCESSOR_BITS == _MOVE or word & _WIDE_BITS == _WIDE_MOVE


def is_wide(word: int) -> bool:
    """Whether an instruction, for which `is_move` is true, moves 64 bits: MCRR or MRRC."""
    return word & _WIDE_BITS == _WIDE_MOVE


def is_read(word: int) -> bool:
    """Whether an instruction, for which `is_move` is true, reads the coprocessor: MRC or MRRC."""
    return word & _READ != 0


def move_key(word: int) -> int:
    """The `key` of the register that a move reads or writes, or of the operation that it performs."""
    if is_wide(word):
        return _WIDE | ((word >> 4) & 0xF) << 11 | (word & 0xF) << 3
    opc1, crn, crm, opc2 = (word >> 21) & 7, (word >> 16) & 0xF, word & 0xF, (word >> 5) & 7
    return opc1 << 11 | crn << 7 | crm << 3 | opc2


def first_register(word: int) -> int:
    """Rt of a move: the number of a core register."""
    return (word >> 12) & 0xF


def second_register(word: int) -> int:
    """Rt2 of a wide move: the number of the core register for the upper half."""
    return (word >> 16) & 0xF


def is_hvc(word: int, thumb: bool) -> bool:
    """Whether an instruction is HVC."""
    return word & _THUMB_HVC_BITS == _THUMB_HVC if thumb else word & _HVC_BITS == _HVC


def is_long(halfword: int) -> bool:
    """Whether a Thumb instruction that begins with `halfword` has another one (A6.1)."""
    return halfword >> 11 >= 0b11101


def it_state(halfword: int) -> int:
    """ITSTATE after a Thumb instruction of one halfword: the new one if it is IT, else 0 (A8.8.54)."""
    return halfword & 0xFF if halfword & 0xFF00 == 0xBF00 and halfword & 0xF else 0


def advance_it(state: int) -> int:
    """ITSTATE after one more instruction of an IT block (A2.5.2, ITAdvance)."""
    return state & 0xE0 | (state << 1) & 0x1F if state & 7 else 0


def it_condition(state: int) -> int:
    """The condition of an instruction at ITSTATE `state`; AL outside of an IT block (A8.3.1)."""
    return state >> 4 if state & 0xF else _ALWAYS


def passes(condition: int, cpsr: int) -> bool:
    """Whether an instruction with a condition is executed (A8.3.1, ConditionPassed)."""
    n, z, c, v = cpsr >> 31 & 1, cpsr >> 30 & 1, cpsr >> 29 & 1, cpsr >> 28 & 1
    base = condition >> 1
    if base == 0:
        held = z == 1
    elif base == 1:
        held = c == 1
    elif base == 2:
        held = n == 1
    elif base == 3:
        held = v == 1
    elif base == 4:
        held = c == 1 and z == 0
    elif base == 5:
        held = n == v
    elif base == 6:
        held = n == v and z == 0
    else:
        return True
    return held != (condition & 1 == 1)
