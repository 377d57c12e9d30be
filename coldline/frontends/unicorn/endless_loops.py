# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognises a loop that changes nothing, and that a vCPU without interrupts would therefore repeat for ever."""

from typing import TYPE_CHECKING, Final

from coldline.mmu.view import NOWHERE

if TYPE_CHECKING:
    from coldline.frontends.unicorn.core_state import CoreState
    from coldline.frontends.unicorn.devices import Bus, Load
    from coldline.frontends.unicorn.state import State

_FIRST: Final = 1 << 16
_LONGEST: Final = 1 << 24
"""Instructions between two attempts: each is twice as far from the last one as that was from the one before."""

_FIRST_SLEEPS: Final = 64
"""How often a vCPU sleeps before the first attempt for this reason; before each later one, twice as often."""


class EndlessLoops:
    """Watches one vCPU.

    At an attempt it notes the registers and the next block of code. When that block comes again, the vCPU is in an
    endless loop if its registers are the same, and if in between it has neither stored, nor written a system
    register, nor read a counter. What it reads, in RAM or from a steady device, is the same each time, unless another
    vCPU stores.

    Parameters
    ----------
    state : State
        The vCPU's record.
    core_state : CoreState
        Its core.
    bus : Bus
        The devices.

    Attributes
    ----------
    next_attempt : int
        The number of executed instructions at which to call `begin`.
    polled : Load or None
        The last load from a device in the loop that was recognised.
    """

    def __init__(self, state: "State", core_state: "CoreState", bus: "Bus") -> None:
        self._state, self._core_state, self._bus = state, core_state, bus
        self.polled: Load | None = None
        self._interval = _FIRST
        self._sleeps, self._most_sleeps = 0, _FIRST_SLEEPS
        self._registers: tuple[int, ...] = ()
        self._effects = 0
        self.next_attempt = _FIRST

    def slept(self) -> None:
        """Note that the vCPU waited for an event: after some times, the next attempt is made at once.

        A turn of a vCPU that waits has few instructions, so by their number alone it would take many turns.
        """
        self._sleeps += 1
        if self._sleeps >= self._most_sleeps:
            self._sleeps, self._most_sleeps = 0, 2 * self._most_sleeps
            self.next_attempt = min(self.next_attempt, self._state["instructions"])

    def begin(self) -> None:
        """Begin an attempt, before the next block of code."""
        self._interval = min(2 * self._interval, _LONGEST)
        self.next_attempt = self._state["instructions"] + self._interval
        self._registers = self._core_state.all_registers()
        self._effects = self._state["effects"]
        self._state["watched_block"] = self._core_state.pc
        self._bus.last_load = None
        self._state["watched_from"] = self._state["instructions"]

    def closed(self) -> bool:
        """End the attempt, as its block comes again; return whether nothing has changed since `begin`."""
        self._state["watched_block"] = NOWHERE
        self.polled = self._bus.last_load
        same = self._state["effects"] == self._effects
        return same and self._core_state.all_registers() == self._registers
