# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans of arm32 guests.

Expected values: xen tools/libs/guest/xg_dom_armzimageloader.c and xg_dom_arm.c (4.17); Linux
Documentation/arm/booting.rst; xen tools/libs/light/libxl_arm.c (4.17) for the device tree.
"""

import json
import re
import struct
from pathlib import Path

import pytest

from coldline.errors import PlanError
from coldline.guest import Bank, GuestOptions, Plan, Registers, make_plan
from coldline.guest.reasons import Reason
from coldline.image import Kernel, KernelPiece
from coldline.samples import sample
from tests.helpers.command import COHERENT, ERROR, HAZARD, INCONCLUSIVE, Cli
from tests.helpers.device_trees import GIB, KIB, MIB, get, source, tree
from tests.helpers.images import link, mkimage_legacy, pack, run, zimage

RAM = 0x40000000
LOADED_AT = RAM + 0x8000


def kernel(size: int = 8 * MIB, start: int = 0, entry: int | None = None) -> Kernel:
    """A zImage's kernel, from the loader."""
    address = start or 0x8000
    return Kernel(
        path="zImage",
        architecture="arm32",
        format="zImage",
        pieces=(KernelPiece(address, memoryview(bytes(4096)), size),),
        entry=address if entry is None else entry,
        fixed=bool(start),
    )


def plan(memory: int = 256 * MIB, image: Kernel | None = None, **options: object) -> Plan:
    return make_plan(image or kernel(), GuestOptions(memory=memory, **options))  # type: ignore[arg-type]


def addresses(planned: Plan) -> dict[str, int]:
    return {segment.name: segment.address for segment in planned.segments}


# -- where things go -----------------------------------------------------------------------------------------


def test_a_plan() -> None:
    planned = plan(initrd=memoryview(b"initrd"))
    assert planned.architecture == "arm32"
    assert planned.banks == (Bank(RAM, 256 * MIB),)
    assert addresses(planned) == {
        "kernel": LOADED_AT,
        "initrd": RAM + 128 * MIB,
        "dtb": RAM + 128 * MIB + 4 * KIB,
    }


def test_why_it_is_there() -> None:
    assert [segment.reason for segment in plan().segments] == [Reason.ZIMAGE, Reason.MIDDLE]
    assert plan(image=kernel(start=RAM + MIB)).segments[0].reason is Reason.FIXED
    assert plan(image=kernel(128 * MIB), memory=3 * GIB).segments[-1].reason is Reason.LOW_TOP


def test_the_first_registers() -> None:
    """CPSR 0x400001d3: Supervisor mode, A, I and F masked, ARM state; SCTLR's M, C and I are 0."""
    planned = plan()
    assert planned.registers == Registers(
        pc=LOADED_AT,
        general=(0, 0xFFFFFFFF, RAM + 128 * MIB, 0),
        pstate=0x400001D3,
        sctlr=0x00C50078,
    )
    assert planned.exception_level == 1
    assert not planned.registers.sctlr & (1 << 0 | 1 << 2 | 1 << 12)


def test_a_thumb_entry() -> None:
    """Bit 0 of the entry becomes CPSR.T, bit 5, and is not part of the address (ELF for the Arm Architecture)."""
    registers = plan(image=kernel(entry=0x8101)).registers
    assert (registers.pc, registers.pstate) == (RAM + 0x8100, 0x400001F3)


def test_a_zimage_with_a_start_is_there() -> None:
    planned = plan(image=kernel(start=RAM + 64 * MIB))
    assert addresses(planned)["kernel"] == planned.registers.pc == RAM + 64 * MIB


def test_40_bits_of_ram() -> None:
    """Xen's second bank ends at 2^40, which is what long descriptors reach (Arm ARM DDI 0406C B3.6)."""
    assert plan(1019 * GIB).banks[-1].end == 1 << 40


@pytest.mark.parametrize(
    ("memory", "kernel_size", "initrd", "expected"),
    [
        (64 * MIB, 8 * MIB, None, RAM + 64 * MIB - 4 * KIB),
        # a kernel past 128 MiB: the modules go to the end of low memory, not of RAM
        (3 * GIB, 128 * MIB, None, RAM + 760 * MIB - 4 * KIB),
        (700 * MIB, 128 * MIB, None, RAM + 700 * MIB - 4 * KIB),
        (3 * GIB, 8 * MIB, 600 * MIB, RAM + 128 * MIB),
        # 632 MiB are left between 128 MiB and the end of low memory
        (3 * GIB, 8 * MIB, 632 * MIB - 4 * KIB, RAM + 128 * MIB),
        (3 * GIB, 8 * MIB, 632 * MIB, RAM + 128 * MIB - 4 * KIB),
    ],
)
def test_the_modules_are_in_low_memory(
    memory: int, kernel_size: int, initrd: int | None, expected: int
) -> None:
    from coldline.guest.placement import place_in_first_bank

    put = place_in_first_bank(
        Bank(RAM, memory),
        text_offset=0x8000,
        image_size=kernel_size,
        initrd_size=initrd,
        dtb_size=4 * KIB,
        low_memory=760 * MIB,
    )
    assert (put.dtb if initrd is None else put.initrd) == expected


def test_modules_that_do_not_fit_into_low_memory() -> None:
    with pytest.raises(PlanError) as caught:
        plan(3 * GIB, kernel(759 * MIB))
    assert re.sub(r"dtb \(\d+ bytes\)", "dtb", str(caught.value)) == (
        "dtb does not fit: 0 bytes of low memory (760 MiB, ends at 0x6f800000) are left above the kernel "
        "(0x40008000-0x6f708000, rounded up to 2 MiB) and 0 bytes below, and at least one page must stay free"
    )


def test_nothing_goes_into_the_first_32_kib() -> None:
    """swapper_pg_dir is there: linux arch/arm/kernel/head.S."""
    with pytest.raises(PlanError, match="and 0 bytes below, and at least one page"):
        plan(2 * MIB, kernel(2 * MIB - 0x8000))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exception_level": 2}, "exception level 2: an arm32 kernel starts at 1"),
        ({"bootargs": "x" * 1024}, "bootargs are 1024 bytes; arm32 Linux accepts 1023"),
    ],
)
def test_what_arm32_cannot(options: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(**options)  # type: ignore[arg-type]
    assert str(caught.value) == words


def test_the_longest_command_line() -> None:
    assert plan(bootargs="x" * 1023).segments[-1].name == "dtb"


# -- the device tree -----------------------------------------------------------------------------------------


def test_the_tree_says_what_the_machine_is() -> None:
    blob = tree(kernel=kernel(), vcpus=2)
    assert get(blob, "/timer", "compatible") == b"arm,armv7-timer\0"
    assert get(blob, "/cpus/cpu@1", "compatible") == b"arm,cortex-a15\0"
    assert get(blob, "/psci", "compatible") == b"arm,psci-1.0\0arm,psci-0.2\0"
    assert get(blob, "/psci", "method") == b"hvc\0"
    assert get(blob, "/interrupt-controller@3001000", "compatible").startswith(b"arm,cortex-a15-gic\0")
    assert get(blob, "/memory@40000000", "reg") == struct.pack(">QQ", RAM, 512 * MIB)
    assert 'compatible = "arm,armv7-timer";' in source(blob)
    assert get(tree(kernel=kernel(), core_compatible="arm,cortex-a7"), "/cpus/cpu@0", "compatible") == (
        b"arm,cortex-a7\0"
    )


# -- files that are wrong, through the command ----------------------------------------------------------------

SCRIPT = "ENTRY(_start)\nSECTIONS { .text 0x40008000 : { *(.text) } .data 0x40010000 : { *(.data) } }\n"
CODE = ".text\n.globl _start\n_start: b _start\n.space 4092\n.data\n.space 4096\n"
E_ENTRY, E_PHOFF = 24, 28
P_OFFSET, P_PADDR, P_SIZE = 4, 12, 32
"""ELF32: System V gABI, chapters 4 and 5."""


def put(data: bytes, offset: int, value: int) -> bytes:
    return data[:offset] + struct.pack("<I", value) + data[offset + 4 :]


BAD_ZIMAGES = {
    "end past the file": (zimage(end=4097), "4097 bytes are between them, but the zImage has 4096"),
    "end before start": (zimage(start=0x60008000, end=0x60007000), "the header does not fit between them"),
    "start outside": (zimage(start=0x30008000), "is outside the guest's RAM"),
    "start past RAM": (zimage(start=0x4FFFF800), "is outside the guest's RAM"),
    "big-endian": (
        zimage(magic=b"\x01\x6f\x28\x18"),
        "is a big-endian zImage (by its magic number, at byte 0x24)",
    ),
    "big-endian by its word": (
        zimage(endianness=b"\4\3\2\1"),
        "is a big-endian zImage (by its endianness word, at",
    ),
    "cut off": (zimage()[:50], "has 50 bytes; an arm zImage has a header that ends at 52"),
}


@pytest.mark.parametrize("name", list(BAD_ZIMAGES))
def test_a_zimage_that_cannot_be(cli: Cli, tmp_path: Path, name: str) -> None:
    data, words = BAD_ZIMAGES[name]
    said(cli, tmp_path, data, words)


def test_a_zimage_with_another_endianness_word_is_little_endian(cli: Cli, tmp_path: Path) -> None:
    """Before Linux 3.17 the header has no endianness word."""
    path = tmp_path / "zImage"
    path.write_bytes(zimage(endianness=b"abcd"))
    assert "endianness" not in cli("boot", path, "--until", "1").err


def said(cli: Cli, folder: Path, data: bytes, words: str) -> None:
    path = folder / "kernel"
    path.write_bytes(data)
    status, out, err = cli("boot", path)
    assert (status, out, err.count("\n")) == (ERROR, "", 1)
    assert err.startswith(f"coldline: {path}: ")
    assert words in err


@pytest.fixture
def elf(tmp_path: Path) -> bytes:
    return link(tmp_path, SCRIPT, CODE, arch="arm-linux-gnueabihf")


def segment_header(data: bytes, number: int) -> int:
    """The offset of a program header in an ELF32 file."""
    return int(struct.unpack_from("<I", data, E_PHOFF)[0]) + P_SIZE * number


@pytest.mark.parametrize("size", [20, 52, 100])
def test_a_truncated_elf(cli: Cli, tmp_path: Path, elf: bytes, size: int) -> None:
    said(cli, tmp_path, elf[:size], "is a truncated ELF file")


def test_an_elf_truncated_in_its_last_segment(cli: Cli, tmp_path: Path, elf: bytes) -> None:
    offset, _, _, size = struct.unpack_from("<IIII", elf, segment_header(elf, 1) + P_OFFSET)
    said(cli, tmp_path, elf[: offset + size - 1], "is a truncated ELF file: its segment 1")


def test_a_big_endian_elf(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text(".globl _start\n_start: b _start\n")
    run("arm-linux-gnueabihf-as", "-EB", "a.s", "-o", "b.o", folder=tmp_path)
    run("arm-linux-gnueabihf-ld", "-EB", "--be8", "b.o", "-o", "b.elf", folder=tmp_path)
    said(cli, tmp_path, (tmp_path / "b.elf").read_bytes(), "is a big-endian ELF file (byte 5)")


def test_an_entry_between_instructions(cli: Cli, tmp_path: Path, elf: bytes) -> None:
    said(
        cli, tmp_path, put(elf, E_ENTRY, 0x40008002), "its entry 0x40008002 (at byte 24) is not word-aligned"
    )


def test_elf_segments_over_one_another(cli: Cli, tmp_path: Path, elf: bytes) -> None:
    at = segment_header(elf, 1) + P_PADDR
    said(cli, tmp_path, put(elf, at, 0x40008800), "inside its segment 0")


@pytest.mark.parametrize("entry", [0x1000, 0x4000F000, 0x40012000, 0xFFFFFFFC])
def test_an_elf_entry_outside_of_every_segment(cli: Cli, tmp_path: Path, elf: bytes, entry: int) -> None:
    said(
        cli,
        tmp_path,
        put(elf, E_ENTRY, entry),
        f"its entry {entry:#x} (at byte 24) is outside every segment",
    )


def test_a_segment_outside_of_ram(cli: Cli, tmp_path: Path, elf: bytes) -> None:
    at = segment_header(elf, 1) + P_PADDR
    said(cli, tmp_path, put(elf, at, 0x90000000), "is outside the guest's RAM")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--core", "cortex-a72"), "core cortex-a72 runs arm64 guests, not arm32"),
        (("--strategy", "flush"), "no strategy 'flush' on arm32: arm32 user space"),
        (("--host", "xen-4.17-arm64"), "host xen-4.17-arm64 runs arm64 guests, not arm32"),
        (("--el", "2"), "exception level 2: an arm32 kernel starts at 1"),
        (("--el", "3"), "exception level 3: an arm32 kernel starts at 1"),
    ],
)
def test_what_does_not_go_with_arm32(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "zImage"
    path.write_bytes(zimage())
    status, out, err = cli("boot", path, *arguments)
    assert (status, out, err.count("\n")) == (ERROR, "", 1)
    assert err.startswith(f"coldline: {words}")


# -- kernels that run, in every form --------------------------------------------------------------------------

OFF = """
    .arch armv7-a
    .arch_extension virt
    .text
    .globl _start
_start:
    {mode}
    movw r0, #0x0008
    movt r0, #0x8400
    mov r1, #7
    hvc #0
"""


@pytest.mark.parametrize(
    ("mode", "state"), [(".arm", 0), (".thumb\n.thumb_func\n_thumb:", 1)], ids=["A32", "T32"]
)
@pytest.mark.parametrize("linked_at", [0x40008000, 0xC0008000], ids=["physical", "vmlinux"])
def test_an_elf_kernel_runs(cli: Cli, tmp_path: Path, mode: str, state: int, linked_at: int) -> None:
    """PSCI SYSTEM_OFF with r1 = 7, in either state: four instructions."""
    script = f"ENTRY(_start)\nSECTIONS {{ .text {linked_at:#x} : {{ *(.text) }} }}\n"
    data = link(tmp_path, script, OFF.format(mode=mode), arch="arm-linux-gnueabihf")
    path = tmp_path / "vmlinux"
    path.write_bytes(put(data, E_ENTRY, linked_at | state))
    status, out, err = cli("boot", path, "--memory", "16M", "--json")
    document = json.loads(out)
    assert (status, err, document["psci"][:2]) == (INCONCLUSIVE, "", [0x84000008, 7])
    assert (document["entry"], document["instructions"]) == (LOADED_AT, 4)


IT_BLOCK = """
    .syntax unified
    .arch armv7-a
    .arch_extension virt
    .text
    .thumb
    .globl _start
    .thumb_func
_start:
    movw r0, #0x0008
    movt r0, #0x8400
    add r2, pc, #0
    add r2, r2, #0x4000
    mov r1, #1
    cmp r1, r1
    it eq
    streq r1, [r2]
    cmp r1, #2
    b 1f
1:  b 2f
    hvc #0
2:  mov r1, #7
    hvc #0
"""
"""The store is the first one to its page, and the last access of its block; after it EQ does not hold."""


def test_a_translation_within_an_it_block_leaves_the_next_block_unconditional(
    cli: Cli, tmp_path: Path
) -> None:
    script = "ENTRY(_start)\nSECTIONS { .text 0x40008000 : { *(.text) } }\n"
    path = tmp_path / "vmlinux"
    data = link(tmp_path, script, IT_BLOCK, arch="arm-linux-gnueabihf")
    path.write_bytes(put(data, E_ENTRY, 0x40008001))
    _, out, _ = cli("boot", path, "--memory", "16M", "--json")
    assert json.loads(out)["psci"][:2] == [0x84000008, 7]


@pytest.mark.parametrize(
    ("mode", "state", "at"),
    [
        (".arm", 0, 12),
        (".thumb\n.thumb_func\n_thumb:", 1, 10),  # mov r1, #7 has two bytes
        (".thumb\n.thumb_func\n_thumb: nop\n", 1, 12),
    ],
    ids=["A32", "T32", "T32, in halfwords"],
)
def test_what_is_read_wrong_is_told_in_the_right_instruction_set(
    cli: Cli, tmp_path: Path, mode: str, state: int, at: int
) -> None:
    """The device tree is read with the MMU off, while dirty lines above memory have it."""
    script = "ENTRY(_start)\nSECTIONS { .text 0x40008000 : { *(.text) } }\n"
    code = OFF.replace("hvc #0", "ldr r3, [r2]\n hvc #0").format(mode=mode)
    data = link(tmp_path, script, code, arch="arm-linux-gnueabihf")
    path = tmp_path / "vmlinux"
    path.write_bytes(put(data, E_ENTRY, LOADED_AT | state))
    status, out, _ = cli(
        "boot", path, "--memory", "16M", "--host", "rfc", "--strategy", "none", "--hazards", "1000"
    )
    assert status == HAZARD
    assert re.search(rf"dtb\+0x0, by pc {LOADED_AT + at:#x} \S+: ldr r3, \[r2\]\n", out)


@pytest.mark.parametrize("form", ["gzip", "xz", "uImage"])
def test_a_zimage_in_something_runs(cli: Cli, tmp_path: Path, form: str) -> None:
    data = sample("midway-arm32").image.read_bytes()
    packed = (
        mkimage_legacy(tmp_path, data, arch="arm", load=LOADED_AT) if form == "uImage" else pack(form, data)
    )
    path = tmp_path / "zImage"
    path.write_bytes(packed)
    status, out, _ = cli("boot", path, "--memory", "16M")
    assert status == COHERENT
    assert f"zImage: arm32 zImage, in {form}\n" in out
    assert "midway: data new, code new" in out


def test_a_raw_kernel_runs_in_the_state_that_its_entry_says(cli: Cli, tmp_path: Path) -> None:
    script = "ENTRY(_start)\nSECTIONS { .text 0x40008000 : { *(.text) } }\n"
    link(tmp_path, script, OFF.format(mode=".thumb"), arch="arm-linux-gnueabihf")
    run("arm-linux-gnueabihf-objcopy", "-O", "binary", "-j", ".text", "a.elf", "raw", folder=tmp_path)
    where = ("boot", tmp_path / "raw", "--memory", "16M", "--arch", "arm32", "--load", hex(LOADED_AT))
    status, out, _ = cli(*where, "--entry", hex(LOADED_AT + 1))
    assert status == INCONCLUSIVE
    assert "the guest called PSCI's SYSTEM_OFF with r1 = 0x7 after 4 instructions" in out
    status, _, err = cli(*where, "--entry", hex(LOADED_AT + 2))
    assert (status, err.count("\n")) == (ERROR, 1)
    assert err.endswith("--load says to enter it at 0x40008002, which is not word-aligned\n")
