# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated AArch64 core: its start, and what coldline does in place of the emulator."""

from typing import TYPE_CHECKING, ClassVar

import unicorn
from unicorn import arm64_const as arm64
from unicorn import unicorn_const as const

from coldline.arm import fields
from coldline.arm.fields import MemoryFeatures, SystemRegister
from coldline.events.batch import InstructionState
from coldline.frontends.unicorn.aarch64.watched_registers import OPERATIONS, WATCHED
from coldline.frontends.unicorn.core_state import CoreState
from coldline.mmu.registers import Changes

if TYPE_CHECKING:
    from coldline.guest.plan import Registers

_SCR_EL3 = 0x501
"""RW, HCE, NS: EL2 and EL1 are AArch64 and non-secure, HVC is an instruction (Arm ARM DDI 0487, SCR_EL3)."""

_HCR_EL2_RW = 1 << 31
_ESR_HVC = 0x16 << 26 | 1 << 25
_SAME_LEVEL, _LOWER_LEVEL = 0x200, 0x400
_EL2H_MASKED = 0x3C9
_FLAGS = 0xF0000000
_SVC, _HVC, _SMC = 2, 11, 13


class Aarch64(CoreState):
    """See `CoreState`."""

    ARCHITECTURE = unicorn.UC_ARCH_ARM64
    MODELS: ClassVar = {
        "a53": arm64.UC_CPU_ARM64_A53,
        "a57": arm64.UC_CPU_ARM64_A57,
        "a72": arm64.UC_CPU_ARM64_A72,
        "max": arm64.UC_CPU_ARM64_MAX,
    }
    PACKAGE = "aarch64"
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

    def reset(self, registers: "Registers") -> None:
        """Give the core its first registers."""
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

    def offer_granules(self, granules: frozenset[int]) -> None:
        """Let the guest see whether the core has a granule of 16 KiB, which no core model of the emulator has."""
        features = self._read_system(fields.ID_AA64MMFR0_EL1)
        has_16k = MemoryFeatures.TGRAN16.put(int(16384 in granules))
        self.state["memory_features"] = features & ~MemoryFeatures.TGRAN16.mask | has_16k

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
        """Take an HVC to the guest's own EL2 vectors, if the guest has EL2.

        Source: Arm ARM DDI 0487, 'Exception entry' and ESR_EL2: EC 0x16, a 32-bit instruction.
        """
        if number != _HVC or self.exception_level != 2:
            return False
        return_to = self.pc
        pstate = int(self.emulator.reg_read(arm64.UC_ARM64_REG_PSTATE))
        from_el2 = (pstate >> 2) & 3 == 2
        self._write_system(fields.SPSR_EL2, pstate)
        self._write_system(fields.ELR_EL2, return_to)
        vector = self._read_system(fields.VBAR_EL2) + (_SAME_LEVEL if from_el2 else _LOWER_LEVEL)
        self.emulator.reg_write(arm64.UC_ARM64_REG_PSTATE, pstate & _FLAGS | _EL2H_MASKED)
        self._write_system(fields.ESR_EL2, _ESR_HVC)  # this write makes that of PSTATE take effect
        if not from_el2:
            # Each level has its own stack pointer, and a write of PSTATE does not switch it.
            self._write_system(fields.SP_EL1, int(self.emulator.reg_read(arm64.UC_ARM64_REG_SP)))
            self.emulator.reg_write(arm64.UC_ARM64_REG_SP, self._read_system(fields.SP_EL2))
        self.emulator.reg_write(arm64.UC_ARM64_REG_PC, vector)
        return True

    def culprit(self, number: int) -> int:
        """The address of the instruction that caused an exception; after an SVC the program counter is past it."""
        return self.pc - (4 if number == _SVC else 0)

    def _read_system(self, register: SystemRegister) -> int:
        op0, op1, crn, crm, op2 = register
        return int(self.emulator.cpr_read(op0, op1, crn, crm, op2))

    def _write_system(self, register: SystemRegister, value: int) -> None:
        op0, op1, crn, crm, op2 = register
        self.emulator.reg_write(arm64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))
