# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the byte with which the emulator can be told not to restore the program counter at each access.

Restoring it costs several times what our callbacks do. Unicorn has a flag inside its engine that stops it,
meant for callbacks that have just written the program counter, and no interface to set it. Where it lies is
found at start-up, by watching which bytes change when the program counter is written, and each candidate is
tried on a program whose outcome shows whether it is the one. Where none is, we do without: slower, the same.
"""

import ctypes
import functools

from unicorn import UC_ARCH_ARM64, UC_HOOK_MEM_READ, UC_MODE_ARM, Uc
from unicorn.arm64_const import UC_ARM64_REG_PC, UC_ARM64_REG_X0

_BASE = 0x1000
_DATA = 0x1800
# nop; nop; ldr x1, [x0]; nop
_PROGRAM = bytes.fromhex("1f2003d51f2003d5010040f91f2003d5")
_LOAD_AT = _BASE + 8


@functools.cache
def skip_sync_offset() -> int | None:
    """The flag's offset in bytes from the engine's address, or None where it cannot be told."""
    try:
        candidates = _bytes_set_by_writing_pc()
        found = [offset for offset in candidates if _pc_seen_at_load(offset) != _LOAD_AT]
    except (OSError, AttributeError):
        return None
    return found[0] if len(found) == 1 and _pc_seen_at_load(None) == _LOAD_AT else None


def engine_address(emulator: Uc) -> int:
    """Where the emulator's engine lies in this process."""
    handle = emulator._uch
    return int(getattr(handle, "value", handle))


def _engine_size(emulator: Uc) -> int:
    libc = ctypes.CDLL(None)
    libc.malloc_usable_size.restype = ctypes.c_size_t
    libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
    return int(libc.malloc_usable_size(engine_address(emulator)))


def _machine() -> Uc:
    emulator = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    emulator.mem_map(_BASE, 0x1000)
    emulator.mem_write(_BASE, _PROGRAM)
    emulator.reg_write(UC_ARM64_REG_X0, _DATA)
    return emulator


def _bytes_set_by_writing_pc() -> list[int]:
    emulator = _machine()
    address, size = engine_address(emulator), _engine_size(emulator)
    changed: list[int] = []

    def on_read(*_: object) -> None:
        before = ctypes.string_at(address, size)
        emulator.reg_write(UC_ARM64_REG_PC, _LOAD_AT + 4)
        after = ctypes.string_at(address, size)
        changed.extend(i for i in range(size) if (before[i], after[i]) == (0, 1))

    emulator.hook_add(UC_HOOK_MEM_READ, on_read)
    emulator.emu_start(_BASE, _BASE + len(_PROGRAM))
    return changed


def _pc_seen_at_load(offset: int | None) -> int:
    """The program counter that a callback at the load reads, with the byte at `offset` set before it."""
    emulator = _machine()
    seen: list[int] = []

    def on_read(*_: object) -> None:
        seen.append(int(emulator.reg_read(UC_ARM64_REG_PC)))

    def on_block(*_: object) -> None:
        if offset is not None:
            ctypes.c_uint8.from_address(engine_address(emulator) + offset).value = 1

    from unicorn import UC_HOOK_BLOCK

    emulator.hook_add(UC_HOOK_BLOCK, on_block)
    emulator.hook_add(UC_HOOK_MEM_READ, on_read)
    emulator.emu_start(_BASE, _BASE + len(_PROGRAM))
    return seen[0] if seen else _LOAD_AT
