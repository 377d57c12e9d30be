# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels from untrusted files. Expected values: Linux Documentation/arch/arm64/booting.rst."""

import gzip
import os
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ImageError
from coldline.image import (
    MAX_IMAGE,
    MAX_UNPACKED,
    Kernel,
    KernelPiece,
    fit_hash,
    flat_tree,
    load_blob,
    load_kernel,
)
from coldline.image import elf as elf_image
from coldline.image.compression import CODECS
from coldline.image.content import MAX_PARTS
from tests.helpers.repository import ROOT

MIB = 1 << 20


def image(
    *,
    size: int = 4096,
    text_offset: int = 0,
    image_size: int = 0x10000,
    flags: int = 0b1010,
    magic: bytes = b"ARM\x64",
) -> bytes:
    header = struct.pack(
        "<IIQQQQQQ4sI", 0x91005A4D, 0x14000000, text_offset, image_size, flags, 0, 0, 0, magic, 0
    )
    return header + bytes(size - len(header))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(data: bytearray | bytes, name: str = "vmlinuz") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write_file


def reason(path: str, **limits: Any) -> str:
    with pytest.raises(ImageError) as caught:
        load_kernel(path, **limits)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def test_every_field_of_an_honest_image(write: Callable[..., str]) -> None:
    data = image(text_offset=0x80000, image_size=0x2010000)
    path = write(data)
    assert load_kernel(path) == Kernel(
        path=path,
        architecture="arm64",
        format="Image",
        layers=(),
        pieces=(KernelPiece(0x80000, memoryview(data), 0x2010000),),
        entry=0x80000,
        fixed=False,
        page_size=4096,
        anywhere=True,
    )
    kept = load_kernel(path).pieces[0].data
    assert isinstance(kept, memoryview)
    assert kept.readonly


@pytest.mark.parametrize(("field", "page_size"), [(0, None), (1, 4096), (2, 16384), (3, 65536)])
@pytest.mark.parametrize("anywhere", [False, True])
def test_flags(write: Callable[..., str], field: int, page_size: int | None, anywhere: bool) -> None:
    kernel = load_kernel(write(image(flags=anywhere << 3 | field << 1)))
    assert (kernel.page_size, kernel.anywhere) == (page_size, anywhere)


def test_big_endian_kernel_is_refused(write: Callable[..., str]) -> None:
    assert reason(write(image(flags=0b1011))) == (
        "is a big-endian kernel (flags 0xb, bit 0): coldline supports little-endian only"
    )


@pytest.mark.parametrize("bit", [4, 63])
def test_reserved_flags_are_refused(write: Callable[..., str], bit: int) -> None:
    assert reason(write(image(flags=1 << bit))) == (
        f"flags (at byte 24) are {1 << bit:#x}: bits 4-63 are reserved and must be 0"
    )


@pytest.mark.parametrize("text_offset", [0, 0x80000, 0x0000080000000000])
def test_old_images_have_one_text_offset_whatever_they_say(
    write: Callable[..., str], text_offset: int
) -> None:
    kernel = load_kernel(write(image(size=5000, text_offset=text_offset, image_size=0, flags=0)))
    assert (kernel.entry, kernel.pieces[0].address, kernel.pieces[0].size) == (0x80000, 0x80000, 5000)


@pytest.mark.parametrize("text_offset", [0, 4096, 2 * MIB - 4096])
def test_text_offset_that_can_be(write: Callable[..., str], text_offset: int) -> None:
    kernel = load_kernel(write(image(text_offset=text_offset)))
    assert kernel.entry == kernel.pieces[0].address == text_offset


@pytest.mark.parametrize(
    ("text_offset", "words"),
    [
        (2 * MIB, "text_offset (at byte 8) is 0x200000; it must be below 2 MiB"),
        (2**64 - 4096, "text_offset (at byte 8) is 0xfffffffffffff000; it must be below 2 MiB"),
        (8, "text_offset (at byte 8) is 0x8; it must be a multiple of 4 KiB"),
    ],
)
def test_text_offset_that_cannot_be(write: Callable[..., str], text_offset: int, words: str) -> None:
    assert reason(write(image(text_offset=text_offset))) == words


def test_image_size_may_not_be_below_the_data(write: Callable[..., str]) -> None:
    assert load_kernel(write(image(size=4096, image_size=4096))).pieces[0].size == 4096
    assert reason(write(image(size=4096, image_size=4095))) == (
        "image_size (at byte 16) is 0xfff (4095 bytes), but the Image has 4096 bytes"
    )


def test_absurd_image_size_allocates_nothing(write: Callable[..., str]) -> None:
    path = write(image(image_size=2**63))
    tracemalloc.start()
    try:
        assert load_kernel(path).pieces[0].size == 2**63
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_header_is_64_bytes(write: Callable[..., str]) -> None:
    whole = image(size=64)
    assert load_kernel(write(whole)).pieces[0].data.nbytes == 64
    assert reason(write(whole[:63])) == "has 63 bytes; an arm64 Image has a header of 64"
    words = "bytes and no known format; an arm64 Image has a header of 64"
    assert reason(write(bytes(59))) == f"has 59 {words}"
    assert reason(write(b"\x00")) == f"has 1 {words}"


def at(offset: int, data: bytes, start: bytes = b"") -> bytes:
    return (start + bytes(offset - len(start)) + data).ljust(1024, b"\0")


def elf(machine: int, order: str) -> bytes:
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    return at(16, struct.pack(f"{order}HH", 2, machine), ident)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (at(0x202, b"HdrS", b"MZ"), "is an x86 bzImage, not a kernel for arm"),
        (at(56, b"RSC\x05", b"MZ"), "is a RISC-V Image, not a kernel for arm"),
        (elf(62, "<"), "is an ELF file for x86-64, not for arm"),
        (elf(22, ">"), "is an ELF file for s390, not for arm"),
        (elf(0x1234, "<"), "is an ELF file for machine 4660, not for arm"),
        (b"\x7fELF", "is a truncated ELF file: it has 4 bytes"),
        (at(0, b"MZ"), "is a PE file, not a kernel for arm"),
        (at(0, b"ANDROID!"), "is an Android boot image, not a kernel for arm"),
        (
            bytes(100),
            "has no known format (it starts with 00 00 00 00 00 00 00 00; an arm64 Image would have 41 52 4d 64 "
            "at byte 56): if it is raw, say where it goes with --load, --entry and --arch",
        ),
    ],
)
def test_what_is_no_kernel_is_named(write: Callable[..., str], data: bytes, words: str) -> None:
    assert reason(write(data)) == words
    assert reason(write(gzip.compress(data, mtime=0))) == f"inside gzip: {words}"


def test_an_arm64_image_is_recognised_before_anything_else(write: Callable[..., str]) -> None:
    data = bytearray(image())
    data[0x202:0x206] = b"HdrS"
    assert load_kernel(write(data)).format == "Image"


def test_files_that_are_none(tmp_path: Path, write: Callable[..., str]) -> None:
    assert reason(str(tmp_path / "none")) == "cannot open the kernel: No such file or directory"
    assert reason(str(tmp_path)) == "the kernel is a directory, not a file"
    assert reason("/dev/zero") == "the kernel is a character device, not a file"
    assert reason(write(b"")) == "the kernel is empty"
    with pytest.raises(ImageError, match=r"cannot open the initrd: .*embedded null"):
        load_blob("a\0b", "initrd")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert reason(str(loop)) == "cannot open the kernel: Too many levels of symbolic links"


def test_unreadable_file(write: Callable[..., str]) -> None:
    path = write(image())
    os.chmod(path, 0)
    code = (
        "import os, sys\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "from coldline.errors import ImageError\n"
        "from coldline.image import load_kernel\n"
        "try: load_kernel(sys.argv[1])\n"
        "except ImageError as error: print(error.reason)\n"
    )
    # The imports happen as whoever runs the tests may import; only the file is out of reach.
    code = code.replace("if os.geteuid", "import coldline.image\nif os.geteuid")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "cannot open the kernel: Permission denied\n"


def test_size_limit_is_looked_at_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(1 << 42)
    assert reason(str(path)) == (
        "the kernel has 4398046511104 bytes, more than the limit of 1073741824 (--max-image)"
    )


def test_size_limit_on_both_sides(write: Callable[..., str]) -> None:
    path = write(bytes(1000))
    assert load_blob(path, "initrd", max_image=1000) == bytes(1000)
    with pytest.raises(ImageError, match="the initrd has 1000 bytes, more than the limit of 999"):
        load_blob(path, "initrd", max_image=999)


def test_default_limits_are_a_gibibyte() -> None:
    assert MAX_IMAGE == MAX_UNPACKED == 1 << 30


def through_pipe(tmp_path: Path, data: bytes, **limits: Any) -> memoryview:
    """The result of load_blob for a pipe into which another thread writes `data`."""
    reader, writer = os.pipe()

    def feed() -> None:
        try:
            with open(writer, "wb") as pipe:
                pipe.write(data)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return load_blob(f"/dev/fd/{reader}", "initrd", **limits)
    finally:
        os.close(reader)
        thread.join()


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    assert through_pipe(tmp_path, data) == data
    assert through_pipe(tmp_path, data, max_image=len(data)) == data


def test_a_pipe_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="more bytes than the limit of 1048576"):
        through_pipe(tmp_path, bytes(3 * MIB), max_image=MIB)


def test_a_named_pipe_without_writer_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert reason(str(path)) == "the kernel is empty"


def test_what_was_loaded_does_not_follow_the_file(write: Callable[..., str]) -> None:
    path = write(b"before")
    data = load_blob(path, "initrd")
    os.truncate(path, 0)
    assert data == b"before"


def test_a_file_that_shrinks_while_it_is_read(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(bytes(1000))
    read = os.read

    def read_what_is_left(fd: int, size: int) -> bytes:
        os.truncate(path, 10)
        return read(fd, size)

    monkeypatch.setattr(os, "read", read_what_is_left)
    assert reason(path) == "the kernel shrank from 1000 to 10 bytes while it was read"


def test_loading_and_planning_need_neither_numpy_nor_unicorn(write: Callable[..., str]) -> None:
    path = write(image())
    code = (
        "import sys\n"
        "from coldline.guest import GuestOptions, make_plan\n"
        "from coldline.image import load_kernel\n"
        "make_plan(load_kernel(sys.argv[1]), GuestOptions(memory=64 << 20))\n"
        "heavy = {'numpy', 'numba', 'unicorn', 'capstone', 'rich'}\n"
        "optional = {'lz4', 'elftools', 'lzallright', 'backports.zstd'}\n"
        "print(sorted((heavy | optional) & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


PAGE = (ROOT / "docs" / "reference" / "images.md").read_text()


def test_the_page_says_what_the_code_has() -> None:
    rows = PAGE.partition("## Compressions")[2].partition("## Limits")[0]
    assert {name.strip("`") for name in re.findall(r"^\| (`[^|]*`) \|", rows, re.MULTILINE)} == {
        codec.name for codec in CODECS
    }
    hashes = re.search(r"data is checked: (.*?)\.", PAGE)
    assert hashes is not None
    assert hashes[1].replace("`", "").split(", ") == list(fit_hash._ALGORITHMS)
    limits = (
        MAX_PARTS,
        flat_tree.MAX_NODES,
        flat_tree.MAX_NODE_DEPTH,
        flat_tree.MAX_PROPERTIES,
        elf_image._MAX_HEADERS,
    )
    assert limits == (65536, 16384, 32, 4096, 256)
    assert all(f"{limit:,}" in PAGE for limit in limits)
