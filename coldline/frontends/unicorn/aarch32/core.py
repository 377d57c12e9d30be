# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated AArch32 core: its start, and what coldline does in place of the emulator."""

from typing import ClassVar

import unicorn
from unicorn import arm_const as arm
from unicorn import unicorn_const as const

from coldline.arm import cp15
from coldline.arm.cp15 import Cp15, Cp15Wide
from coldline.arm.fields import SctlrV7, Ttbcr
from coldline.errors import GuestError
from coldline.frontends.unicorn.aarch32 import exceptions
from coldline.frontends.unicorn.aarch32.effective_address import first_address
from coldline.frontends.unicorn.aarch32.watched_registers import BARRIER_OPERATIONS, OPERATIONS, WATCHED
from coldline.frontends.unicorn.core_state import CoreState
from coldline.frontends.unicorn.semihosting import A32_CALL, T32_CALL
from coldline.frontends.unicorn.state import MAX_PLACES
from coldline.guest.plan import Registers
from coldline.jit import programs
from coldline.mmu.registers import Changes
from coldline.mmu.view import LPAE, SHORT
from coldline.support.units import PAGE_SIZE

_UNDEFINED, _SVC, _BKPT, _SMC = 1, 2, 7, 13
_A32_HINTS = (0x320_F001, 0x320_F002)
_T32_HINTS, _T32_WIDE_HINTS = (0xBF10, 0xBF20), (0xF3AF_8001, 0xF3AF_8002)
"""YIELD and WFE (Arm ARM DDI 0406C A8.8.424 and A8.8.426), those of A32 without their conditions."""
_REGISTERS = (
    *range(arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R12 + 1),
    arm.UC_ARM_REG_SP,
    arm.UC_ARM_REG_LR,
    arm.UC_ARM_REG_CPSR,
    *range(arm.UC_ARM_REG_D0, arm.UC_ARM_REG_D31 + 1),
)
_THUMB = exceptions.THUMB
_VECTORS = {
    _UNDEFINED: exceptions.UNDEFINED_INSTRUCTION,
    _SVC: exceptions.SUPERVISOR_CALL,
    _BKPT: exceptions.PREFETCH_ABORT,
}


class Aarch32(CoreState):
    """See `CoreState`."""

    ARCHITECTURE = unicorn.UC_ARCH_ARM
    MODELS: ClassVar = {"a7": arm.UC_CPU_ARM_CORTEX_A7, "a15": arm.UC_CPU_ARM_CORTEX_A15}
    PROGRAM = programs.CALLBACKS["arm32"]
    REMAPS = SctlrV7.TRE.mask
    HOOKS = ((const.UC_HOOK_EDGE_GENERATED, "on_edge", ()),)
    OPERATIONS = OPERATIONS
    BARRIERS = BARRIER_OPERATIONS
    PC = arm.UC_ARM_REG_PC
    ARGUMENTS = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
    CALLS = frozenset({_SMC})

    def reset(self, registers: Registers) -> None:
        """Give the core its first registers."""
        self._places = 0
        self._vectors = exceptions.VectorTable(self.emulator, self._read, self._write)
        self._refuse_big_endian(registers.sctlr, registers.pc)
        self.emulator.reg_write(arm.UC_ARM_REG_CPSR, registers.pstate)
        self._write(cp15.SCTLR, registers.sctlr)
        for index, value in enumerate(registers.general):
            self.emulator.reg_write(arm.UC_ARM_REG_R0 + index, value)
        self.emulator.reg_write(self.PC, registers.pc | (1 if registers.pstate & _THUMB else 0))
        self._keep_registers()

    def registers_at(self, entry: int, context: int, first: Registers) -> Registers:
        """See `CoreState.registers_at` (Arm DEN 0022, 6.4.3): bit 0 of the entry says that it is Thumb code."""
        pstate = first.pstate & ~_THUMB | (_THUMB if entry & 1 else 0)
        return Registers(entry & ~1, (context, 0, 0, 0), pstate, first.sctlr)

    @property
    def instruction_set(self) -> str:
        """See `CoreState.instruction_set`."""
        return "thumb" if self._cpsr & _THUMB else "arm32"

    def resume_at(self) -> int:
        """Return where to resume: an odd address for Thumb code. The next block may be newly translated."""
        self.state["fresh"] = 1
        return self.pc | (1 if self._cpsr & _THUMB else 0)

    @property
    def _cpsr(self) -> int:
        return int(self.emulator.reg_read(arm.UC_ARM_REG_CPSR))

    def learn_registers(self) -> Changes:
        """Do the register write before which the guest was stopped."""
        at, value = self.state["trapped_at"], self.state["trapped_value"]
        register = WATCHED[self.state["trapped"]]
        if register == cp15.SCTLR:
            self._refuse_big_endian(value, at)
        self._write(register, value)
        self.emulator.reg_write(self.PC, at + 4 | (1 if self._cpsr & _THUMB else 0))
        return self._keep_registers()

    def _keep_registers(self) -> Changes:
        ttbcr = self._read(cp15.TTBCR)
        long = bool(Ttbcr.EAE.get(ttbcr))
        self.state["format"] = LPAE if long else SHORT
        now = {
            "sctlr": self._read(cp15.SCTLR),
            "ttbr0": self._read(cp15.TTBR0_WIDE if long else cp15.TTBR0),
            "ttbr1": self._read(cp15.TTBR1_WIDE if long else cp15.TTBR1),
            "tcr": ttbcr,
            "mair": self._read(cp15.NMRR) << 32 | self._read(cp15.PRRR),
        }
        changed = {}
        for name, new in now.items():
            old = self.state.view.register(name, 1)
            self.state.view.set_register(name, 1, new)
            if new != old:
                changed[name] = (old, new)
        return changed

    def _refuse_big_endian(self, sctlr: int, at: int) -> None:
        if SctlrV7.EE.get(sctlr):
            raise GuestError(f"the guest sets SCTLR.EE at {at:#x}: big-endian guests cannot be run")

    def add_places(self) -> None:
        """Register a callback at each noted place in the code, and have the code translated again with it."""
        noted = self.state.new_places(self._places)
        if not noted:
            raise GuestError(
                f"the guest's code uses CP15 in more than {MAX_PLACES:,} places; now at {self.pc:#x}"
            )
        for address in noted:
            self.hook(const.UC_HOOK_CODE, "on_move", at=address)
            self._places += 1
        self.emulator.ctl_flush_tb()

    def enters_vectors(self, number: int) -> bool:
        """Take an SVC, a BKPT or an undefined instruction."""
        self.state["fresh"] = 1
        vector = _VECTORS.get(number)
        if vector is None or self.culprit(number) == self._vectors.address(vector):
            return False
        if number == _BKPT:
            self._vectors.enter_breakpoint(self.pc, long=self._is_long)
        else:
            self._vectors.enter(vector, self.pc)
        return True

    def enters_abort_vector(self, address: int, level: int, *, fetch: bool, write: bool) -> bool:
        """Take a translation fault to the guest's own vectors."""
        at = self.pc
        if at == self._vectors.address(exceptions.PREFETCH_ABORT if fetch else exceptions.DATA_ABORT):
            return False
        if fetch:
            self._vectors.enter_fetch_abort(at, level, long=self._is_long)
        else:
            used = self._accessed(at, address)
            self._vectors.enter_data_abort(at, used, level, write=write, long=self._is_long)
        return True

    def _accessed(self, at: int, page: int) -> int:
        """Return the address that the instruction at `at` used in a page, or the page's if that is not known."""
        code, thumb = self.state.view.code_bytes(at, 4), bool(self._cpsr & _THUMB)
        exact = first_address(code, at, lambda register: int(self.emulator.reg_read(register)), thumb=thumb)
        return exact if exact is not None and exact & -PAGE_SIZE == page else page

    @property
    def _is_long(self) -> bool:
        return bool(Ttbcr.EAE.get(self._read(cp15.TTBCR)))

    def all_registers(self) -> tuple[int, ...]:
        """Return all registers that instructions compute with."""
        return tuple(int(self.emulator.reg_read(register)) for register in _REGISTERS)

    def instructions_in(self, size: int) -> int:
        """See `CoreState.instructions_in`."""
        if not self._cpsr & _THUMB:
            return size >> 2
        code = self.state.view.code_bytes(self.state["block"], size)
        count = at = 0
        while at < size:
            at += 4 if cp15.is_long(int.from_bytes(code[at : at + 2], "little")) else 2
            count += 1
        return count

    def is_semihosting(self, number: int) -> bool:
        """Whether the exception with this number is a semihosting call: an SVC with its immediate."""
        if number != _SVC:
            return False
        code = self.state.view.code_bytes(self.culprit(number), 2 if self._cpsr & _THUMB else 4)
        word = int.from_bytes(code, "little")
        return word == T32_CALL if self._cpsr & _THUMB else word & 0x0FFF_FFFF == A32_CALL

    def culprit(self, number: int) -> int:
        """The address of the instruction that caused an exception; after an SVC the program counter is past it."""
        return self.pc - (0 if number != _SVC else 2 if self._cpsr & _THUMB else 4)

    def takes_call(self) -> bool:
        """Whether it is an HVC, which the emulator's cores do not know, as they have no Hyp mode; if so, skip it."""
        self.state["fresh"] = 1
        thumb, at = bool(self._cpsr & _THUMB), self.pc
        code = self.state.view.code_bytes(at, 4)
        halves = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:], "little")
        word = halves[0] << 16 | halves[1] if thumb else halves[1] << 16 | halves[0]
        if not cp15.is_hvc(word, thumb):
            return False
        self.emulator.reg_write(self.PC, at + 4 | (1 if thumb else 0))
        return True

    def skips_hint(self) -> bool:
        """See `CoreState.skips_hint`: a WFE or a YIELD, which ends its block; the program counter is past it."""
        thumb, at = bool(self._cpsr & _THUMB), self.pc
        if self.state["block"] == at or not self._is_hint_before(at, thumb):
            return False
        self.emulator.reg_write(self.PC, at | (1 if thumb else 0))
        return True

    def _is_hint_before(self, at: int, thumb: bool) -> bool:
        def half(back: int) -> int:
            return int.from_bytes(self.state.view.code_bytes(at - back, 2), "little")

        if thumb:
            return half(2) in _T32_HINTS or half(4) << 16 | half(2) in _T32_WIDE_HINTS
        return (half(2) << 16 | half(4)) & 0x0FFF_FFFF in _A32_HINTS

    def _read(self, register: Cp15 | Cp15Wide) -> int:
        return int(self.emulator.reg_read(arm.UC_ARM_REG_CP_REG, _place(register)))

    def _write(self, register: Cp15 | Cp15Wide, value: int) -> None:
        self.emulator.reg_write(arm.UC_ARM_REG_CP_REG, (*_place(register), value))


def _place(register: Cp15 | Cp15Wide) -> tuple[int, ...]:
    """Return a register in the emulator's form: coprocessor, is 64-bit, non-secure, CRn, CRm, opc1, opc2."""
    if isinstance(register, Cp15Wide):
        return (15, 1, 0, 0, register.crm, register.opc1, 0)
    return (15, 0, 0, register.crn, register.crm, register.opc1, register.opc2)
