# SPDX-License-Identifier: GPL-2.0-or-later
"""midway-arm32 does what its source says, on plain Unicorn with Unicorn's own MMU."""

import importlib.util
import struct
from dataclasses import dataclass
from typing import Any

import pytest

from coldline.image import load_kernel
from coldline.samples import sample
from tests.helpers.requirements import require

RAM = 0x4000_0000
RAM_SIZE = 2 << 20
PL011 = 0x2200_0000
PSCI_SYSTEM_OFF = 0x8400_0008

DATA = 0x800  # where the guest's word of data is in its image, in bytes
MOVED = 0x1000  # the routine that it moves another one over
ORIGINAL = 0x1800  # that other one
TABLE = 0x2000
LARGEST_LINE = 2048  # CTR.CWG, Arm ARM DDI 0406C B4.1.42: at most 512 words

MCR_SCTLR_R1 = bytes.fromhex("101f01ee")
HVC = bytes.fromhex("700040e1")
SVC_MASKED = 0x4000_01D3


@dataclass(frozen=True)
class Ending:
    """The end of a run."""

    code: int
    console: bytes


@pytest.fixture(scope="module")
def midway() -> bytes:
    return sample("midway-arm32").image.read_bytes()


def run(image: bytes, *, load_at: int = RAM + 0x8000, old: tuple[int, ...] = ()) -> Ending:
    """Run `image` until its PSCI call; when its MMU turns on, the lines at `old` become old."""
    require(importlib.util.find_spec("unicorn") is not None, "Unicorn is not installed")
    import unicorn
    from unicorn import arm_const as arm

    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
    machine.ctl_set_page_size(4096)
    machine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_A15)
    machine.mem_map(RAM, RAM_SIZE)
    machine.mem_write(load_at, image)
    console = bytearray()
    endings: list[Ending] = []
    polls = iter([1 << 5, 0] * 1000)  # the FIFO is full at every other look

    def write(_machine: Any, offset: int, _size: int, value: int, _data: object) -> None:
        assert offset == 0
        console.append(value)

    def read(_machine: Any, offset: int, _size: int, _data: object) -> int:
        assert offset == 0x18
        return next(polls)

    def call(machine: Any, _address: int, _size: int, _data: object) -> None:
        assert machine.reg_read(arm.UC_ARM_REG_R0) == PSCI_SYSTEM_OFF
        endings.append(Ending(machine.reg_read(arm.UC_ARM_REG_R1), bytes(console)))
        machine.emu_stop()

    def stale(machine: Any, _address: int, _size: int, _data: object) -> None:
        for offset in old:
            machine.mem_write(load_at + offset, image[offset : offset + 8])
            machine.ctl_remove_cache(load_at + offset, load_at + offset + 8)

    machine.mmio_map(PL011, 4096, read, None, write, None)
    hvc, mmu_on = load_at + image.index(HVC), load_at + image.index(MCR_SCTLR_R1)
    machine.hook_add(unicorn.UC_HOOK_CODE, call, begin=hvc, end=hvc)
    machine.hook_add(unicorn.UC_HOOK_CODE, stale, begin=mmu_on, end=mmu_on)
    machine.reg_write(arm.UC_ARM_REG_CPSR, SVC_MASKED)
    machine.emu_start(load_at, 0, count=100_000)
    (ending,) = endings
    return ending


def test_header(midway: bytes) -> None:
    """linux arch/arm/boot/compressed/head.S (6.1)."""
    assert struct.unpack_from("<IIII", midway, 0x24) == (0x016F2818, 0, len(midway), 0x04030201)
    assert midway[:0x20] == struct.pack("<I", 0xE1A00000) * 8, "mov r0, r0"
    kernel = load_kernel(sample("midway-arm32").image)
    assert (kernel.format, kernel.architecture, kernel.notes) == ("zImage", "arm32", ())
    assert (kernel.pieces[0].address, kernel.entry, kernel.fixed) == (0x8000, 0x8000, False)


def test_lines_of_their_own(midway: bytes) -> None:
    for offset, content in (
        (DATA, "11111111"),
        (MOVED, "0100a0e3 1eff2fe1"),  # mov r0, #1; bx lr
        (ORIGINAL, "0200a0e3 1eff2fe1"),
        (TABLE, "0504000000004000 0107004000000000"),
    ):
        assert offset % LARGEST_LINE == 0
        line = midway[offset : offset + LARGEST_LINE]
        assert line == bytes.fromhex(content).ljust(LARGEST_LINE, b"\0"), f"line at {offset:#x}"


def test_no_data_cache_maintenance(midway: bytes) -> None:
    # MCR p15, op1, Rt, c7, CRm, op2
    words = struct.unpack(f"<{len(midway) // 4}I", midway)
    system = {word & ~0xF000 for word in words if word & 0xFF1F_0F10 == 0xEE07_0F10}
    assert system == {0xEE07_0F15, 0xEE07_0FD5}, "ICIALLU (c7, c5, 0) and BPIALL (c7, c5, 6) alone"


@pytest.mark.parametrize("load_at", [RAM + 0x8000, RAM + 0x80000], ids=hex)
def test_runs(midway: bytes, load_at: int) -> None:
    assert run(midway, load_at=load_at) == Ending(0, b"midway: data new, code new\r\n")


@pytest.mark.parametrize(
    ("old", "code", "line"),
    [
        ((DATA,), 1, b"midway: data old, code new\r\n"),
        ((MOVED,), 2, b"midway: data new, code old\r\n"),
        ((DATA, MOVED), 3, b"midway: data old, code old\r\n"),
    ],
)
def test_tells_old_from_new(midway: bytes, old: tuple[int, ...], code: int, line: bytes) -> None:
    assert run(midway, old=old) == Ending(code, line)
