# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables outside of RAM: in the flash memory of firmware, and in the RAM of Secure state.

Expected events follow from the code.
"""

from pathlib import Path

import pytest

pytest.importorskip("numba")

import tests.helpers.tiny_guests as a64
from coldline.frontends.qemu import read_command_line
from tests.frontends.qemu.test_watch import events_of, of
from tests.helpers import machines
from tests.helpers.tiny_guests import DSB, ISB, RAM, Code, code, ldr, mov, msr, off, store, store_w
from tests.helpers.tiny_guests import sys as maintain

TABLE_IN_FLASH, SECURE_RAM = 0x10000, 0x0E00_0000
DATA = RAM + 0x10_0000
ENTRIES = {0: a64.block(0, a64.DEVICE), 1: a64.block(RAM)}
"""The first gigabyte, where code and devices are, and the first one of RAM."""

GPIO = 0x090B_0000
"""Its line 0 turns the machine off (qemu hw/arm/virt.c, VIRT_SECURE_GPIO, 10.0)."""

POWER_OFF = code(
    mov(2, GPIO), mov(4, 1), store_w(4, 2, 0x400), mov(5, 0), store_w(5, 2, 4), store_w(4, 2, 4), a64.b(0)
)


@pytest.fixture(name="qemu")
def fixture_qemu() -> list[str]:
    return machines.qemu()


def mmu_on(table: int, level: int) -> Code:
    at = f"el{level}"
    return code(
        mov(1, a64.MAIR), msr(f"mair_{at}", 1), mov(1, a64.tcr()), msr(f"tcr_{at}", 1), mov(1, table),
        msr(f"ttbr0_{at}", 1), ISB, maintain("tlbi vmalle1" if level == 1 else f"tlbi alle{level}"), DSB, ISB,
        mov(1, a64.SCTLR_OFF | a64.M | a64.C | a64.I), msr(f"sctlr_{at}", 1), ISB,
    )  # fmt: skip


def words_of(qemu: list[str], path: Path, program: Code, board: str) -> list[str]:
    """A machine whose firmware is a program with a table."""
    content = bytearray(TABLE_IN_FLASH + 16)
    content[: 4 * len(program)] = a64.bytes_of(program)
    content[TABLE_IN_FLASH:] = a64.words(ENTRIES)
    path.write_bytes(content)
    return [
        *qemu, "-M", board, "-cpu", "cortex-a57", "-m", "64", "-display", "none", "-nic", "none", "-serial",
        "stdio", "-bios", str(path),
    ]  # fmt: skip


def test_tables_in_flash_memory(qemu: list[str], tmp_path: Path) -> None:
    program = code(mmu_on(TABLE_IN_FLASH, 1), mov(2, DATA), ldr(4, 2), off())
    events = events_of(words_of(qemu, tmp_path / "program", program, "virt"), start="cold")
    assert of(events, "walk", "read")[-2:] == [
        f"cpu0.el1 walk {TABLE_IN_FLASH + 8:#x} 8 normal-wb",
        f"cpu0.el1 read {DATA:#x} 8",
    ]


def test_tables_in_secure_ram(qemu: list[str], tmp_path: Path) -> None:
    puts = [
        code(mov(2, SECURE_RAM + 8 * index), mov(4, value), store(4, 2)) for index, value in ENTRIES.items()
    ]
    program = code(*puts, DSB, mmu_on(SECURE_RAM, 3), mov(2, DATA), ldr(4, 2), POWER_OFF)
    events = events_of(words_of(qemu, tmp_path / "program", program, "virt,secure=on"), start="cold")
    accesses = of(events, "walk", "read", "write")
    assert accesses[:2] == [f"cpu0.el3 write {SECURE_RAM + 8 * index:#x} 8" for index in ENTRIES]
    assert accesses[accesses.index(f"cpu0.el3 read {DATA:#x} 8") - 1] == (
        f"cpu0.el3 walk {SECURE_RAM + 8:#x} 8 normal-wb"
    )


def test_what_is_beside_ram_is_read_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "firmware"
    file.write_bytes(b"1")
    words = ["qemu-system-aarch64", "-bios", str(file), "-M"]
    plain, secure = (read_command_line([*words, board]) for board in ("virt", "virt,secure=on"))
    assert (plain.rom, plain.secure_ram) == (str(file), (0, 0))
    assert (secure.rom, secure.secure_ram) == (str(file), (SECURE_RAM, 1 << 24))
    assert read_command_line([*words, "raspi3b"]).rom == ""
