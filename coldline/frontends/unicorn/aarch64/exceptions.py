# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes exceptions to the guest's own vectors, which the emulator does not do.

Source: Arm ARM DDI 0487 D1.3 (exception entry), D24.2 (ESR_ELx), and the pseudocode AArch64.TakeException.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import unicorn
from unicorn import arm64_const as arm64

from coldline.arm import fields
from coldline.arm.fields import SystemRegister

EC_UNKNOWN, EC_SVC, EC_HVC, EC_SMC, EC_BRK = 0x00, 0x15, 0x16, 0x17, 0x3C
EC_INSTRUCTION_ABORT_LOWER, EC_INSTRUCTION_ABORT = 0x20, 0x21
EC_DATA_ABORT_LOWER, EC_DATA_ABORT = 0x24, 0x25
"""Exception classes; of aborts, that from a lower exception level, and that from the same one."""

_IL: Final = 1 << 25
_EC_SHIFT: Final = 26
_FLAGS: Final = 0xF000_0000
_MASKED: Final = 0x3C0
"""PSTATE's D, A, I and F."""

_CURRENT_SP0, _CURRENT_SPX, _LOWER_A64 = 0x000, 0x200, 0x400
"""Offsets of the synchronous exceptions' vectors (D1.3.1.5)."""


class _Bank(NamedTuple):
    """The registers of an exception level that exceptions are taken to."""

    vbar: SystemRegister
    elr: SystemRegister
    spsr: SystemRegister
    esr: SystemRegister
    far: SystemRegister


_BANKS: Final = {
    1: _Bank(fields.VBAR_EL1, fields.ELR_EL1, fields.SPSR_EL1, fields.ESR_EL1, fields.FAR_EL1),
    2: _Bank(fields.VBAR_EL2, fields.ELR_EL2, fields.SPSR_EL2, fields.ESR_EL2, fields.FAR_EL2),
    3: _Bank(fields.VBAR_EL3, fields.ELR_EL3, fields.SPSR_EL3, fields.ESR_EL3, fields.FAR_EL3),
}


class Exceptions:
    """The exceptions of one core.

    Parameters
    ----------
    emulator : unicorn.Uc
        The core.
    read, write : callable
        Read and write one of its system registers.
    """

    def __init__(
        self,
        emulator: unicorn.Uc,
        read: Callable[[SystemRegister], int],
        write: Callable[[SystemRegister, int], None],
    ) -> None:
        self._emulator, self._read, self._write = emulator, read, write

    @property
    def level(self) -> int:
        """The present exception level."""
        return self._pstate >> 2 & 3

    @property
    def _pstate(self) -> int:
        return int(self._emulator.reg_read(arm64.UC_ARM64_REG_PSTATE))

    def vector(self, target: int) -> int:
        """Return the address of the vector for a synchronous exception to level `target`."""
        current = _CURRENT_SPX if self._pstate & 1 else _CURRENT_SP0
        return self._read(_BANKS[target].vbar) + (_LOWER_A64 if self.level < target else current)

    def enter(
        self, target: int, exception_class: int, syndrome: int, return_to: int, address: int | None = None
    ) -> None:
        """Enter the vector.

        Parameters
        ----------
        target : int
            The exception level.
        exception_class, syndrome : int
            ESR_ELx.EC and ISS.
        return_to : int
            For ELR_ELx.
        address : int, optional
            For FAR_ELx.
        """
        bank, before = _BANKS[target], self._pstate
        vector = self.vector(target)
        self._write(bank.spsr, before)
        self._write(bank.elr, return_to)
        if address is not None:
            self._write(bank.far, address)
        # A write of PSTATE exchanges no stack pointer, but one of SPSel does: between SP_EL0 and the level's own.
        self._write(fields.SPSEL, 0)
        self._emulator.reg_write(arm64.UC_ARM64_REG_PSTATE, before & _FLAGS | _MASKED | target << 2)
        # The next write of a system register makes that of PSTATE take effect.
        self._write(bank.esr, exception_class << _EC_SHIFT | _IL | syndrome)
        self._write(fields.SPSEL, 1)
        self._emulator.reg_write(arm64.UC_ARM64_REG_PC, vector)
