# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated AArch64 core: its start, and what coldline does in place of the emulator."""

from typing import ClassVar

import unicorn
from unicorn import arm64_const as arm64
from unicorn import unicorn_const as const

from coldline.arm import fields
from coldline.arm.fields import MemoryFeatures, SystemRegister
from coldline.events.batch import InstructionState
from coldline.frontends.unicorn.aarch64 import exceptions
from coldline.frontends.unicorn.aarch64.effective_address import effective_address
from coldline.frontends.unicorn.aarch64.gic_registers import GicRegisters
from coldline.frontends.unicorn.aarch64.watched_registers import OPERATIONS, WATCHED
from coldline.frontends.unicorn.core_state import CoreState
from coldline.frontends.unicorn.semihosting import A64_CALL
from coldline.guest.plan import Registers
from coldline.jit import programs
from coldline.mmu.registers import Changes
from coldline.support.units import PAGE_SIZE

_SCR_EL3 = 0x501
"""RW, HCE, NS: EL2 and EL1 are AArch64 and non-secure, HVC is an instruction (Arm ARM DDI 0487, SCR_EL3)."""

_HCR_EL2_RW = 1 << 31
_UNDEFINED, _SVC, _BRK, _HVC, _SMC = 1, 2, 7, 11, 13
_IMMEDIATE = 0xFFFF
_TRANSLATION_FAULT = 0x04
_WRITE_NOT_READ = 1 << 6
_REGISTERS = (
    *range(arm64.UC_ARM64_REG_X0, arm64.UC_ARM64_REG_X28 + 1),
    arm64.UC_ARM64_REG_X29,
    arm64.UC_ARM64_REG_X30,
    arm64.UC_ARM64_REG_SP,
    arm64.UC_ARM64_REG_PSTATE,
    *range(arm64.UC_ARM64_REG_Q0, arm64.UC_ARM64_REG_Q31 + 1),
)


class Aarch64(CoreState):
    """See `CoreState`."""

    ARCHITECTURE = unicorn.UC_ARCH_ARM64
    MODELS: ClassVar = {
        "a53": arm64.UC_CPU_ARM64_A53,
        "a57": arm64.UC_CPU_ARM64_A57,
        "a72": arm64.UC_CPU_ARM64_A72,
        "max": arm64.UC_CPU_ARM64_MAX,
    }
    PROGRAM = programs.CALLBACKS["arm64"]
    HOOKS = (
        (const.UC_HOOK_INSN, "on_sys", (arm64.UC_ARM64_INS_SYS,)),
        (const.UC_HOOK_INSN, "on_msr", (arm64.UC_ARM64_INS_MSR,)),
        (const.UC_HOOK_INSN, "on_mrs", (arm64.UC_ARM64_INS_MRS,)),
    )
    OPERATIONS = OPERATIONS
    PC = arm64.UC_ARM64_REG_PC
    ARGUMENTS = (
        arm64.UC_ARM64_REG_X0,
        arm64.UC_ARM64_REG_X1,
        arm64.UC_ARM64_REG_X2,
        arm64.UC_ARM64_REG_X3,
    )
    CALLS = frozenset({_HVC, _SMC})
    _gic: GicRegisters | None = None

    def reset(self, registers: Registers) -> None:
        """Give the core its first registers."""
        self._exceptions = exceptions.Exceptions(self.emulator, self._read_system, self._write_system)
        self._write_system(fields.SCR_EL3, _SCR_EL3)
        if self.exception_level == 1:
            self._write_system(fields.HCR_EL2, _HCR_EL2_RW)
        self.emulator.reg_write(arm64.UC_ARM64_REG_PSTATE, registers.pstate)
        # A write of PSTATE takes effect with the next write of a system register.
        sctlr = fields.SCTLR_EL1 if self.exception_level == 1 else fields.SCTLR_EL2
        self._write_system(sctlr, registers.sctlr)
        for index, value in enumerate(registers.general):
            self.emulator.reg_write(arm64.UC_ARM64_REG_X0 + index, value)
        self.emulator.reg_write(self.PC, registers.pc)
        self.state["instruction_set"] = InstructionState.A64
        self.learn_registers()

    def registers_at(self, entry: int, context: int, first: Registers) -> Registers:
        """See `CoreState.registers_at` (Arm DEN 0022, 6.4.3)."""
        return Registers(entry, (context, 0, 0, 0), first.pstate, first.sctlr)

    def offer_granules(self, granules: frozenset[int]) -> None:
        """Let the guest see whether the core has a granule of 16 KiB, which no core model of the emulator has."""
        features = self._read_system(fields.ID_AA64MMFR0_EL1)
        has_16k = MemoryFeatures.TGRAN16.put(int(16384 in granules))
        self.state["memory_features"] = features & ~MemoryFeatures.TGRAN16.mask | has_16k

    @property
    def instruction_set(self) -> str:
        """See `CoreState.instruction_set`."""
        return "arm64"

    def resume_at(self) -> int:
        """Return where to resume."""
        return self.pc

    def learn_registers(self) -> Changes:
        """Read the registers, which the emulator has written already; return those of this level that changed."""
        level = self.state["el"]
        changed = {}
        for name, at_level, register in WATCHED.values():
            old = self.state.view.register(name, at_level)
            new = self._read_system(register)
            self.state.view.set_register(name, at_level, new)
            if at_level == level and new != old:
                changed[name] = (old, new)
        return changed

    def enters_vectors(self, number: int) -> bool:
        """Take an SVC, a BRK or an undefined instruction, and if the guest has EL2, an HVC."""
        if number == _HVC and self.exception_level == 2:
            self._exceptions.enter(2, exceptions.EC_HVC, self._immediate(self.pc - 4), self.pc)
            return True
        classes = {
            _UNDEFINED: exceptions.EC_UNKNOWN,
            _SVC: exceptions.EC_SVC,
            _BRK: exceptions.EC_BRK,
        }
        at = self.culprit(number)
        if number not in classes or at == self._exceptions.vector(self._target):
            return False
        syndrome = 0 if number == _UNDEFINED else self._immediate(at)
        self._exceptions.enter(self._target, classes[number], syndrome, self.pc if number == _SVC else at)
        return True

    def enters_abort_vector(self, address: int, level: int, *, fetch: bool, write: bool) -> bool:
        """Take a translation fault to the guest's own vectors."""
        target, at = self._target, self.pc
        if at == self._exceptions.vector(target):
            return False
        lower = self._exceptions.level < target
        if fetch:
            kind = exceptions.EC_INSTRUCTION_ABORT_LOWER if lower else exceptions.EC_INSTRUCTION_ABORT
        else:
            kind = exceptions.EC_DATA_ABORT_LOWER if lower else exceptions.EC_DATA_ABORT
        syndrome = _TRANSLATION_FAULT | level & 3 | (_WRITE_NOT_READ if write else 0)
        self._exceptions.enter(target, kind, syndrome, at, at if fetch else self._accessed(at, address))
        return True

    def _accessed(self, at: int, page: int) -> int:
        """Return the address that the instruction at `at` used in a page, or the page's if that is not known."""
        code = self.state.view.code_bytes(at, 4)
        exact = effective_address(code, at, lambda register: int(self.emulator.reg_read(register)))
        return exact if exact is not None and exact & -PAGE_SIZE == page else page

    @property
    def _target(self) -> int:
        """The exception level that takes the present level's exceptions."""
        return max(1, self._exceptions.level)

    def _immediate(self, at: int) -> int:
        """Return the 16-bit immediate of the SVC, HVC or BRK at an address."""
        return int.from_bytes(self.state.view.code_bytes(at, 4), "little") >> 5 & _IMMEDIATE

    def is_semihosting(self, number: int) -> bool:
        """Whether an exception is a semihosting call."""
        code = self.state.view.code_bytes(self.pc, 4)
        return number == _UNDEFINED and int.from_bytes(code, "little") == A64_CALL

    def add_gic(self) -> None:
        """Add a GICv3's system registers."""
        self._gic = GicRegisters()

    def answers_gic(self, number: int) -> bool:
        """See `CoreState.answers_gic`."""
        if self._gic is None or number != _UNDEFINED:
            return False
        word = int.from_bytes(self.state.view.code_bytes(self.pc, 4), "little")

        def read(register: int) -> int:
            return int(self.emulator.reg_read(_REGISTERS[register]))

        def write(register: int, value: int) -> None:
            self.emulator.reg_write(_REGISTERS[register], value)

        if not self._gic.answer(word, read, write):
            return False
        self.emulator.reg_write(self.PC, self.pc + 4)
        return True

    def skip_semihosting(self) -> None:
        """Continue after a semihosting call."""
        self.emulator.reg_write(self.PC, self.pc + 4)

    def all_registers(self) -> tuple[int, ...]:
        """Return all registers that instructions compute with."""
        return tuple(int(self.emulator.reg_read(register)) for register in _REGISTERS)

    def culprit(self, number: int) -> int:
        """The address of the instruction that caused an exception; after an SVC the program counter is past it."""
        return self.pc - (4 if number == _SVC else 0)

    def _read_system(self, register: SystemRegister) -> int:
        op0, op1, crn, crm, op2 = register
        return int(self.emulator.cpr_read(op0, op1, crn, crm, op2))

    def _write_system(self, register: SystemRegister, value: int) -> None:
        op0, op1, crn, crm, op2 = register
        self.emulator.reg_write(arm64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))
