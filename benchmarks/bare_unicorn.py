# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the same guest on Unicorn alone, with only one hook, which ends the run at the first PSCI call.

With `--empty-callbacks` each load and store calls a function of the C library that does nearly nothing, `abs`:
the least that an emulator costs which tells of accesses.

Usage: python benchmarks/bare_unicorn.py [--empty-callbacks] IMAGE MEMORY_IN_MIB [BOOTARGS]
"""

import ctypes
import sys
import time

import unicorn
from unicorn import arm64_const as a64
from unicorn import arm_const as a32
from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.guest import GuestOptions, make_plan
from coldline.hypervisor.simulated.domain import RamBank
from coldline.image import load_kernel

_NEVER = (1 << 64) - 1
EMPTY_CALLBACKS = "--empty-callbacks"


def call_at_accesses(emulator: unicorn.Uc) -> None:
    """Register a function that does nothing for all loads and stores."""
    nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)
    unicorn_module.uclib.uc_hook_add(
        emulator._uch,
        ctypes.byref(ctypes.c_size_t()),
        ctypes.c_int(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE),
        nothing,
        None,
        ctypes.c_uint64(1),
        ctypes.c_uint64(0),
    )


def main() -> None:
    """Run, and print the seconds that the emulator alone took."""
    given = [each for each in sys.argv[1:] if each != EMPTY_CALLBACKS]
    path, memory = given[0], int(given[1]) << 20
    plan = make_plan(load_kernel(path), GuestOptions(memory=memory, bootargs=" ".join(given[2:])))
    arm64 = plan.architecture == "arm64"
    emulator = unicorn.Uc(unicorn.UC_ARCH_ARM64 if arm64 else unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
    emulator.ctl_set_page_size(4096)
    emulator.ctl_set_cpu_model(a64.UC_CPU_ARM64_A72 if arm64 else a32.UC_CPU_ARM_CORTEX_A15)
    ((base, size),) = ((bank.base, bank.size) for bank in plan.banks)
    ram = RamBank.allocate(base, size)
    at = ctypes.addressof(ctypes.c_char.from_buffer(ram.buffer))
    emulator.mem_map_ptr(base, size, unicorn.UC_PROT_ALL, at)
    for segment in plan.segments:
        ram.store(segment.address, segment.data)
    emulator.mmio_map(0x22000000, 0x1000, lambda *_: 0x90, None, lambda *_: None, None)
    if arm64:
        # SCR_EL3 and HCR_EL2: EL1 is AArch64 and HVC an instruction
        emulator.reg_write(a64.UC_ARM64_REG_CP_REG, (1, 1, 3, 6, 0, 0x501))
        emulator.reg_write(a64.UC_ARM64_REG_CP_REG, (1, 1, 3, 4, 0, 1 << 31))
        emulator.hook_add(unicorn.UC_HOOK_INTR, lambda uc, *_: uc.emu_stop())
    else:
        emulator.reg_write(a32.UC_ARM_REG_CPSR, plan.registers.pstate)
        # HVC is none of its instructions
        emulator.hook_add(unicorn.UC_HOOK_INSN_INVALID, lambda uc, _: uc.emu_stop() or True)
    first = a64.UC_ARM64_REG_X0 if arm64 else a32.UC_ARM_REG_R0
    for index, value in enumerate(plan.registers.general):
        emulator.reg_write(first + index, value)
    if EMPTY_CALLBACKS in sys.argv:
        call_at_accesses(emulator)
    start = time.perf_counter()
    emulator.emu_start(plan.registers.pc, _NEVER)
    seconds = time.perf_counter() - start
    call = emulator.reg_read(first)
    if call != 0x84000000:
        raise SystemExit(f"did not reach PSCI_VERSION: x0 = {call:#x}")
    print(f"{seconds:.3f}")


if __name__ == "__main__":
    main()
