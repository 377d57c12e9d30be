# SPDX-License-Identifier: GPL-2.0-or-later
"""Handles a vCPU's calls, exceptions, accesses to unmapped addresses and stores to flash, in Python."""

from collections.abc import Callable
from typing import Any, Final

import unicorn
from unicorn import unicorn_const as const

from coldline.arm import psci
from coldline.errors import GuestError
from coldline.frontends.unicorn import semihosting
from coldline.frontends.unicorn.devices.flash import COMMANDS
from coldline.frontends.unicorn.outcome import End, Outcome, Until
from coldline.frontends.unicorn.power import Power, Start
from coldline.frontends.unicorn.vcpu import Vcpu
from coldline.guest.machines import machine_hint
from coldline.mmu.view import ADDRESS_MASK

UNDEFINED: Final = 1
"""The emulator's number for the exception of an undefined instruction."""

EXCEPTIONS: Final = {
    1: "an undefined instruction",
    2: "SVC",
    3: "an instruction abort",
    4: "a data abort",
    5: "IRQ",
    6: "FIQ",
    7: "BRK",
}
"""The emulator's numbers for exceptions that it does not take to the guest's vectors."""


class Traps:
    """The traps of one vCPU.

    Parameters
    ----------
    vcpu : Vcpu
        The vCPU.
    outcome : Outcome
        Gets the run's end, if a trap ends it.
    console : callable
        Called with each byte that the guest prints by semihosting.
    power : Power
        Answers PSCI calls.

    Attributes
    ----------
    failure : GuestError or None
        The error after which the run cannot continue; it has stopped the emulator.
    until : Until
        The condition that ends the run.
    start : Start or None
        A vCPU that the guest turns on: whoever runs the emulator starts it, and sets this to None.
    stopped : bool
        Whether the vCPU has turned itself off.
    """

    def __init__(self, vcpu: Vcpu, outcome: Outcome, console: Callable[[int], None], power: Power) -> None:
        self.failure: GuestError | None = None
        self.until = Until(End.OFF, 0)
        self.start: Start | None = None
        self.stopped = False
        self._power, self._number = power, vcpu.number
        self._outcome, self._console = outcome, console
        self._taken: tuple[str, int] | None = None
        self._state, self._core_state = vcpu.state, vcpu.core_state
        self._emulator, self._code = vcpu.emulator, vcpu.code
        self._nowhere: int | None = None
        self._command: tuple[int, int] | None = None
        self._emulator.hook_add(const.UC_HOOK_INTR, self._on_exception)
        self._emulator.hook_add(const.UC_HOOK_INSN_INVALID, self._on_unknown)
        self._emulator.hook_add(const.UC_HOOK_MEM_UNMAPPED, self._on_nowhere)
        self._emulator.hook_add(const.UC_HOOK_MEM_WRITE_PROT, self._on_flash)

    def handles(self, error: unicorn.UcError) -> bool:
        """Whether the guest continues after an error of the emulator: it has entered its own vectors."""
        state = self._state
        if not state["faulted"]:
            return False
        at, where, kind = self._core_state.pc, state["fault"], state["fault_kind"]
        if kind == const.UC_MEM_FETCH and self._is_vector(at):
            return False
        entered = self._core_state.enters_abort_vector(
            where, state["walk_level"], fetch=kind == const.UC_MEM_FETCH, write=kind == const.UC_MEM_WRITE
        )
        if entered:
            self._code.leave_block(synchronises=True)
            what = EXCEPTIONS[3 if kind == const.UC_MEM_FETCH else 4]
            taken = f"{what} at {at:#x} (its tables do not map {where:#x})"
            self._taken = taken, self._core_state.pc
            state["faulted"] = 0
        return entered

    def describe(self, error: unicorn.UcError, pc: int) -> GuestError:
        """Return the error that describes why the emulator stopped with an error at `pc`."""
        if self._is_vector(pc):
            return self._no_vector(pc)
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
            hint = machine_hint(where)
            return GuestError(f"the guest used {where:#x} at {pc:#x}: no RAM and no device is there{hint}")
        if error.errno == const.UC_ERR_FETCH_PROT:
            return GuestError(f"the guest fetched an instruction from {pc:#x}, where a device is")
        if error.errno == const.UC_ERR_INSN_INVALID:
            return _untaken(EXCEPTIONS[1], pc)
        return GuestError(f"the guest cannot go on at {pc:#x}: {error}")

    def _on_exception(self, emulator: Any, number: int, _: Any) -> None:
        try:
            self._code.leave_block()
            at = self._core_state.culprit(number)
            if self._core_state.is_semihosting(number):
                self._on_semihosting()
                return
            if self._core_state.answers_register(number):
                return
            if self._core_state.enters_vectors(number):
                self._code.leave_block(synchronises=True)
                self._taken = f"{EXCEPTIONS.get(number, 'HVC')} at {at:#x}", self._core_state.pc
                return
            if number in self._core_state.CALLS:
                self._on_call()
            else:
                what = EXCEPTIONS.get(number, f"exception {number}")
                self.failure = self._no_vector(at) if self._is_vector(at) else _untaken(what, at)
        finally:
            if self.failure is not None or self._outcome.end is not None:
                emulator.emu_stop()

    def _is_vector(self, at: int) -> bool:
        """Whether it is the first instruction for the last exception that the guest took."""
        return self._taken is not None and self._taken[1] == at

    def _no_vector(self, at: int) -> GuestError:
        assert self._taken is not None
        return GuestError(f"the guest took {self._taken[0]}, and its vector at {at:#x} cannot be executed")

    def _on_unknown(self, emulator: Any, _: Any) -> bool:
        """Handle an instruction that the emulator does not know; False ends the run with the emulator's error."""
        self._code.leave_block()
        if self._core_state.is_semihosting(UNDEFINED):
            self._on_semihosting()
        elif self._core_state.takes_call():
            self._on_call()
        elif not self._core_state.skips_hint():
            at = self._core_state.pc
            if not self._core_state.enters_vectors(UNDEFINED):
                return False
            self._code.leave_block(synchronises=True)
            self._taken = f"{EXCEPTIONS[UNDEFINED]} at {at:#x}", self._core_state.pc
        if self._outcome.end is not None:
            emulator.emu_stop()
        return True

    def _on_nowhere(self, _: Any, kind: int, address: int, *__: Any) -> bool:
        self._nowhere = address & ADDRESS_MASK
        return False

    def _on_flash(self, _: Any, kind: int, address: int, size: int, value: int, __: Any) -> bool:
        """Handle a store to flash; return True if the guest continues."""
        if value & 0xFF in COMMANDS:
            self._command = (value & 0xFF, address & ADDRESS_MASK)
        return self._command is None

    def _on_call(self) -> None:
        """Answer a call to the level above the guest: PSCI, or an unknown one. It returns by an ERET, an ISB."""
        self._code.leave_block(synchronises=True)
        registers = self._core_state.ARGUMENTS
        call = tuple(int(self._emulator.reg_read(register)) for register in registers)
        if call[0] & 0xFFFFFFFF in psci.ENDS:
            self._outcome.end = End.OFF if call[0] & 0xFFFFFFFF == psci.SYSTEM_OFF else End.RESET
            self._outcome.psci_call = call
        elif self.until.ends_with(call[0]):
            self._outcome.end, self._outcome.psci_call = End.PSCI, call
        else:
            reply = self._power.call(self._number, call)
            self._emulator.reg_write(registers[0], reply.result)
            self.start, self.stopped = reply.start, reply.stops
            if reply.start is not None or reply.stops:
                self._emulator.emu_stop()

    def _on_semihosting(self) -> None:
        """Answer a semihosting call."""
        operation, parameter = (int(self._emulator.reg_read(each)) for each in self._core_state.ARGUMENTS[:2])
        answer = semihosting.answer_call(operation & 0xFFFFFFFF, parameter, self._read)
        for byte in answer.text:
            self._console(byte)
        if answer.ends:
            self._outcome.end = End.EXIT
        else:
            self._emulator.reg_write(self._core_state.ARGUMENTS[0], answer.result)
            self._core_state.skip_semihosting()

    def _read(self, address: int, size: int) -> bytes:
        """Read as a debugger does: no access of the guest's."""
        physical = self._code.locate(address)
        return self._state.view.bytes_at(physical, size) if physical is not None else b""


def _untaken(what: str, pc: int) -> GuestError:
    return GuestError(f"the guest took {what} at {pc:#x}; its own vectors cannot be entered on this emulator")
