# SPDX-License-Identifier: GPL-2.0-or-later
"""System registers that the emulator's cores lack: they keep what is stored.

The emulator takes their MSR and MRS for undefined instructions.
Source: Arm ARM DDI 0487 C5.1.2 for the instructions.
"""

import abc
from collections.abc import Callable, Mapping
from typing import Final

_MOVE, _MOVE_MASK = 0xD510_0000, 0xFFD0_0000
_READS: Final = 1 << 21
_OP0_AND_CRN: Final = 3 << 14 | 0xF << 7
_IMPLEMENTATION_DEFINED: Final = frozenset({3 << 14 | 11 << 7, 3 << 14 | 15 << 7})
"""op0 and CRn of what each implementation defines for itself (Arm ARM DDI 0487, "Reserved encodings for
IMPLEMENTATION DEFINED registers")."""


class KeptRegisters(abc.ABC):
    """Some registers of one core.

    Parameters
    ----------
    first : mapping of int to int
        The first values of those that are not 0, by `SystemRegister.key`.
    """

    def __init__(self, first: Mapping[int, int]) -> None:
        self._kept = dict(first)

    @abc.abstractmethod
    def is_known(self, key: int) -> bool:
        """Whether a register is one of them."""

    def value(self, key: int) -> int:
        """Return what a register reads as."""
        return self._kept.get(key, 0)

    def store(self, key: int, value: int) -> None:
        """Take a store."""
        self._kept[key] = value

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
        if word & _MOVE_MASK != _MOVE or not self.is_known(key):
            return False
        if not word & _READS:
            self.store(key, read(register) if register != 31 else 0)
        elif register != 31:
            write(register, self.value(key))
        return True


class ImplementationRegisters(KeptRegisters):
    """The registers that an implementation defines for itself, such as CPUECTLR_EL1 and L2CTLR_EL1; all begin as 0.

    Firmware at EL3 sets them up. None of them changes what an access is.
    """

    def __init__(self) -> None:
        super().__init__({})

    def is_known(self, key: int) -> bool:
        """See `KeptRegisters.is_known`."""
        return key & _OP0_AND_CRN in _IMPLEMENTATION_DEFINED
