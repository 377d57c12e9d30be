# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU for tests, and bare-metal programs for its machine ``virt``."""

import shutil
import struct
from pathlib import Path

import tests.helpers.tiny_guests as a64
from coldline.errors import ColdlineError
from coldline.frontends.qemu.command_line import OLDEST
from coldline.jit import code_cache, programs
from testbed.watched.qemu import watchable_qemu
from tests.helpers.guest_runs import LEVEL1, LEVEL2, LEVEL3, mmu_on, tables
from tests.helpers.requirements import require
from tests.helpers.tiny_guests import RAM, Code, code, mov

SECOND, DATA = RAM + 0x2000, RAM + 0x3000
"""Where the second core starts, and a word that the first one passes to it."""

CPU_ON = 0xC400_0003
_ELF_OFFSET = 0x1000


def qemu() -> list[str]:
    """Return the first words of QEMU's command line, or skip the test."""
    try:
        found = watchable_qemu()
    except ColdlineError as error:
        found = ()
        require(found, f"no QEMU {OLDEST[0]}.{OLDEST[1]} or later: {error}")
    code_cache.load_code(programs.QEMU)  # compiling takes longer than a test waits for a process
    require(shutil.which("cc") or shutil.which("gcc"), "no C compiler for QEMU's plugin")
    return list(found)


def machine(words: list[str], program: Path, *more: str, vcpus: int = 1) -> list[str]:
    """Return the command line of a small machine that starts a file of `write_program` on its first core."""
    return [
        *words, "-M", "virt", "-cpu", "cortex-a57", "-smp", str(vcpus), "-m", "64", "-display", "none", "-nic",
        "none", "-serial", "stdio", "-kernel", str(program), *more,
    ]  # fmt: skip


def write_program(
    path: Path,
    first: Code,
    second: Code | None = None,
    pages: dict[int, int] | None = None,
    more: dict[int, bytes] | None = None,
) -> Path:
    """Write a program, its second core's code at `SECOND`, and the tables of `guest_runs`; return the file.

    `more` has other bytes by their offsets.
    """
    memory = bytearray(max([LEVEL3, *(more or {})]) + 0x1000)
    for offset, piece in (
        (0, a64.bytes_of(first)),
        (SECOND - RAM, a64.bytes_of(second or [])),
        *tables(pages or {}).items(),
        *(more or {}).items(),
    ):
        memory[offset : offset + len(piece)] = piece
    assert min(LEVEL1, LEVEL2) > DATA - RAM
    path.write_bytes(_elf(bytes(memory)))
    return path


def _elf(memory: bytes) -> bytes:
    """An ELF file for AArch64 that has `memory` at `RAM`, and starts there (System V ABI: Elf64_Ehdr, Elf64_Phdr)."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, RAM, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, _ELF_OFFSET, RAM, RAM, len(memory), len(memory), 0x1000)
    return (ident + header + segment).ljust(_ELF_OFFSET, b"\0") + memory


def starts_second_core(clean: list[str]) -> tuple[Code, Code]:
    """The code of two cores: the first one passes a word, maintained by `clean`, to the second one.

    The first core turns on its MMU and caches, writes a word, and starts the second core by PSCI, which reads the
    word with MMU and caches off. Then the second core turns the machine off.
    """
    first = code(
        mmu_on(),
        mov(2, DATA),
        mov(4, 0x1234),
        a64.store(4, 2),
        *(a64.sys(name, 2) for name in clean),
        a64.DSB,
        mov(0, CPU_ON),
        mov(1, 1),
        mov(2, SECOND),
        mov(3, 0),
        a64.HVC,
        a64.WFI,
        a64.b(-1),
    )
    second = code(mov(2, DATA), a64.ldr(4, 2), a64.off())
    return first, second
