# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a built guest's own code, and hands over the events of its vCPUs in batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import unicorn

from coldline.arm import stage2 as stage2_types
from coldline.arm.cores import Core
from coldline.errors import GuestError
from coldline.frontends.unicorn.devices import Device, Pl011
from coldline.frontends.unicorn.machine import Machine
from coldline.frontends.unicorn.outcome import CONSOLE_LIMIT, End, Listener, Outcome, Until
from coldline.frontends.unicorn.state import (
    BIG_ENDIAN,
    DRAIN,
    FLUSH_CODE,
    LIMIT,
    PLACES,
    RUNNING,
    SET_WAY,
    SWITCH,
)
from coldline.frontends.unicorn.traps import Traps
from coldline.frontends.unicorn.turns import END_OF_TIME, Turns, first_alone
from coldline.frontends.unicorn.vcpu import Vcpu
from coldline.mmu.view import NOWHERE

if TYPE_CHECKING:
    from coldline.guest.plan import Registers


class Boot:
    """One run of a guest.

    Parameters
    ----------
    ram : sequence of (base, buffer)
        The guest's RAM, which it changes.
    registers : sequence of Registers
        The first registers of each vCPU that runs.
    core : Core
        The core profile: see `Vcpu`.
    listener : Listener
        The functions that the run calls.
    exception_level : int
        1 or 2.
    uart : int
        Physical address of the PL011.
    devices : sequence of Device
        The machine's other devices.
    flash : int
        The number of banks, from the first, that are flash in read-array mode. A store there is taken as a command:
        it changes nothing, and is the guest's error if it would end that mode.
    stage2 : int
        The host's stage 2: see `Vcpu`.
    instructions : bool
        Whether the listener wants `Batch.instructions`.
    turns : callable
        The order in which the vCPUs run.
    """

    def __init__(
        self,
        ram: Sequence[tuple[int, memoryview]],
        registers: "Sequence[Registers]",
        core: Core,
        listener: Listener,
        *,
        exception_level: int,
        uart: int,
        devices: Sequence[Device] = (),
        flash: int = 0,
        stage2: int = stage2_types.STAGE2_NORMAL_WB,
        instructions: bool = False,
        turns: Turns = first_alone,
    ) -> None:
        self.outcome = Outcome()
        self._listener = listener
        self._turns = turns
        self._machine = Machine(
            ram,
            core,
            exception_level=exception_level,
            devices=(Pl011(uart, self._print), *devices),
            flash=flash,
            stage2=stage2,
            instructions=instructions,
        )
        self._traps = [Traps(self._machine.start(each), self.outcome) for each in registers]
        self._running = self._machine.vcpus[0]
        self._until = Until(End.PSCI, END_OF_TIME)
        self._tail = b""

    def used(self) -> list[tuple[int, int]]:
        """Return the addresses and sizes, in bytes, of the RAM that the guest has used so far, in whole pages."""
        return self._machine.used_ranges()

    def run(self, until: Until) -> Outcome:
        """Run until `until`, or until the guest turns itself off.

        Raises
        ------
        GuestError
            If the guest does something after which the run cannot continue: an exception, or an access to an address
            without memory.
        """
        self._until = until
        for traps in self._traps:
            traps.until = until.end
        turns = self._turns(len(self._machine.vcpus))
        while self.outcome.end is None:
            number, instructions = next(turns)
            self._take_turn(self._machine.vcpus[number], self._traps[number], instructions)
        return self.outcome

    def _take_turn(self, vcpu: Vcpu, traps: Traps, instructions: int) -> None:
        """Run a vCPU for a number of instructions, or until the run ends; hand over its events."""
        self._running = vcpu
        self._machine.switch_to(vcpu)
        executed = vcpu.state["instructions"]
        others = sum(each.state["instructions"] for each in self._machine.vcpus) - executed
        end = min(max(self._until.limit - others, 0), executed + instructions, END_OF_TIME)
        vcpu.state["limit"] = end
        while self.outcome.end is None:
            vcpu.state["reason"] = RUNNING
            failed = None
            try:
                vcpu.emulator.emu_start(vcpu.core_state.resume_at(), END_OF_TIME)
            except unicorn.UcError as error:
                failed = error
            if not self._goes_on(vcpu, traps, failed):
                break
        self._drain(vcpu)

    def _goes_on(self, vcpu: Vcpu, traps: Traps, failed: unicorn.UcError | None) -> bool:
        """Handle the reason why the emulator stopped; return False if the turn is over."""
        state, pc = vcpu.state, vcpu.core_state.pc
        if traps.failure is not None:
            self._drain(vcpu)
            raise traps.failure
        if failed is not None:
            self._drain(vcpu)
            raise traps.describe(failed, pc)
        reason = state["reason"]
        if reason == DRAIN:
            self._hand_over(vcpu)
        elif reason == LIMIT:
            self._check_limit(vcpu, pc)
            return False
        elif reason == FLUSH_CODE:
            state["stale_low"], state["stale_high"] = NOWHERE, 0
            vcpu.forget_code()
        elif reason == SET_WAY:
            state["swept"] = 0
            self._drain(vcpu)
            self._listener.set_way(vcpu.number)
        elif reason == PLACES:
            vcpu.core_state.add_places()
        elif reason == BIG_ENDIAN:
            self._drain(vcpu)
            raise GuestError(f"the guest is big-endian from {pc:#x} on: it cannot be run")
        elif reason == SWITCH:
            turned_on = vcpu.follow_switch(self._listener.caches_toggled, lambda: self._drain(vcpu))
            if turned_on and self._until.end is End.MMU:
                self.outcome.end = End.MMU
        elif self.outcome.end is None:
            self._drain(vcpu)
            raise GuestError(f"the guest waits for an interrupt at {pc:#x}, and none will come")
        return True

    def _check_limit(self, vcpu: Vcpu, pc: int) -> None:
        """End the run if it has reached its limit of instructions."""
        if sum(each.state["instructions"] for each in self._machine.vcpus) >= self._until.limit:
            if self._until.end is not End.LIMIT:
                self._drain(vcpu)
                raise GuestError(
                    f"no {self._until.wanted} after {self.outcome.instructions:,} instructions; now at {pc:#x}"
                )
            self.outcome.end = End.LIMIT

    def _drain(self, vcpu: Vcpu) -> None:
        """Hand over all events of a vCPU, including a change that could still grow with the next event."""
        vcpu.code.settle()
        self._hand_over(vcpu)

    def _hand_over(self, vcpu: Vcpu) -> None:
        states = [each.state for each in self._machine.vcpus]
        self.outcome.instructions = sum(state["instructions"] for state in states)
        self.outcome.accesses = sum(state["accesses"] for state in states)
        self.outcome.crossings = sum(state["crossings"] for state in states)
        vcpu.hand_over(self._listener.events)
        if vcpu.state["overflow"]:
            raise GuestError(
                f"the guest changed its tables too fast: {vcpu.state['overflow']} events were lost"
            )
        self._listener.progress(self.outcome.instructions, self.outcome.accesses)

    def _print(self, character: int) -> None:
        if len(self.outcome.console) < CONSOLE_LIMIT:
            self.outcome.console.append(character)
        self._listener.console(bytes((character,)))
        if self._until.end is End.CONSOLE:
            text = self._until.text
            self._tail = (self._tail + bytes((character,)))[-len(text) :]
            if self._tail == text:
                self.outcome.end = End.CONSOLE
                self._running.emulator.emu_stop()
