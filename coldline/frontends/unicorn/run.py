# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a built guest's own code, and hands over the events of its vCPUs in batches.

Longer than 300 lines because a run's start, its turns and its ends share what it knows of its vCPUs.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import unicorn

from coldline.arm import cores
from coldline.arm import stage2 as stage2_types
from coldline.errors import GuestError, LostEventsError
from coldline.events.words import WORDS
from coldline.frontends.unicorn.additions import Additions
from coldline.frontends.unicorn.devices.of_machine import bus_of
from coldline.frontends.unicorn.endless_loops import EndlessLoops
from coldline.frontends.unicorn.follower import Follower
from coldline.frontends.unicorn.guest_console import GuestConsole
from coldline.frontends.unicorn.machine import Machine
from coldline.frontends.unicorn.outcome import End, Listener, Outcome, Until
from coldline.frontends.unicorn.power import Power
from coldline.frontends.unicorn.scheduling import Cores, Idle, RunningCore
from coldline.frontends.unicorn.state import (
    BIG_ENDIAN,
    DRAIN,
    FLUSH_CODE,
    LIMIT,
    PLACES,
    RUNNING,
    SET_WAY,
    SLEEPS,
    SWITCH,
    WATCHED_BLOCK,
)
from coldline.frontends.unicorn.traps import Traps
from coldline.frontends.unicorn.turns import END_OF_TIME, Turns, first_alone
from coldline.frontends.unicorn.vcpu import Vcpu
from coldline.guest.machines import MachineLayout
from coldline.mmu.view import NOWHERE

if TYPE_CHECKING:
    from coldline.events.footprints import EventRanges
    from coldline.guest.plan import Registers


class Boot:
    """One run of a guest.

    Parameters
    ----------
    ram : sequence of (base, buffer)
        The guest's RAM, which it changes.
    registers : sequence of Registers
        The first registers of each vCPU that runs from the start.
    vcpus, turns : int, callable
        How many vCPUs there are, of which the guest can start the others; the order in which they run.
    listener : Listener
        The functions that the run calls.
    exception_level : int
        The one that it starts at, 1 to 3, and the highest that it has.
    layout : MachineLayout
        The machine: its devices.
    flash : int
        The number of banks, from the first, that are flash in read-array mode. A store there is taken as a command:
        it changes nothing, and is the guest's error if it would end that mode.
    core, stage2, instructions, orders, bare
        See `Vcpu`.
    located : EventRanges or None
        The events of which `instructions` are wanted, by their numbers in the trace; None for all.
    additions, follower : Additions or None, Follower or None
        Operations that are added to the guest's code; who follows the run.
    """

    def __init__(
        self,
        ram: Sequence[tuple[int, memoryview]],
        registers: "Sequence[Registers]",
        core: cores.Core,
        listener: Listener,
        *,
        exception_level: int,
        layout: MachineLayout,
        flash: int = 0,
        stage2: int = stage2_types.STAGE2_NORMAL_WB,
        instructions: bool = False,
        located: "EventRanges | None" = None,
        orders: bool = False,
        bare: bool = False,
        turns: Turns = first_alone,
        vcpus: int = 1,
        additions: Additions | None = None,
        follower: Follower | None = None,
    ) -> None:
        self.outcome = Outcome()
        self._listener = listener
        self._console = GuestConsole(self.outcome, listener)
        self._turns = turns
        self._located = located
        self._has_gicv3 = layout.gicv3 is not None and layout.gic_version == 3
        self._total = max(vcpus, len(registers))
        banks = ((base, len(buffer)) for base, buffer in ram)
        self._machine = Machine(
            ram,
            core,
            exception_level=exception_level,
            bus=bus_of(layout, banks, self._total, self._print),
            flash=flash,
            stage2=stage2,
            instructions=instructions,
            orders=orders,
            alone=self._total == 1,
            bare=bare,
            additions=additions,
        )
        if stage2_types.forces_write_back(stage2):
            self.outcome.caches_on = 0
        self._registers = registers[0]
        self._until = Until(End.OFF, END_OF_TIME)
        self._power = Power(self._total)
        self._follower = follower or Follower()
        self._cores = Cores()
        for number, each in enumerate(registers):
            self._start(number, each)
        self._running = self._cores[0].vcpu

    def used(self) -> list[tuple[int, int]]:
        """Return the addresses and sizes, in bytes, of the RAM that the guest has used so far, in whole pages."""
        return self._machine.used_ranges()

    def run(self, until: Until) -> Outcome:
        """Run until `until`, or until the guest turns itself off.

        Raises LostEventsError if the guest changed its tables faster than they can be followed.
        """
        self._until = until
        for core in self._cores:
            core.traps.until = until
        turns = self._turns(self._total)
        while self.outcome.end is None:
            number, instructions = next(turns)
            chosen = self._cores.chosen(number)
            if chosen is None:
                self._end_if_idle()
            else:
                alone = self._cores.are_out_of_the_way(chosen)
                self._take_turn(chosen, END_OF_TIME if alone else instructions)
        return self.outcome

    def _start(self, number: int, registers: "Registers") -> None:
        """Start a vCPU."""
        vcpu = self._machine.start(registers, number)
        if self._has_gicv3:
            vcpu.core_state.add_gic()
        core = RunningCore(
            vcpu,
            Traps(vcpu, self.outcome, self._print, self._power),
            EndlessLoops(vcpu.state, vcpu.core_state, self._machine.bus),
        )
        core.traps.until = self._until
        self._cores.add(core)
        self._follower.started(vcpu)
        self._power.started(number)
        self.outcome.turns += [0] * (number + 1 - len(self.outcome.turns))

    def _end_if_idle(self) -> None:
        """End the run if no vCPU would ever do anything again."""
        if self._cores.are_all_idle():
            waits = any(core.idle is Idle.WAIT for core in self._cores)
            self.outcome.end = End.WAIT if waits else End.LOOP
            self.outcome.pc = self._cores[0].vcpu.core_state.pc
            self.outcome.poll = self._cores.poll()

    def _start_other(self, core: RunningCore) -> None:
        """Start the vCPU that `core` has turned on by PSCI, with its MMU and caches off."""
        assert core.traps.start is not None
        number, entry, context = core.traps.start
        core.traps.start = None
        self._drain(core.vcpu)
        self._listener.vcpu_started(number)
        self._start(number, core.vcpu.core_state.registers_at(entry, context, self._registers))

    def _take_turn(self, core: RunningCore, instructions: int) -> None:
        """Run a vCPU for a number of instructions, or until the run ends; hand over its events."""
        vcpu, loops = core.vcpu, core.loops
        self._running = vcpu
        if self._machine.switch_to(vcpu):
            self._drain(vcpu)
        self.outcome.turns[vcpu.number] += 1
        end = core.begin_turn(instructions, self._executed(), self._until.limit)
        self._set_limit(core, end)
        while self.outcome.end is None:
            vcpu.state["reason"] = RUNNING
            self._locate(vcpu)
            failed = None
            try:
                vcpu.emulator.emu_start(vcpu.core_state.resume_at(), END_OF_TIME)
            except unicorn.UcError as error:
                failed = error
            at_limit = vcpu.state["reason"] == LIMIT and failed is None
            if at_limit:
                self._follower.stopped(vcpu)
                if vcpu.state["instructions"] >= loops.next_attempt:
                    core.seen = self._cores.effects(but=core)
                    loops.begin()
                self._set_limit(core, end)
            if at_limit and vcpu.state["instructions"] < end and not vcpu.state["yielded"]:
                continue
            if not self._goes_on(core, failed):
                break
        core.asleep_at = None
        if vcpu.state["yielded"] == SLEEPS:
            core.asleep_at = self._cores.sent_events(but=core)
            loops.slept()
        self.outcome.pc = vcpu.core_state.pc
        self._drain(vcpu)

    def _locate(self, vcpu: Vcpu) -> None:
        """Have a vCPU find instructions only of events that they are wanted of, and stop it where that changes.

        One of several cores is not stopped, as where its batches end decides which polls are dropped. So it finds
        them for a whole batch if it may have one that is wanted.
        """
        if self._located is None or vcpu.state["count"]:
            return
        number = self._follower.number(vcpu)
        if vcpu.state["several"]:
            vcpu.locate(self._located.touch(number, number + WORDS), None)
        else:
            vcpu.locate(self._located.touch(number, number + 1), self._located.same_from(number))

    def _set_limit(self, core: RunningCore, end: int) -> None:
        core.vcpu.state["limit"] = min(end, core.loops.next_attempt, self._follower.next_stop(core.vcpu))

    def _goes_on(self, core: RunningCore, failed: unicorn.UcError | None) -> bool:
        """Handle the reason why the emulator stopped; return False if the turn is over."""
        vcpu, traps = core.vcpu, core.traps
        state, pc = vcpu.state, vcpu.core_state.pc
        if traps.failure is not None:
            return self._fail(str(traps.failure))
        if failed is not None:
            if traps.handles(failed):
                return True
            return self._fail(str(traps.describe(failed, pc)))
        if traps.start is not None:
            self._start_other(core)
            return False
        if traps.stopped:
            traps.stopped, core.idle = False, Idle.OFF
            return False
        reason = state["reason"]
        if reason == DRAIN:
            self._hand_over(vcpu)
        elif reason == LIMIT:
            if self._executed() >= self._until.limit:
                self.outcome.end = End.LIMIT
            return False
        elif reason == WATCHED_BLOCK:
            if core.loops.closed() and core.seen == self._cores.effects(but=core):
                core.idle = Idle.LOOP
                return False
        elif reason == FLUSH_CODE:
            state["stale_low"], state["stale_high"] = NOWHERE, 0
            vcpu.forget_code()
        elif reason == SET_WAY:
            state["swept"] = 0
            self._drain(vcpu)
            self._listener.set_way(vcpu.number)
        elif reason == PLACES:
            try:
                vcpu.core_state.add_places()
            except GuestError as error:
                return self._fail(str(error))
        elif reason == BIG_ENDIAN:
            return self._fail(f"the guest is big-endian from {pc:#x} on: it cannot be run")
        elif reason == SWITCH:
            try:
                self._follow_switch(vcpu)
            except GuestError as error:
                return self._fail(str(error))
        elif self.outcome.end is None:
            vcpu.code.leave_block()
            core.idle = Idle.WAIT
            return False
        return True

    def _fail(self, fault: str) -> bool:
        """End the run at something after which it cannot continue; return False: the turn is over."""
        self.outcome.end, self.outcome.fault = End.FAULT, fault
        return False

    def _follow_switch(self, vcpu: Vcpu) -> None:
        """Follow a write of a register that decides what accesses are; note the first times that things are on."""

        def toggled(number: int, enabled: bool) -> None:
            self._listener.caches_toggled(number, enabled)
            self._locate(vcpu)  # the switches come before the next instruction

        turned_on = vcpu.follow_switch(toggled, lambda: self._drain(vcpu))
        self._follower.switched(vcpu)
        executed = self._executed()
        if turned_on and self.outcome.mmu_on is None:
            self.outcome.mmu_on = executed
        if self.outcome.caches_on is None and vcpu.has_caches_on():
            self.outcome.caches_on = executed
        if turned_on and self._until.end is End.MMU:
            self.outcome.end = End.MMU

    def _executed(self) -> int:
        return sum(int(each.state["instructions"]) for each in self._machine.vcpus)

    def _drain(self, vcpu: Vcpu) -> None:
        """Hand over all events of a vCPU, including a change that could still grow with the next event."""
        vcpu.code.settle()
        self._hand_over(vcpu)

    def _hand_over(self, vcpu: Vcpu) -> None:
        states = [each.state for each in self._machine.vcpus]
        self.outcome.instructions = self._executed()
        self.outcome.accesses = sum(state["accesses"] for state in states)
        self.outcome.crossings = sum(state["crossings"] for state in states)
        self.outcome.devices = tuple(self._machine.bus.used)
        vcpu.hand_over(self._listener.events)
        if vcpu.state["overflow"]:
            raise LostEventsError(
                f"the guest changed its tables too fast: {vcpu.state['overflow']} events were lost"
            )
        self._listener.progress(self.outcome.instructions, self.outcome.accesses)

    def _print(self, character: int) -> None:
        if self._console.prints(character, self._until):
            self.outcome.end = End.CONSOLE
            self._running.emulator.emu_stop()
