# SPDX-License-Identifier: GPL-2.0-or-later
"""A GICv3's system registers of one core, without interrupts: they keep what is stored, and nothing is pending.

Source: Arm IHI 0069, chapter 12.2.
"""

from typing import Final

from coldline.arm.fields import SystemRegister
from coldline.frontends.unicorn.aarch64.kept_registers import KeptRegisters

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
    SystemRegister(3, 6, 12, 12, 5).key: 0xF,  # ICC_SRE_EL3
}
_AT_EL3: Final = frozenset(SystemRegister(3, 6, 12, 12, op2).key for op2 in (4, 7))
"""ICC_CTLR_EL3 and ICC_IGRPEN1_EL3."""


class GicRegisters(KeptRegisters):
    """The registers of one core."""

    def __init__(self) -> None:
        super().__init__({_ICC_CTLR_EL1.key: _PRIORITY_BITS})

    def is_known(self, key: int) -> bool:
        """Whether a register is ICC_PMR_EL1, another ICC_*_EL1, or one of those of EL2 and EL3."""
        of_interface = key >> 7 == _ICC_CTLR_EL1.key >> 7 and (key >> 3 & 0xF) >= 8
        return key == _ICC_PMR_EL1.key or of_interface or key in _FIXED or key in _AT_EL3

    def value(self, key: int) -> int:
        """See `KeptRegisters.value`."""
        return _FIXED.get(key, super().value(key))

    def store(self, key: int, value: int) -> None:
        """See `KeptRegisters.store`."""
        super().store(key, value | (_PRIORITY_BITS if key == _ICC_CTLR_EL1.key else 0))
