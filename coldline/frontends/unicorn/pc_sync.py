# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the byte of the emulator that turns off its look-up of the program counter at each access.

Before each memory callback Unicorn looks up the program counter from its place in translated code. This takes several
times as long as the callback, and it is not needed: the translated code updates the program counter by itself. A flag
in Unicorn's engine turns the look-up off. The flag is intended for callbacks that have just written the program
counter, and it has no interface. It is found at start-up, by comparing which bytes change when the program counter is
written. It is used only if a test program then behaves as before at each access. If none is found, runs are slower
and have the same events. The offset for a build of the emulator is kept in the user's cache folder.
"""

import ctypes
import functools
import json
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from unicorn import (
    UC_ARCH_ARM,
    UC_ARCH_ARM64,
    UC_HOOK_BLOCK,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_WRITE,
    UC_MODE_ARM,
    Uc,
    UcError,
    arm64_const,
    arm_const,
)
from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.support import cache_folder

_BASE = 0x1000
_DATA = 0x1800


class _Test(NamedTuple):
    """A test program at `_BASE`, and the emulator's numbers for its program counter and registers 0 to 2.

    `in_step` says whether translated code updates the program counter before each access, or only at the start of
    each block. In the latter case a callback must not read it in between.
    """

    architecture: int
    in_step: bool
    pc: int
    registers: tuple[int, int, int]
    program: bytes

    @property
    def end(self) -> int:
        return _BASE + len(self.program)


_TESTS = {
    "arm64": _Test(
        UC_ARCH_ARM64,
        True,
        arm64_const.UC_ARM64_REG_PC,
        (arm64_const.UC_ARM64_REG_X0, arm64_const.UC_ARM64_REG_X1, arm64_const.UC_ARM64_REG_X2),
        struct.pack(
            "<8I",
            0xF9400001,  # loop: ldr x1, [x0]
            0x91000421,  # add x1, x1, #1
            0xF9000001,  # str x1, [x0]
            0xF1000442,  # subs x2, x2, #1
            0x54FFFF81,  # b.ne loop
            0xA9400801,  # ldp x1, x2, [x0]
            0xD503201F,  # nop
            0xD503201F,  # nop
        ),
    ),
    "arm32": _Test(
        UC_ARCH_ARM,
        False,
        arm_const.UC_ARM_REG_PC,
        (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2),
        struct.pack(
            "<8I",
            0xE5901000,  # loop: ldr r1, [r0]
            0xE2811001,  # add r1, r1, #1
            0xE5801000,  # str r1, [r0]
            0xE2522001,  # subs r2, r2, #1
            0x1AFFFFFA,  # bne loop
            0xE8900006,  # ldm r0, {r1, r2}
            0xE320F000,  # nop
            0xE320F000,  # nop
        ),
    ),
}
_ROUNDS = 5
_FAR = 64
"""Bytes: flags nearer than this to the flag that requests a stop also request some kind of stop."""


def keeps_counter(architecture: str) -> bool:
    """Whether the program counter is known at each access even with the flag set."""
    return _TESTS[architecture].in_step


@functools.cache
def skip_sync_offset(architecture: str) -> int | None:
    """Return the flag's offset in bytes from the engine's address, or None if it was not found.

    `architecture` is ``arm64`` or ``arm32``: the emulator has an engine for each.
    """
    path = _path(architecture)
    if path is not None:
        with suppress(OSError, ValueError):
            kept = json.loads(cache_folder.read_kept(path))
            if kept is None or type(kept) is int:
                return kept
    offset = _find(_TESTS[architecture])
    if path is not None:
        cache_folder.keep(path, json.dumps(offset).encode())
    return offset


def _path(architecture: str) -> Path | None:
    """The file that keeps the offset. Its name changes with the emulator's library, which its inode identifies."""
    folder, library = cache_folder.folder(), unicorn_module.uclib._name
    if folder is None:
        return None
    try:
        status = os.stat(library)
    except OSError:
        return None
    build = (library, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return folder / cache_folder.name_for("sync", __name__, os.uname().machine, architecture, build)


def _find(test: _Test) -> int | None:
    try:
        stops = _bytes_set_by(test, lambda emulator: emulator.emu_stop())
        writes = _bytes_set_by(test, lambda emulator: emulator.reg_write(test.pc, test.end - 4))
        far = [offset for offset in writes if all(abs(offset - stop) > _FAR for stop in stops)]
        expected = _behaviour(test, None)
        found = [offset for offset in far if _behaviour(test, offset) == expected]
    except (OSError, AttributeError, UcError):
        return None
    return found[0] if len(found) == 1 else None


def engine_address(emulator: Uc) -> int:
    """The address of the emulator's engine in this process."""
    handle = emulator._uch
    return int(getattr(handle, "value", handle))


def _engine_size(emulator: Uc) -> int:
    libc = ctypes.CDLL(None)
    libc.malloc_usable_size.restype = ctypes.c_size_t
    libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
    return int(libc.malloc_usable_size(engine_address(emulator)))


def _machine(test: _Test) -> Uc:
    emulator = Uc(test.architecture, UC_MODE_ARM)
    emulator.mem_map(_BASE, 0x1000)
    emulator.mem_write(_BASE, test.program)
    emulator.reg_write(test.registers[0], _DATA)
    emulator.reg_write(test.registers[2], _ROUNDS)
    return emulator


def _bytes_set_by(test: _Test, act: Callable[[Uc], None]) -> list[int]:
    """The offsets of the engine's bytes that change from 0 to 1 when `act` is called at the first load."""
    emulator = _machine(test)
    address, size = engine_address(emulator), _engine_size(emulator)
    changed: list[int] = []

    def on_read(*_: object) -> None:
        before = ctypes.string_at(address, size)
        act(emulator)
        after = ctypes.string_at(address, size)
        changed.extend(i for i in range(size) if (before[i], after[i]) == (0, 1))

    hook = emulator.hook_add(UC_HOOK_MEM_READ, on_read)
    emulator.emu_start(_BASE, test.end)
    emulator.hook_del(hook)
    return changed


def _behaviour(test: _Test, offset: int | None) -> list[int]:
    """The behaviour of the test program with the byte at `offset` set: each access's place, and the final state."""
    emulator = _machine(test)
    seen: list[int] = []

    def on_access(_: Uc, kind: int, address: int, *__: object) -> None:
        seen.extend((kind, address, int(emulator.reg_read(test.pc)) if test.in_step else 0))

    def on_block(*_: object) -> None:
        if offset is not None:
            ctypes.c_uint8.from_address(engine_address(emulator) + offset).value = 1

    emulator.hook_add(UC_HOOK_BLOCK, on_block)
    emulator.hook_add(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, on_access)
    emulator.emu_start(_BASE, test.end)
    for register in (test.pc, *test.registers[1:]):
        seen.append(int(emulator.reg_read(register)))
    return seen
