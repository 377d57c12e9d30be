# SPDX-License-Identifier: GPL-2.0-or-later
"""midway-arm64: the image in the repository is built from its source, and does what the source says."""

import importlib.util
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import UsageError
from coldline.samples import SAMPLES, Sample, sample
from tests.helpers.requirements import require

RAM = 0x4000_0000
RAM_SIZE = 2 << 20
PL011 = 0x2200_0000
PSCI_SYSTEM_OFF = 0x8400_0008

DATA = 0x800  # where the guest's word of data is in its image, in bytes
PATCHED = 0x1000  # the instruction it stores over
TABLE = 0x1800
LARGEST_LINE = 2048  # CTR_EL0.CWG, Arm ARM DDI 0487 D24 "CTR_EL0": at most 512 words

MSR_SCTLR_EL1_X1 = bytes.fromhex("011018d5")
SCR_EL3 = 0x501  # RW, HCE, NS
HCR_EL2_RW = 1 << 31
HVC, SMC = 11, 13  # Unicorn's numbers of these exceptions


@dataclass(frozen=True)
class Ending:
    """The end of a run of a sample."""

    exception: int
    code: int
    console: bytes


def run(image: bytes, *, load_at: int = RAM, from_el2: bool = False, old: tuple[int, ...] = ()) -> Ending:
    """Run `image` on plain Unicorn until its PSCI call; when its MMU turns on, the words at `old` become old."""
    require(importlib.util.find_spec("unicorn") is not None, "Unicorn is not installed")
    import unicorn
    from unicorn import arm64_const as arm64

    machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    machine.ctl_set_page_size(4096)
    machine.ctl_set_cpu_model(arm64.UC_CPU_ARM64_A57)
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

    def exception(machine: Any, number: int, _data: object) -> None:
        assert machine.reg_read(arm64.UC_ARM64_REG_X0) == PSCI_SYSTEM_OFF
        endings.append(Ending(number, machine.reg_read(arm64.UC_ARM64_REG_X1), bytes(console)))
        machine.emu_stop()

    def stale(machine: Any, _address: int, _size: int, _data: object) -> None:
        for offset in old:
            machine.mem_write(load_at + offset, image[offset : offset + 4])
            machine.ctl_remove_cache(load_at + offset, load_at + offset + 4)

    machine.mmio_map(PL011, 4096, read, None, write, None)
    machine.hook_add(unicorn.UC_HOOK_INTR, exception)
    mmu_on = load_at + image.rindex(MSR_SCTLR_EL1_X1)
    machine.hook_add(unicorn.UC_HOOK_CODE, stale, begin=mmu_on, end=mmu_on)
    machine.reg_write(arm64.UC_ARM64_REG_PSTATE, 0x3C9 if from_el2 else 0x3C5)
    machine.reg_write(arm64.UC_ARM64_REG_CP_REG, (1, 1, 3, 6, 0, SCR_EL3))
    machine.reg_write(arm64.UC_ARM64_REG_CP_REG, (1, 1, 3, 4, 0, 0 if from_el2 else HCR_EL2_RW))
    machine.emu_start(load_at, 0, count=100_000)
    (ending,) = endings
    return ending


@pytest.fixture(scope="module", params=sorted(SAMPLES))
def each(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


@pytest.fixture(scope="module")
def midway() -> bytes:
    return sample("midway-arm64").image.read_bytes()


def test_sample_unknown() -> None:
    with pytest.raises(
        UsageError, match=r"^no sample is called 'sideway'; choose from: midway-arm32, midway-arm64$"
    ):
        sample("sideway")


def test_image_is_its_source(each: Sample, tmp_path: Path) -> None:
    prefix = {"arm64": "aarch64-linux-gnu-", "arm32": "arm-linux-gnueabihf-"}[each.architecture]
    require(shutil.which(f"{prefix}gcc") is not None, f"{prefix}gcc is not installed")
    # the commands at the head of the source
    subprocess.run([f"{prefix}gcc", "-c", "-o", "guest.o", each.source], cwd=tmp_path, check=True)
    subprocess.run(
        [f"{prefix}objcopy", "-O", "binary", "-j", ".text", "guest.o", each.image.name],
        cwd=tmp_path,
        check=True,
    )
    assert (tmp_path / each.image.name).read_bytes() == each.image.read_bytes()


def test_header(midway: bytes) -> None:
    branch, code1, text_offset, image_size, flags = struct.unpack_from("<IIQQQ", midway)
    assert branch == 0x1400_0010, "b to the byte after the header"
    assert (code1, text_offset, image_size, flags) == (0, 0, len(midway), 0xA)
    assert midway[0x20:0x38] == bytes(24)
    assert midway[0x38:0x40] == b"ARM\x64" + bytes(4)
    assert len(midway) <= 8192


def test_lines_of_their_own(midway: bytes) -> None:
    for offset, size, content in (
        (DATA, 4, "11111111"),
        (PATCHED, 8, "20008052 c0035fd6"),  # mov w0, #1; ret
        (TABLE, 16, "0504000000006000 0107004000004000"),
    ):
        assert offset % LARGEST_LINE == 0
        line = midway[offset : offset + LARGEST_LINE]
        assert line == bytes.fromhex(content).ljust(LARGEST_LINE, b"\0"), f"line at {offset:#x}"
        assert len(bytes.fromhex(content)) == size


def test_no_data_cache_maintenance(midway: bytes) -> None:
    # SYS, op0 = 1, CRn = 7: cache maintenance, prediction restriction and address translation
    words = struct.unpack(f"<{len(midway) // 4}I", midway)
    system = {word & ~0x1F for word in words if word & 0xFFF8_F000 == 0xD508_7000}
    assert system == {0xD508_7500}, "IC IALLU alone"


@pytest.mark.parametrize("load_at", [RAM, RAM + 0x80000], ids=hex)
def test_runs(midway: bytes, load_at: int) -> None:
    assert run(midway, load_at=load_at) == Ending(HVC, 0, b"midway: data new, code new\r\n")


def test_runs_from_el2(midway: bytes) -> None:
    assert run(midway, from_el2=True) == Ending(SMC, 0, b"midway: data new, code new\r\n")


@pytest.mark.parametrize(
    ("old", "code", "line"),
    [
        ((DATA,), 1, b"midway: data old, code new\r\n"),
        ((PATCHED,), 2, b"midway: data new, code old\r\n"),
        ((DATA, PATCHED), 3, b"midway: data old, code old\r\n"),
    ],
)
def test_tells_old_from_new(midway: bytes, old: tuple[int, ...], code: int, line: bytes) -> None:
    assert run(midway, old=old) == Ending(HVC, code, line)
