# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels in every format except FIT, made by the usual tools if there are any."""

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ImageError, MissingDependencyError, PlanError, UsageError
from coldline.guest import GuestOptions, Plan, make_plan
from coldline.image import Kernel, KernelPiece, RawPlacement, load_kernel
from coldline.samples import sample
from tests.helpers.images import PACKERS, arm64_image, link, mkimage_legacy, pack, run, zboot, zimage

MIB = 1 << 20
RAM = 0x40000000


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(data: bytearray | bytes, name: str = "kernel") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write_file


def reason(path: str, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        load_kernel(path, **options)
    assert caught.value.path == path
    assert caught.value.reason.isprintable()
    return caught.value.reason


def plan_of(kernel: Kernel, memory: int = 64 * MIB, **options: Any) -> Plan:
    return make_plan(kernel, GuestOptions(memory=memory, **options))


def put(data: bytes, offset: int, layout: str, *values: int) -> bytes:
    """`data` with some of it replaced."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, *values)
    return bytes(changed)


# EFI zboot.


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("gzip", b"gzip"),
        ("lz4 (legacy)", b"lz4"),
        ("lzma", b"lzma"),
        ("lzop", b"lzo"),
        ("xz", b"xzkern"),
        ("zstd", b"zstd22"),
    ],
)
def test_zboot_by_every_method_of_linux(method: str, name: bytes, write: Callable[..., str]) -> None:
    image = arm64_image(size=100_000, image_size=0x20000, text_offset=0x1000)
    kernel = load_kernel(write(zboot(pack(method, image), name)))
    assert (kernel.format, kernel.layers) == ("Image", ("EFI zboot", method))
    assert kernel.pieces == (KernelPiece(0x1000, memoryview(image), 0x20000),)


def test_a_zboot_may_be_compressed_itself(write: Callable[..., str]) -> None:
    kernel = load_kernel(write(pack("xz", zboot(pack("gzip", arm64_image())))))
    assert kernel.layers == ("xz", "EFI zboot", "gzip")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            zboot(b"x" * 100, offset=65),
            "its payload, 100 bytes (at byte 12) from byte 65 on (at byte 8), is not inside its 164 bytes",
        ),
        (
            zboot(b"x" * 100, offset=63),
            "its payload, 100 bytes (at byte 12) from byte 63 on (at byte 8), is not inside its 164 bytes",
        ),
        (
            zboot(b"x", offset=0xFFFFFFFF, size=0xFFFFFFFF),
            "its payload, 4294967295 bytes (at byte 12) from byte 4294967295 on (at byte 8), "
            "is not inside its 65 bytes",
        ),
        (zboot(b"")[:63], "has 63 bytes; an EFI zboot image has a header of 64"),
        (
            zboot(arm64_image()),
            "inside EFI zboot: its EFI zboot header ('gzip') says that it is compressed with gzip, "
            "but it is not compressed",
        ),
        (
            zboot(b"\x1f\x8b", b"zstd"),
            "inside EFI zboot: its EFI zboot header ('zstd') says that it is compressed with zstd, but it is gzip",
        ),
        (
            zboot(zboot(b""), b"none"),
            "inside EFI zboot: is EFI zboot inside EFI zboot, which is not supported",
        ),
    ],
)
def test_zboot_that_cannot_be(data: bytes, said: str, write: Callable[..., str]) -> None:
    assert reason(write(data)) == said


def test_a_zboot_of_something_else(write: Callable[..., str]) -> None:
    riscv = bytearray(arm64_image())
    riscv[56:60] = b"RSC\x05"
    assert reason(write(zboot(pack("gzip", riscv)))) == (
        "inside EFI zboot, gzip: is a RISC-V Image, not a kernel for arm"
    )


# zImage.


def test_a_zimage(write: Callable[..., str]) -> None:
    data = zimage()
    kernel = load_kernel(write(data))
    assert (kernel.format, kernel.architecture, kernel.fixed, kernel.notes) == ("zImage", "arm32", False, ())
    assert kernel.pieces == (KernelPiece(0x8000, memoryview(data), 4096),)
    assert kernel.entry == 0x8000


def test_a_zimage_with_a_start_is_loaded_there(write: Callable[..., str]) -> None:
    kernel = load_kernel(write(zimage(start=0x40208000)))
    assert (kernel.fixed, kernel.entry, kernel.pieces[0].address) == (True, 0x40208000, 0x40208000)


def test_what_a_zimage_leaves_open_is_said(write: Callable[..., str]) -> None:
    old = load_kernel(write(zimage(endianness=b"\xff\x00\x00\xea")))
    assert old.notes == ("its zImage header has no endianness: little-endian is assumed",)
    assert load_kernel(write(zimage(end=4000))).notes == ("96 bytes follow its zImage",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zimage(magic=b"\x01\x6f\x28\x18"), "is a big-endian zImage (by its magic number, at byte 0x24)"),
        (zimage(endianness=b"\4\3\2\1"), "is a big-endian zImage (by its endianness word, at byte 0x30)"),
        (
            zimage(end=4097),
            "its zImage's start (at byte 0x28) is 0x0 and end (at byte 0x2c) 0x1001: 4097 bytes are between them, "
            "but the zImage has 4096",
        ),
        (
            zimage(end=0xFFFFFFFF),
            "its zImage's start (at byte 0x28) is 0x0 and end (at byte 0x2c) 0xffffffff: "
            "4294967295 bytes are between them, but the zImage has 4096",
        ),
        (
            zimage(start=0x60008000, end=0x60007000),
            "its zImage's start (at byte 0x28) is 0x60008000 and end (at byte 0x2c) 0x60007000: "
            "the header does not fit between them",
        ),
        (
            zimage(start=0xFFFFF004, end=0xFFFFFFFC),
            "its zImage's start (at byte 0x28) is 0xfffff004 and end (at byte 0x2c) 0xfffffffc: "
            "with its 4096 bytes it passes the end of a 32-bit address space",
        ),
        (
            zimage(start=0x40008002),
            "its zImage's start (at byte 0x28) is 0x40008002 and end (at byte 0x2c) 0x40009002: "
            "start is not word-aligned",
        ),
        (zimage()[:51], "has 51 bytes; an arm zImage has a header that ends at 52"),
    ],
)
def test_a_zimage_that_cannot_be(data: bytes, said: str, write: Callable[..., str]) -> None:
    assert reason(write(data)) == said


def test_a_zimage_that_is_packed_again(write: Callable[..., str]) -> None:
    kernel = load_kernel(write(pack("gzip", zimage())))
    assert (kernel.format, kernel.layers, kernel.architecture) == ("zImage", ("gzip",), "arm32")


# ELF.

CODE = (
    ".text\n.global _start\n_start: b _start\n.fill 1500, 4, 0x11223344\n"
    ".data\n.fill 300, 4, 0x55667788\n.bss\n.space 70000\n"
)


def script(text: int, data: int, *, virtual: int = 0, entry: str = "_start") -> str:
    at = f" AT (ADDR(.text) - {virtual:#x})" if virtual else ""
    at_data = f" AT (ADDR(.data) - {virtual:#x})" if virtual else ""
    return (
        f"ENTRY({entry})\nPHDRS {{ a PT_LOAD; b PT_LOAD; }}\nSECTIONS {{\n"
        f".text {text + virtual:#x} :{at} {{ *(.text) }} :a\n"
        f".data {data + virtual:#x} :{at_data} {{ *(.data) }} :b\n.bss : {{ *(.bss) }} :b\n}}\n"
    )


def loaded(kernel: Kernel) -> dict[int, int]:
    """The content of the kernel's memory in a plan, each byte by its address."""
    memory: dict[int, int] = {}
    for segment in plan_of(kernel).segments:
        if segment.name.startswith("kernel"):
            whole = bytes(segment.data[:]).ljust(segment.size, b"\0")
            memory |= dict(enumerate(whole, segment.address))
    return memory


def test_elf_for_arm64(write: Callable[..., str], tmp_path: Path) -> None:
    data = link(tmp_path, script(RAM + 0x80000, RAM + 0x100000), CODE)
    kernel = load_kernel(write(data))
    assert (kernel.architecture, kernel.format, kernel.fixed) == ("arm64", "ELF", True)
    assert kernel.entry == RAM + 0x80000
    assert [(each.address, len(each.data)) for each in kernel.pieces] == [
        (RAM + 0x80000, 6004), (RAM + 0x100000, 1200)
    ]  # fmt: skip
    assert kernel.pieces[1].size >= 71200
    plan = plan_of(kernel)
    assert [each.name for each in plan.segments][:2] == ["kernel", "kernel-2"]
    assert plan.registers.pc == RAM + 0x80000
    # What objcopy, which is not ours, makes of it.
    run("aarch64-linux-gnu-objcopy", "-O", "binary", "a.elf", "a.bin", folder=tmp_path)
    flat = (tmp_path / "a.bin").read_bytes()
    memory = loaded(kernel)
    assert all(memory[RAM + 0x80000 + at] == byte for at, byte in enumerate(flat) if byte)
    assert memory[RAM + 0x100000 + 1200 + 69999] == 0


@pytest.mark.parametrize("data_at", [0x82000, 0x82004, 0x81F00, 0x81774, 0x81FFC, 0x80000 + 6004])
def test_elf_segments_that_share_a_page(data_at: int, write: Callable[..., str], tmp_path: Path) -> None:
    data = link(tmp_path, script(RAM + 0x80000, RAM + data_at), CODE, "-z", "max-page-size=4")
    kernel = load_kernel(write(data))
    run("aarch64-linux-gnu-objcopy", "-O", "binary", "a.elf", "a.bin", folder=tmp_path)
    flat = (tmp_path / "a.bin").read_bytes()
    memory = loaded(kernel)
    assert bytes(memory[RAM + 0x80000 + at] for at in range(len(flat))) == flat
    assert max(memory) >= kernel.pieces[-1].end - 1


def test_elf_linked_for_virtual_addresses_enters_at_the_physical_one(
    write: Callable[..., str], tmp_path: Path
) -> None:
    virtual = 0xFFFF800000000000
    data = link(tmp_path, script(RAM + 0x80000, RAM + 0x90000, virtual=virtual), CODE)
    kernel = load_kernel(write(data))
    assert kernel.pieces[0].address == kernel.entry == RAM + 0x80000
    # One whose entry is physical, as some are linked.
    physical = put(data, 24, "<Q", RAM + 0x80004)
    assert load_kernel(write(physical)).entry == RAM + 0x80004


def test_elf_for_arm32(write: Callable[..., str], tmp_path: Path) -> None:
    require_arm = link(tmp_path, script(0x40008000, 0x40010000), CODE, arch="arm-linux-gnueabihf")
    kernel = load_kernel(write(require_arm))
    assert (kernel.architecture, kernel.entry, kernel.fixed) == ("arm32", 0x40008000, True)
    assert plan_of(kernel).registers.pc == 0x40008000
    # 24: e_entry
    thumb = load_kernel(write(put(require_arm, 24, "<I", 0x40008003)))
    assert thumb.entry == 0x40008003
    assert reason(write(put(require_arm, 24, "<I", 0x40008002))) == (
        "its entry 0x40008002 (at byte 24) is not word-aligned"
    )


@pytest.mark.parametrize("virtual", [0x80008000, 0xB0008000, 0xC0008000, 0xC0208000])
def test_an_arm32_vmlinux_goes_where_its_image_would(
    virtual: int, write: Callable[..., str], tmp_path: Path
) -> None:
    """PAGE_OFFSET is the start of RAM's virtual address: linux arch/arm/include/asm/memory.h, __phys_to_virt."""
    data = link(tmp_path, script(virtual, virtual + 0x100000), CODE, arch="arm-linux-gnueabihf")
    kernel = load_kernel(write(data))
    page_offset = virtual & 0xF0000000
    assert (kernel.pieces[0].address, kernel.entry, kernel.fixed) == (
        virtual - page_offset,
        virtual - page_offset,
        False,
    )
    plan = plan_of(kernel)
    assert plan.registers.pc == RAM + virtual - page_offset
    assert [segment.address for segment in plan.segments[:2]] == [
        RAM + virtual - page_offset,
        RAM + virtual - page_offset + 0x100000,
    ]


@pytest.mark.parametrize("address", [0xC0000000, 0xC0010000, 0xC1008000, 0xA0008000])
def test_another_arm32_program_stays_where_it_is(
    address: int, write: Callable[..., str], tmp_path: Path
) -> None:
    data = link(tmp_path, script(address, address + 0x100000), CODE, arch="arm-linux-gnueabihf")
    kernel = load_kernel(write(data))
    assert (kernel.pieces[0].address, kernel.fixed) == (address, True)


ARM64_VMLINUX = """
.section .text, "ax"
.globl _start
_start:
    .inst 0x91005a4d
    b 1f
    .quad 0x80000, 0x300000, 0b1010, 0, 0, 0
    .byte 0x41, 0x52, 0x4d, 0x64
    .word 0
1:  nop
.section .data, "aw"
    .quad 1
"""


def test_an_arm64_vmlinux_goes_where_its_image_would(write: Callable[..., str], tmp_path: Path) -> None:
    virtual = 0xFFFF800008080000
    data = link(tmp_path, script(virtual, virtual + 0x10000), ARM64_VMLINUX)
    kernel = load_kernel(write(data))
    assert (kernel.fixed, kernel.anywhere, kernel.page_size) == (False, True, 4096)
    assert [piece.address for piece in kernel.pieces] == [0x80000, 0x90000]
    assert plan_of(kernel).registers.pc == RAM + 0x80000


def test_an_elf_file_at_no_address_that_says_no_more(write: Callable[..., str], tmp_path: Path) -> None:
    data = link(tmp_path, script(0xFFFF800008080000, 0xFFFF800008090000), CODE)
    assert reason(write(data)) == (
        "its first segment has physical address 0xffff800008080000, which no core has, and does not start with "
        "the header of an arm64 Image, which would say where it goes"
    )


def test_big_endian_elf_is_refused(write: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text(CODE)
    run("aarch64-linux-gnu-as", "-EB", "a.s", "-o", "b.o", folder=tmp_path)
    run("aarch64-linux-gnu-ld", "-EB", "b.o", "-o", "b.elf", folder=tmp_path)
    said = reason(str(tmp_path / "b.elf"))
    assert said == "is a big-endian ELF file (byte 5): coldline supports little-endian only"
    assert reason(str(tmp_path / "b.o")) == said


def test_an_object_and_a_program_are_no_kernels(write: Callable[..., str], tmp_path: Path) -> None:
    data = link(tmp_path, script(RAM, RAM + 0x10000), CODE)
    assert reason(str(tmp_path / "a.o")) == "is an ELF file of type ET_REL (at byte 16), not a program"
    interpreted = put(data, struct.unpack_from("<Q", data, 32)[0], "<I", 3)
    assert reason(write(interpreted)) == (
        "is an ELF program that needs an interpreter (program header 0), not a kernel"
    )


def test_elf_outside_of_the_guest_s_ram(write: Callable[..., str], tmp_path: Path) -> None:
    path = write(link(tmp_path, script(0x80000, 0x100000), CODE))
    with pytest.raises(PlanError) as caught:
        plan_of(load_kernel(path))
    assert str(caught.value) == (
        f"{path}: its piece of 6004 bytes at 0x80000 is outside the guest's RAM (0x40000000-0x44000000)"
    )


@pytest.fixture
def elf(tmp_path: Path) -> bytes:
    return link(tmp_path, script(RAM + 0x80000, RAM + 0x100000), CODE)


P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ = 8, 16, 24, 32, 40


def header(data: bytes, number: int, field: int, value: int) -> bytes:
    """`data` with a field of a program header replaced."""
    return put(data, struct.unpack_from("<Q", data, 32)[0] + 56 * number + field, "<Q", value)


def test_elf_headers_that_cannot_be(elf: bytes, write: Callable[..., str]) -> None:
    def said(data: bytes) -> str:
        return re.sub(r"\(program header at byte \d+\)", "(…)", reason(write(data)))

    size = len(elf)
    offset = struct.unpack_from("<Q", elf, 64 + P_OFFSET)[0]
    assert said(header(elf, 1, P_PADDR, RAM + 0x80000 + 6003)) == (
        f"its segment 1 (…) starts at {RAM + 0x81773:#x}, inside its segment 0 (…), "
        f"{RAM + 0x80000:#x}-{RAM + 0x81774:#x}"
    )
    assert (
        load_kernel(write(header(elf, 1, P_PADDR, RAM + 0x80000 + 6004))).pieces[1].address == RAM + 0x81774
    )
    assert (
        said(header(elf, 0, P_FILESZ, 6005))
        == "its segment 0 (…) has 6005 bytes in the file but 6004 in memory"
    )
    assert said(header(elf, 0, P_OFFSET, size - 6003)) == (
        f"is a truncated ELF file: its segment 0 (…) is 6004 bytes from byte {size - 6003} on, past its {size} bytes"
    )
    assert load_kernel(write(header(elf, 0, P_OFFSET, size - 6004)))
    assert "is a truncated ELF file: its segment 0 (…) is" in said(header(elf, 0, P_OFFSET, 2**64 - 1))
    assert "passes the last address" in said(header(elf, 1, P_PADDR, 2**64 - 71000))
    assert "passes the last address" in said(header(elf, 1, P_MEMSZ, 2**64 - 1))
    for entry in (RAM + 0x80000 - 4, RAM + 0x80000 + 6004, 0, 2**64 - 4):
        assert (
            said(put(elf, 24, "<Q", entry)) == f"its entry {entry:#x} (at byte 24) is outside every segment"
        )
    assert load_kernel(write(put(elf, 24, "<Q", RAM + 0x81770))).entry == RAM + 0x81770
    assert (
        said(put(elf, 24, "<Q", RAM + 0x80002))
        == f"its entry {RAM + 0x80002:#x} (at byte 24) is not word-aligned"
    )
    assert said(put(elf, 56, "<H", 0)) == "is an ELF file with nothing to load: it has no PT_LOAD segment"
    assert said(put(elf, 56, "<H", 257)) == "is an ELF file with 257 program headers; the limit is 256"
    assert said(put(elf, 54, "<H", 57)) == "is an ELF file whose program headers have 57 bytes, not 56"
    assert said(put(elf, 32, "<Q", size - 55)) == (
        f"is a truncated ELF file: program header 0 (56 bytes at byte {size - 55}) passes its {size} bytes"
    )
    assert "program header 0" in said(put(elf, 32, "<Q", 2**64 - 1))
    assert said(put(elf, 4, "B", 3)) == "is an ELF file of unknown class 3 (at byte 4)"
    assert said(put(elf, 5, "B", 0)) == "is an ELF file of unknown byte order 0 (at byte 5)"
    assert said(put(elf, 4, "B", 1)) == "is an ELF file for arm64, not for arm"
    assert "for x86-64" in said(put(elf, 18, "<H", 62))
    assert offset + 6004 <= size


def test_an_elf_segment_without_bytes_takes_none_away(elf: bytes, write: Callable[..., str]) -> None:
    """U-Boot's ELF files have the BSS of secure code at a place in memory that other segments fill.

    Source: U-Boot arch/arm/cpu/u-boot.lds (2025.01), .__secure_stack_start; readelf -l of jetson-tk1's uboot.elf.
    """
    code = elf[struct.unpack_from("<Q", elf, 64 + P_OFFSET)[0] :][:6004]

    def with_bss(start: int, size: int) -> list[tuple[int, bytes, int]]:
        data = header(header(header(elf, 1, P_PADDR, start), 1, P_FILESZ, 0), 1, P_MEMSZ, size)
        return [(each.address, bytes(each.data[:]), each.size) for each in load_kernel(write(data)).pieces]

    text = RAM + 0x80000
    whole = (text, code, 6004)
    assert with_bss(text, 6004) == [whole]
    assert with_bss(text + 100, 8) == [whole]
    assert with_bss(text + 6000, 100) == [whole, (text + 6004, b"", 96)]
    assert with_bss(text - 100, 6204) == [(text - 100, b"", 100), whole, (text + 6004, b"", 100)]
    assert with_bss(text - 100, 100) == [(text - 100, b"", 100), whole]
    # One byte in the file, and it is an overlap again.
    overlap = header(header(elf, 1, P_PADDR, text), 1, P_FILESZ, 1)
    assert "inside its segment" in reason(write(overlap))


def test_elf_cut_anywhere_is_told(elf: bytes, write: Callable[..., str]) -> None:
    last = max(struct.unpack_from("<Q", elf, 64 + 56 * n + P_OFFSET)[0] for n in (0, 1)) + 1200
    for length in range(4, last, 701):
        assert "truncated ELF file" in reason(write(elf[:length]))


def test_elf_of_an_absurd_size_in_memory_allocates_nothing(elf: bytes, write: Callable[..., str]) -> None:
    kernel = load_kernel(write(header(elf, 1, P_MEMSZ, 1 << 60)))
    with pytest.raises(PlanError, match="outside the guest's RAM"):
        plan_of(kernel)


def test_elf_without_its_library(
    elf: bytes, write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "elftools.elf.structs", None)
    path = write(elf)
    with pytest.raises(MissingDependencyError) as caught:
        load_kernel(path)
    assert (
        str(caught.value)
        == f"{path}: is an ELF file, which needs elftools.elf.structs: install coldline[images]"
    )


# uImage.


@pytest.mark.parametrize(
    ("compression", "method"),
    [("none", None), ("gzip", "gzip"), ("bzip2", "bzip2"), ("lzma", "lzma"), ("lzo", "lzop"), ("lz4", "lz4"),
     ("lz4", "lz4 (legacy)"), ("zstd", "zstd")],
)  # fmt: skip
def test_uimage_by_every_compression_of_mkimage(
    compression: str, method: str | None, write: Callable[..., str], tmp_path: Path
) -> None:
    image = arm64_image(size=10_000)
    payload = pack(method, image) if method else image
    kernel = load_kernel(write(mkimage_legacy(tmp_path, payload, compression=compression, name="Linux-6.1")))
    assert kernel.layers == (("uImage", method) if method else ("uImage",))
    assert (kernel.format, kernel.fixed, kernel.pieces[0].data) == ("Image", False, image)
    assert kernel.notes == (
        "its uImage is called 'Linux-6.1'",
        "its uImage header says load 0x40080000 and entry 0x40080000: not used, the Image says where it goes",
    )


def test_a_uimage_of_no_known_form_goes_where_it_says(write: Callable[..., str], tmp_path: Path) -> None:
    code = b"\x1f\x20\x03\xd5" * 2000
    for payload, compression in ((code, "none"), (pack("lzma", code), "lzma")):
        data = mkimage_legacy(tmp_path, payload, compression=compression, load=0x41000000, entry=0x41000040)
        kernel = load_kernel(write(data))
        assert (kernel.format, kernel.fixed, kernel.entry) == ("raw", True, 0x41000040)
        assert kernel.pieces == (KernelPiece(0x41000000, memoryview(code), 8000),)
        assert plan_of(kernel).registers.pc == 0x41000040


def test_a_uimage_of_several_files(write: Callable[..., str], tmp_path: Path) -> None:
    image, initrd, tree = arm64_image(), b"initrd of 21 bytes...", b"not looked at here"
    kernel = load_kernel(write(mkimage_legacy(tmp_path, image, initrd, tree, kind="multi")))
    assert (kernel.pieces[0].data, kernel.initrd, kernel.device_tree) == (image, initrd, tree)
    kernel = load_kernel(write(mkimage_legacy(tmp_path, image, initrd, kind="multi")))
    assert (kernel.initrd, kernel.device_tree) == (initrd, None)
    segments = {each.name: each.data for each in plan_of(kernel).segments}
    assert segments["initrd"] == initrd
    given = plan_of(kernel, initrd=memoryview(b"the user's"))
    assert {each.name: each.data for each in given.segments}["initrd"] == b"the user's"


def uimage(
    payload: bytes,
    *,
    size: int | None = None,
    kind: int = 2,
    arch: int = 22,
    compression: int = 0,
    load: int = RAM,
    entry: int = RAM,
) -> bytes:
    """A uImage with right checksums, whatever else is wrong."""
    crc = zlib.crc32(payload)
    size = len(payload) if size is None else size
    fields = [0x27051956, 0, 0, size, load, entry, crc, 5, arch, kind, compression, b"x"]
    fields[1] = zlib.crc32(struct.pack(">7I4B32s", *fields))
    return struct.pack(">7I4B32s", *fields) + payload


def files(*sizes: int, data: bytes = b"") -> bytes:
    return struct.pack(f">{len(sizes)}I", *sizes) + data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (uimage(b"abc")[:63], "has 63 bytes; a uImage has a header of 64"),
        (uimage(b"abc", size=4), "its uImage header says 4 bytes (at byte 12), but 3 follow it: truncated"),
        (uimage(b"abc", size=2**32 - 1), "its uImage header says 4294967295 bytes (at byte 12), "
         "but 3 follow it: truncated"),
        (uimage(b"abc", kind=3), "is a uImage of type 3 (at byte 30), a ramdisk: give it with --initrd"),
        (uimage(b"abc", arch=24), "is a uImage for architecture 24 (at byte 29), which is not arm"),
        (uimage(b"abc", compression=7), "is a uImage of unknown compression 7 (at byte 31)"),
        (uimage(b""), "inside uImage: is empty"),
        (uimage(b"abcd", entry=RAM + 4), f"inside uImage: its uImage header says to enter it at {RAM + 4:#x}, "
         f"which is outside it ({RAM:#x}-{RAM + 4:#x})"),
        (uimage(b"abcd", load=RAM + 4), f"inside uImage: its uImage header says to enter it at {RAM:#x}, "
         f"which is outside it ({RAM + 4:#x}-{RAM + 8:#x})"),
        (uimage(b"abcdefgh", entry=RAM + 2), f"inside uImage: its uImage header says to enter it at {RAM + 2:#x}, "
         f"which is not word-aligned"),
        (uimage(b"abcd", kind=14), "inside uImage: has no known format, and its uImage header does not give "
         "where to load it or where to enter it"),
        (uimage(b"a" * 8, arch=2, load=2**32 - 4, entry=2**32 - 4), "inside uImage: its uImage header says to "
         "load it at 0xfffffffc: its 8 bytes pass the end of arm32's addresses"),
        (uimage(arm64_image(), arch=2), "inside uImage: its uImage header says that it is for arm32, "
         "but its Image is for arm64"),
        (uimage(uimage(b"abc")), "inside uImage: is uImage inside uImage, which is not supported"),
        (uimage(b"BZh9", compression=1), "inside uImage: its uImage header says that it is compressed with gzip, "
         "but it is not compressed"),
        (uimage(files(0), kind=4), "has no files in it (at byte 64)"),
        (uimage(files(1, 2), kind=4), "its list of files (from byte 64 on) does not end"),
        (uimage(b"", kind=4), "its list of files (from byte 64 on) does not end"),
        (uimage(files(1, 1, 1, 1, 0), kind=4), "has more than 3 files: a kernel, an initrd and a device tree"),
        (uimage(files(4, 5, 0, data=b"a" * 8), kind=4), "file 1 of it, 5 bytes from byte 80 on, passes its end"),
        (uimage(files(2**32 - 1, 0, data=b"a" * 8), kind=4), "file 0 of it, 4294967295 bytes from byte 72 on, "
         "passes its end"),
    ],
)  # fmt: skip
def test_a_uimage_that_cannot_be(data: bytes, said: str, write: Callable[..., str]) -> None:
    assert reason(write(data)) == said


def test_the_checksums_of_a_uimage(write: Callable[..., str], tmp_path: Path) -> None:
    whole = mkimage_legacy(tmp_path, arm64_image())
    for position in (*range(4, 64), 64, 500, len(whole) - 1):
        broken = bytearray(whole)
        broken[position] ^= 1
        where = "header" if position < 64 else "data"
        assert re.match(
            rf"its uImage {where} has checksum 0x[0-9a-f]{{8}}, not 0x[0-9a-f]{{8}}", reason(write(broken))
        )
    assert load_kernel(write(whole + bytes(512))).pieces[0].data == arm64_image()


# Raw.


@pytest.mark.parametrize("name", [None, *PACKERS])
def test_raw(name: str | None, write: Callable[..., str]) -> None:
    code = b"\x1f\x20\x03\xd5" * 1000
    path = write(pack(name, code) if name else code)
    kernel = load_kernel(path, raw=RawPlacement("arm64", RAM + 0x1000, RAM + 0x1010))
    assert (kernel.format, kernel.layers) == ("raw", (name,) if name else ())
    assert kernel.pieces == (KernelPiece(RAM + 0x1000, memoryview(code), 4000),)
    assert plan_of(kernel).registers.pc == RAM + 0x1010
    assert "has no known format" in reason(path)


def test_raw_off_a_page_is_put_there(write: Callable[..., str]) -> None:
    kernel = load_kernel(write(b"\x1f\x20\x03\xd5"), raw=RawPlacement("arm64", RAM + 0x1FFC, RAM + 0x1FFC))
    (segment,) = (each for each in plan_of(kernel).segments if each.name == "kernel")
    assert (segment.address, segment.data, segment.size) == (
        RAM + 0x1000,
        bytes(0xFFC) + b"\x1f\x20\x03\xd5",
        4096,
    )


@pytest.mark.parametrize("address", [RAM - 4096, RAM + 64 * MIB - 4096 + 4, 1 << 63])
def test_raw_outside_of_ram(address: int, write: Callable[..., str]) -> None:
    kernel = load_kernel(write(bytes(4096)), raw=RawPlacement("arm64", address, address))
    with pytest.raises(PlanError, match="outside the guest's RAM"):
        plan_of(kernel)


def test_raw_at_both_ends_of_ram(write: Callable[..., str]) -> None:
    for address in (RAM, RAM + 64 * MIB - 4096):
        plan = plan_of(load_kernel(write(bytes(4096)), raw=RawPlacement("arm64", address, address)))
        assert plan.registers.pc == address


def test_the_command_takes_all_of_a_raw_image_or_nothing(write: Callable[..., str]) -> None:
    from coldline.cli.arguments.values import address
    from coldline.cli.inputs.trials import plan_guest
    from coldline.cli.main import parser

    def plan(*options: str) -> Plan:
        return plan_guest(parser().parse_args(["boot", write(bytes(64)), *options]))[1]

    assert plan("--load", "0x40001000", "--entry", "0x40001004", "--arch", "arm64").registers.pc == 0x40001004
    with pytest.raises(UsageError) as caught:
        plan("--load", "0x40001000")
    assert str(caught.value) == "a raw image needs --load, --entry and --arch: --entry and --arch not given"
    for text in ("-1", "0x10000000000000000", "x", "1_0" * 20):
        with pytest.raises(Exception, match="invalid address"):
            address(text)


# Everything shares one allowance.


def test_what_is_unpacked_counts_once_and_in_all(write: Callable[..., str]) -> None:
    inner = pack("gzip", arm64_image(size=MIB, image_size=MIB))
    outer = zboot(inner + bytes(MIB))
    path = write(pack("gzip", outer))
    assert load_kernel(path, max_unpacked=len(outer) + MIB).layers == ("gzip", "EFI zboot", "gzip")
    limit = len(outer) + MIB - 1
    assert reason(path, max_unpacked=limit) == (
        f"inside gzip, EFI zboot: unpacks to more than the limit of {limit} bytes (--max-unpacked)"
    )


# One guest, whatever it comes in.


def test_the_same_kernel_is_the_same_guest_in_every_form(write: Callable[..., str], tmp_path: Path) -> None:
    plain = load_kernel(sample("midway-arm64").image)
    image, (piece,) = bytes(plain.pieces[0].data[:]), plain.pieces
    expected = plan_of(plain, memory=256 * MIB)
    for data in (
        pack("lzop", image),
        zboot(pack("zstd", image), b"zstd22"),
        mkimage_legacy(tmp_path, pack("lzma", image), compression="lzma"),
        pack("gzip", mkimage_legacy(tmp_path, image)),
    ):
        assert plan_of(load_kernel(write(data)), memory=256 * MIB) == expected
    code = f'.text\n.incbin "image"\n.bss\n.space {piece.size - len(image)}\n'
    (tmp_path / "image").write_bytes(image)
    start = RAM + piece.address
    layout = f"SECTIONS {{ . = {start:#x}; .all : {{ *(.text) *(.bss) }} }}"
    elf = plan_of(load_kernel(write(link(tmp_path, layout, code, "-e", f"{start:#x}"))), memory=256 * MIB)
    assert elf.registers == expected.registers
    raw = load_kernel(write(image), raw=RawPlacement("arm64", start, start))
    assert plan_of(raw, memory=256 * MIB).registers == expected.registers
    for found in (elf, plan_of(raw, memory=256 * MIB)):
        assert bytes(found.segments[0].data[: len(image)]) == image
        assert found.segments[0].address == start


@pytest.mark.long
def test_debian_s_own_kernel_in_every_compression(debian_arm64_kernel: Path, tmp_path: Path) -> None:
    image = debian_arm64_kernel.read_bytes()
    expected = load_kernel(debian_arm64_kernel)
    for name, level in (
        ("gzip", "-1"),
        ("zstd", "-1"),
        ("lz4", "-1"),
        ("lz4 (legacy)", "-1"),
        ("lzop", "-1"),
    ):
        (tmp_path / "kernel").write_bytes(pack(name, image, level))
        kernel = load_kernel(tmp_path / "kernel")
        assert (kernel.pieces, kernel.layers) == (expected.pieces, (name,))
