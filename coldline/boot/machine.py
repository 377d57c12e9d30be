# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated machine: a core with its MMU and caches off, the guest's RAM, and a serial console."""

import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import unicorn
from unicorn import arm64_const as arm64
from unicorn import unicorn_const as const
from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.arm import fields
from coldline.arm.cores import Core
from coldline.arm.fields import Sctlr, SystemRegister
from coldline.boot.code import Code
from coldline.boot.devices import Device
from coldline.boot.memory import address_of
from coldline.boot.state import AGENTS, DATA_TAG, REGISTERS, TAG_SHIFT, TAGS, WATCHED, State
from coldline.boot.sync import engine_address, skip_sync_offset
from coldline.trace import PAGE_SIZE

if TYPE_CHECKING:
    from coldline.guest.plan import Registers

_CPU_MODELS = {
    "a53": arm64.UC_CPU_ARM64_A53,
    "a57": arm64.UC_CPU_ARM64_A57,
    "a72": arm64.UC_CPU_ARM64_A72,
    "max": arm64.UC_CPU_ARM64_MAX,
}
GRANULES = frozenset({4096, 65536})
"""Translation granules of the emulator's cores, in bytes."""

_SCR_EL3 = 0x501
"""RW, HCE, NS: EL2 and EL1 are AArch64 and non-secure, HVC is an instruction (Arm ARM DDI 0487, SCR_EL3)."""

_HCR_EL2_RW = 1 << 31
_ESR_HVC = 0x16 << 26 | 1 << 25
_SAME_LEVEL, _LOWER_LEVEL = 0x200, 0x400
_EL2H_MASKED = 0x3C9
_EVERYWHERE = (1 << 64) - 1
_FLAGS = 0xF0000000


class Machine:
    """A vCPU and its memory, ready to run; every access it makes becomes an event in `state`.

    Parameters
    ----------
    ram : sequence of (base, buffer)
        The guest's RAM: physical base and the bytes themselves, which the guest changes.
    core : Core
        Whose instruction set.
    registers : Registers
        The first ones.
    exception_level : int
        1 or 2.
    devices : sequence of Device
        What else is at physical addresses.
    flash : int
        How many of the banks, the first ones, are flash: the guest's stores change nothing there.
    forced_write_back : bool
        Whether stage 2 makes every access write-back (FEAT_S2FWB): the guest's own switches and tables then
        change nothing, and its one alias is the host's to announce.
    with_pcs : bool
        Whether each event's program counter is kept.
    """

    def __init__(
        self,
        ram: Sequence[tuple[int, memoryview]],
        core: Core,
        registers: "Registers",
        *,
        exception_level: int,
        devices: Sequence[Device],
        flash: int,
        forced_write_back: bool,
        with_pcs: bool,
    ) -> None:
        self.emulator = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.emulator.ctl_set_page_size(4096)
        self.emulator.ctl_set_cpu_model(_CPU_MODELS[core.emulated_by])
        self.emulator.ctl_exits_enabled(True)
        self.emulator.ctl_set_exits([])  # no address ends a run
        self.emulator.ctl_set_tlb_mode(const.UC_TLB_VIRTUAL)
        self.state = State(ram, with_pcs=with_pcs)
        self.state["el"] = exception_level
        self.state["has_el2"] = exception_level == 2
        self.state["stage2"] = exception_level == 1
        self.state["forced"] = forced_write_back
        if not forced_write_back:
            self.state.tell_types_apart()
        self.code = Code(self.state)
        self._handles: list[Any] = []
        self.state["flash_pages"] = sum(len(buffer) for _, buffer in ram[:flash]) // PAGE_SIZE
        for number, ((base, _), array) in enumerate(zip(ram, self.state.ram, strict=True)):
            taken = const.UC_PROT_WRITE if number < flash else 0
            for tag in range(TAGS):
                self._map(base, tag, array, const.UC_PROT_ALL & ~taken)
                if tag:
                    both = const.UC_PROT_READ | const.UC_PROT_WRITE
                    self._map(base, tag | DATA_TAG, array, both & ~taken)
        for device in devices:
            self._add(device)
        self._add_hooks()
        self._reset(registers, exception_level)
        offset = skip_sync_offset()
        if offset is not None:
            self.state["skip_sync"] = engine_address(self.emulator) + offset

    def _map(self, base: int, tag: int, ram: memoryview, protection: int) -> None:
        self.emulator.mem_map_ptr(base | tag << TAG_SHIFT, len(ram), protection, address_of(ram))

    def _add(self, device: Device) -> None:
        def read(_: Any, offset: int, size: int, __: Any) -> int:
            return device.read(offset, size)

        def write(_: Any, offset: int, size: int, value: int, __: Any) -> None:
            device.write(offset, size, value)

        self.emulator.mmio_map(device.base, device.size, read, None, write, None)

    def _add_hooks(self) -> None:
        self._hook(const.UC_HOOK_MEM_READ, "on_read")
        self._hook(const.UC_HOOK_MEM_WRITE, "on_write")
        self._hook(const.UC_HOOK_BLOCK, "on_block")
        self._hook(const.UC_HOOK_TLB_FILL, "on_tlb_fill")
        self._hook(const.UC_HOOK_INSN, "on_sys", arm64.UC_ARM64_INS_SYS)
        self._hook(const.UC_HOOK_INSN, "on_msr", arm64.UC_ARM64_INS_MSR)
        self._hook(const.UC_HOOK_INSN, "on_mrs", arm64.UC_ARM64_INS_MRS)

    def _hook(self, kind: int, name: str, *instruction: int) -> None:
        handle = ctypes.c_size_t()
        status = unicorn_module.uclib.uc_hook_add(
            self.emulator._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.c_void_p(self.code.addresses[name]),
            ctypes.c_void_p(self.state.pointer),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
            *(ctypes.c_int(number) for number in instruction),
        )
        if status != const.UC_ERR_OK:
            raise unicorn.UcError(status)
        self._handles.append(handle)

    def _reset(self, registers: "Registers", exception_level: int) -> None:
        self.write_system(fields.SCR_EL3, _SCR_EL3)
        if exception_level == 1:
            self.write_system(fields.HCR_EL2, _HCR_EL2_RW)
        self.emulator.reg_write(arm64.UC_ARM64_REG_PSTATE, registers.pstate)
        # A write of PSTATE takes effect with the next write of a system register.
        sctlr = fields.SCTLR_EL1 if exception_level == 1 else fields.SCTLR_EL2
        self.write_system(sctlr, registers.sctlr)
        for index, value in enumerate(registers.general):
            self.emulator.reg_write(arm64.UC_ARM64_REG_X0 + index, value)
        self._learn_registers()
        if not self.state["forced"]:
            self.state["introduced"] = 1
            self.code.switch(registers.sctlr & ~1, (registers.sctlr & ~1) ^ 0x1004)

    def read_system(self, register: SystemRegister) -> int:
        """The value of a system register."""
        op0, op1, crn, crm, op2 = register
        return int(self.emulator.cpr_read(op0, op1, crn, crm, op2))

    def write_system(self, register: SystemRegister, value: int) -> None:
        """Set a system register."""
        op0, op1, crn, crm, op2 = register
        self.emulator.reg_write(arm64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))

    def enter_el2(self, return_to: int) -> None:
        """Take an HVC to the guest's own EL2 vectors, which the emulator does not do by itself.

        Source: Arm ARM DDI 0487, 'Exception entry' and ESR_EL2: EC 0x16, a 32-bit instruction.
        """
        pstate = int(self.emulator.reg_read(arm64.UC_ARM64_REG_PSTATE))
        from_el2 = (pstate >> 2) & 3 == 2
        self.write_system(fields.SPSR_EL2, pstate)
        self.write_system(fields.ELR_EL2, return_to)
        vector = self.read_system(fields.VBAR_EL2) + (_SAME_LEVEL if from_el2 else _LOWER_LEVEL)
        self.emulator.reg_write(arm64.UC_ARM64_REG_PSTATE, pstate & _FLAGS | _EL2H_MASKED)
        self.write_system(fields.ESR_EL2, _ESR_HVC)  # this write makes that of PSTATE take effect
        if not from_el2:
            # Each level has a stack pointer of its own, and writing PSTATE changes none.
            self.write_system(fields.SP_EL1, int(self.emulator.reg_read(arm64.UC_ARM64_REG_SP)))
            self.emulator.reg_write(arm64.UC_ARM64_REG_SP, self.read_system(fields.SP_EL2))
        self.emulator.reg_write(arm64.UC_ARM64_REG_PC, vector)

    def _learn_registers(self) -> dict[str, tuple[int, int]]:
        """Read the registers that decide what accesses are; this level's that changed, old and new."""
        level = self.state["el"]
        changed = {}
        for key, (name, at_level) in WATCHED.items():
            old = self.state.register(name, at_level)
            new = self.read_system(_BY_KEY[key])
            self.state.set_register(name, at_level, new)
            if at_level == level and new != old:
                changed[name] = (old, new)
        return changed

    def follow_switch(self, caches_toggled: Callable[[bool], None], flush: Callable[[], None]) -> bool:
        """The guest wrote a register that decides what accesses are.

        Parameters
        ----------
        caches_toggled : callable
            Told, before the guest's own event, whether MMU and data cache are both on from now on.
        flush : callable
            Takes the events so far, so that the host's come after them.

        Returns
        -------
        bool
            Whether the MMU was turned on.
        """
        changed = self._learn_registers()
        sctlr = self.state.register("sctlr", self.state["el"])
        before = changed.get("sctlr", (sctlr, sctlr))[0]
        on, was_on = bool(Sctlr.M.get(sctlr)), bool(Sctlr.M.get(before))
        if (sctlr ^ before) & (Sctlr.M.mask | Sctlr.C.mask):
            flush()
            caches_toggled(on and bool(Sctlr.C.get(sctlr)))
        if on and (not was_on or "tcr" in changed or "mair" in changed):
            self.code.rescan()
        elif on and ("ttbr0" in changed or "ttbr1" in changed):
            # What the old root maps can be used until a TLB invalidation.
            self.code.add_root(upper="ttbr1" in changed)
            self.state["rescan"] = 1
            self.state["rescan_low"], self.state["rescan_high"] = 0, _EVERYWHERE
        self.state["virtual"] = on
        self.code.switch(sctlr, before)
        self.state["sweep"] = 0
        self.state["generation"] += 1
        self.state["translations"] = 0
        self.emulator.ctl(const.UC_CTL_TLB_FLUSH, const.UC_CTL_IO_WRITE)
        return on and not was_on


_BY_KEY = {
    register.key: register for register in vars(fields).values() if isinstance(register, SystemRegister)
}

assert AGENTS[0] == "guest"
assert REGISTERS[0] == "sctlr"
