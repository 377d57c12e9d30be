# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognises a loop that changes nothing, and that a vCPU without interrupts would therefore repeat for ever."""

from typing import TYPE_CHECKING, Final

from coldline.mmu.view import NOWHERE

if TYPE_CHECKING:
    from coldline.frontends.unicorn.core_state import CoreState
    from coldline.frontends.unicorn.state import State

_FIRST: Final = 1 << 16
_LONGEST: Final = 1 << 24
"""Instructions between two attempts: each is twice as far from the last one as that was from the one before."""


class EndlessLoops:
    """Watches one vCPU.

    At an attempt it notes the registers and the next block of code. When that block comes again, the vCPU is in an
    endless loop if its registers are the same, and if it has neither stored, nor accessed a device, nor written a
    system register, nor read a counter in between. What it reads in RAM is the same each time, unless another vCPU
    stores.

    Parameters
    ----------
    state : State
        The vCPU's record.
    core_state : CoreState
        Its core.

    Attributes
    ----------
    next_attempt : int
        The number of executed instructions at which to call `begin`.
    """

    def __init__(self, state: "State", core_state: "CoreState") -> None:
        self._state, self._core_state = state, core_state
        self._interval = _FIRST
        self._registers: tuple[int, ...] = ()
        self._effects = 0
        self.next_attempt = _FIRST

    def begin(self) -> None:
        """Begin an attempt, before the next block of code."""
        self._interval = min(2 * self._interval, _LONGEST)
        self.next_attempt = self._state["instructions"] + self._interval
        self._registers = self._core_state.all_registers()
        self._effects = self._state["effects"]
        self._state["watched_block"] = self._core_state.pc
        self._state["watched_from"] = self._state["instructions"]

    def closed(self) -> bool:
        """End the attempt, as its block comes again; return whether nothing has changed since `begin`."""
        self._state["watched_block"] = NOWHERE
        same = self._state["effects"] == self._effects
        return same and self._core_state.all_registers() == self._registers
