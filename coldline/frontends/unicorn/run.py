# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a built guest's own code, and hands on what it does, in batches of events."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import unicorn
from unicorn import unicorn_const as const

from coldline.arm import psci
from coldline.arm import stage2 as stage2_types
from coldline.arm.cores import Core
from coldline.errors import GuestError
from coldline.events.agents import FIRST_VCPU, agents_of
from coldline.events.source import Sink
from coldline.frontends.unicorn.devices import Device, Pl011
from coldline.frontends.unicorn.devices.flash import COMMANDS
from coldline.frontends.unicorn.machine import Machine
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
from coldline.mmu.view import ADDRESS_MASK
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.guest.plan import Registers

EXCEPTIONS = {
    1: "an undefined instruction",
    2: "SVC",
    3: "an instruction abort",
    4: "a data abort",
    5: "IRQ",
    6: "FIQ",
    7: "BRK",
}
"""The emulator's numbers for what it cannot go on from: it never enters the guest's vectors."""

CONSOLE_LIMIT = 1 << 20
"""Bytes of console text that are kept."""


class End(enum.Enum):
    """Why a run ended."""

    MMU = "mmu"
    """The guest turned its MMU on."""
    PSCI = "psci"
    """It made its first PSCI call."""
    OFF = "off"
    """It asked to be turned off or reset."""
    CONSOLE = "console"
    """It printed what was waited for."""
    LIMIT = "instructions"
    """It has executed as many instructions as it was given."""


@dataclass(frozen=True, slots=True)
class Until:
    """When to stop.

    Attributes
    ----------
    end : End
        ``MMU``, ``PSCI``, ``CONSOLE`` or ``LIMIT``.
    limit : int
        Instructions. A run goes no further than the first block of code past this many; that is its end
        with ``LIMIT``, and the guest's fault with the others.
    text : bytes
        What is waited for on the console with ``CONSOLE``.
    """

    end: End
    limit: int
    text: bytes = b""

    @property
    def wanted(self) -> str:
        """What has not happened, where it has not."""
        if self.end is End.CONSOLE:
            return f"'{printable(self.text.decode('utf-8', 'replace'))}' on the console"
        return "PSCI call" if self.end is End.PSCI else "MMU"


@dataclass(slots=True)
class Outcome:
    """How a run went.

    Attributes
    ----------
    end : End or None
        Why it ended; None while it runs.
    psci_call : tuple of int or None
        x0 to x3 of the PSCI call that ended it.
    instructions, accesses : int
        Executed instructions; loads and stores to RAM, LDP counting as two.
    crossings : int
        Accesses over a page end, of which only the bytes on the first page were followed.
    console : bytearray
        What the guest printed, its first `CONSOLE_LIMIT` bytes.
    """

    end: End | None = None
    psci_call: tuple[int, ...] | None = None
    instructions: int = 0
    accesses: int = 0
    crossings: int = 0
    console: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears what of a run.

    Attributes
    ----------
    events : callable
        Takes each batch.
    caches_toggled : callable
        Told, before the guest's own event, that SCTLR.M or C changed; whether both are on from now on.
    set_way : callable
        Told, after the guest's own event and before its next block of code, that it has begun to maintain by set/way.
    console : callable
        Takes what the guest prints as it comes.
    progress : callable
        Told instructions and accesses now and then.
    """

    events: Sink
    caches_toggled: Callable[[bool], None] = lambda enabled: None
    set_way: Callable[[], None] = lambda: None
    console: Callable[[bytes], None] = lambda text: None
    progress: Callable[[int, int], None] = lambda instructions, accesses: None


class Boot:
    """One run of a guest.

    Parameters
    ----------
    ram : sequence of (base, buffer)
        The guest's RAM, which it changes.
    registers : Registers
        The first vCPU's.
    core : Core
        Whose instruction set.
    listener : Listener
        Who hears of it.
    exception_level : int
        1 or 2.
    uart : int
        Physical address of the PL011.
    devices : sequence of Device
        What else the machine has.
    flash : int
        How many of the banks, the first ones, are flash that is always in read-array mode. What the guest
        stores there is taken for a command and changes nothing; it is the guest's fault where it is one.
    stage2 : int
        The host's stage 2: see `Machine`.
    instructions : bool
        Whether the listener wants `Batch.instructions`.
    """

    def __init__(
        self,
        ram: Sequence[tuple[int, memoryview]],
        registers: "Registers",
        core: Core,
        listener: Listener,
        *,
        exception_level: int,
        uart: int,
        devices: Sequence[Device] = (),
        flash: int = 0,
        stage2: int = stage2_types.NORMAL_WB,
        instructions: bool = False,
    ) -> None:
        self.outcome = Outcome()
        self._listener = listener
        self._machine = Machine(
            ram,
            core,
            registers,
            exception_level=exception_level,
            devices=(Pl011(uart, self._print), *devices),
            flash=flash,
            stage2=stage2,
            instructions=instructions,
        )
        self._emulator = self._machine.emulator
        self._core_state = self._machine.core_state
        self._state = self._machine.state
        self._failure: GuestError | None = None
        self._until = Until(End.PSCI, _NEVER)
        self._nowhere: int | None = None
        self._command: tuple[int, int] | None = None
        self._tail = b""
        self._emulator.hook_add(const.UC_HOOK_INTR, self._on_exception)
        self._emulator.hook_add(const.UC_HOOK_INSN_INVALID, self._on_unknown)
        self._emulator.hook_add(const.UC_HOOK_MEM_UNMAPPED, self._on_nowhere)
        self._emulator.hook_add(const.UC_HOOK_MEM_WRITE_PROT, self._on_flash)

    def used(self) -> list[tuple[int, int]]:
        """Addresses and sizes, in bytes, of the RAM that the guest has used so far, in whole pages."""
        return self._state.view.used_ranges()

    def run(self, until: Until) -> Outcome:
        """Run until `until`, or until the guest turns itself off.

        Raises
        ------
        GuestError
            If the guest does what cannot be gone on from: an exception, an access to nothing.
        """
        self._until = until
        self._state["limit"] = until.limit
        while self.outcome.end is None:
            self._state["reason"] = RUNNING
            failed = None
            try:
                self._emulator.emu_start(self._core_state.resume_at(), _NEVER)
            except unicorn.UcError as error:
                failed = error
            self._stopped(failed, self._core_state.pc)
        self._drain()
        return self.outcome

    def _stopped(self, failed: unicorn.UcError | None, pc: int) -> None:
        if self._failure is not None:
            self._drain()
            raise self._failure
        if failed is not None:
            self._drain()
            raise self._describe(failed, pc)
        reason = self._state["reason"]
        if reason == DRAIN:
            self._hand_on()
        elif reason == LIMIT:
            if self._until.end is not End.LIMIT:
                self._drain()
                raise GuestError(
                    f"no {self._until.wanted} after {self.outcome.instructions:,} instructions; now at {pc:#x}"
                )
            self.outcome.end = End.LIMIT
        elif reason == FLUSH_CODE:
            self._state["stale_low"], self._state["stale_high"] = _NEVER, 0
            self._emulator.ctl_flush_tb()
        elif reason == SET_WAY:
            self._state["swept"] = 0
            self._drain()
            self._listener.set_way()
        elif reason == PLACES:
            self._core_state.add_places()
        elif reason == BIG_ENDIAN:
            self._drain()
            raise GuestError(f"the guest is big-endian from {pc:#x} on: it cannot be run")
        elif reason == SWITCH:
            turned_on = self._machine.follow_switch(self._listener.caches_toggled, self._drain)
            if turned_on and self._until.end is End.MMU:
                self.outcome.end = End.MMU
        elif self.outcome.end is None:
            self._drain()
            raise GuestError(f"the guest waits for an interrupt at {pc:#x}, and none will come")

    def _drain(self) -> None:
        """Hand on all events, those that might have become one with the next included."""
        self._machine.code.settle()
        self._hand_on()

    def _hand_on(self) -> None:
        self.outcome.instructions = self._state["instructions"]
        self.outcome.accesses = self._state["accesses"]
        self.outcome.crossings = self._state["crossings"]
        self._state.events.hand_over(self._listener.events, _AGENTS, self._machine.code.unpack)
        if self._state["overflow"]:
            raise GuestError(
                f"the guest changed its tables too fast: {self._state['overflow']} events were lost"
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
                self._emulator.emu_stop()

    def _on_exception(self, emulator: Any, number: int, _: Any) -> None:
        try:
            if self._core_state.enters_vectors(number):
                return
            if number in self._core_state.CALLS:
                self._on_call()
            else:
                what = EXCEPTIONS.get(number, f"exception {number}")
                self._failure = _untaken(what, self._core_state.culprit(number))
        finally:
            if self._failure is not None or self.outcome.end is not None:
                emulator.emu_stop()

    def _on_unknown(self, emulator: Any, _: Any) -> bool:
        """An instruction that the emulator does not know; False ends the run with its error."""
        if not self._core_state.takes_call():
            return False
        self._on_call()
        if self.outcome.end is not None:
            emulator.emu_stop()
        return True

    def _on_nowhere(self, _: Any, kind: int, address: int, *__: Any) -> bool:
        self._nowhere = address & ADDRESS_MASK
        return False

    def _on_flash(self, _: Any, kind: int, address: int, size: int, value: int, __: Any) -> bool:
        """A store to flash; True where the guest goes on."""
        if value & 0xFF in COMMANDS:
            self._command = (value & 0xFF, address & ADDRESS_MASK)
        return self._command is None

    def _on_call(self) -> None:
        """A call to whoever is above the guest: PSCI, or what nobody here knows."""
        registers = self._core_state.ARGUMENTS
        call = tuple(int(self._emulator.reg_read(register)) for register in registers)
        if call[0] & 0xFFFFFFFF in psci.ENDS:
            self.outcome.end, self.outcome.psci_call = End.OFF, call
        elif self._until.end is End.PSCI and psci.is_call(call[0]):
            self.outcome.end, self.outcome.psci_call = End.PSCI, call
        else:
            self._emulator.reg_write(registers[0], psci.answer(call[0]))

    def _describe(self, error: unicorn.UcError, pc: int) -> GuestError:
        if self._state["faulted"]:
            where = self._state["fault"]
            return GuestError(f"the guest's tables do not map {where:#x}, which it used at {pc:#x}")
        if self._command is not None:
            command, where = self._command
            return GuestError(
                f"the guest gave the flash that it was loaded to the command {command:#x}, at {where:#x} by {pc:#x}: "
                "that flash is only read here"
            )
        if self._nowhere is not None:
            where = self._nowhere
            return GuestError(f"the guest used {where:#x} at {pc:#x}: no RAM and no device is there")
        if error.errno == const.UC_ERR_INSN_INVALID:
            return _untaken(EXCEPTIONS[1], pc)
        return GuestError(f"the guest cannot go on at {pc:#x}: {error}")


def _untaken(what: str, pc: int) -> GuestError:
    return GuestError(f"the guest took {what} at {pc:#x}; its own vectors cannot be entered on this emulator")


_AGENTS = agents_of(FIRST_VCPU)
_NEVER = 0xFFFFFFFFFFFFFFFF
