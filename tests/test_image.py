# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels from files of unknown honesty. Expected values: Linux Documentation/arch/arm64/booting.rst."""

import gzip
import os
import struct
import subprocess
import sys
import threading
import tracemalloc

import pytest

from coldline.errors import ImageError
from coldline.image import MAX_IMAGE, MAX_UNPACKED, Kernel, load_blob, load_kernel

MIB = 1 << 20


def image(*, size=4096, text_offset=0, image_size=0x10000, flags=0b1010, magic=b"ARM\x64"):
    header = struct.pack(
        "<IIQQQQQQ4sI", 0x91005A4D, 0x14000000, text_offset, image_size, flags, 0, 0, 0, magic, 0
    )
    return header + bytes(size - len(header))


@pytest.fixture
def write(tmp_path):
    def write_file(data, name="vmlinuz"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write_file


def reason(path, **limits):
    with pytest.raises(ImageError) as caught:
        load_kernel(path, **limits)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def test_every_field_of_an_honest_image(write):
    data = image(text_offset=0x80000, image_size=0x2010000)
    path = write(data)
    assert load_kernel(path) == Kernel(
        path=path,
        architecture="arm64",
        format="Image",
        compression=None,
        data=memoryview(data),
        text_offset=0x80000,
        image_size=0x2010000,
        page_size=4096,
        anywhere=True,
    )
    assert load_kernel(path).data.readonly


@pytest.mark.parametrize(("field", "page_size"), [(0, None), (1, 4096), (2, 16384), (3, 65536)])
@pytest.mark.parametrize("anywhere", [False, True])
def test_flags(write, field, page_size, anywhere):
    kernel = load_kernel(write(image(flags=anywhere << 3 | field << 1)))
    assert (kernel.page_size, kernel.anywhere) == (page_size, anywhere)


def test_big_endian_kernel_is_refused(write):
    assert reason(write(image(flags=0b1011))) == (
        "is a big-endian kernel (flags 0xb, bit 0): coldline runs little-endian ones"
    )


@pytest.mark.parametrize("bit", [4, 63])
def test_reserved_flags_are_refused(write, bit):
    assert reason(write(image(flags=1 << bit))) == (
        f"flags (at byte 24) are {1 << bit:#x}: bits 4-63 are reserved and must be 0"
    )


@pytest.mark.parametrize("text_offset", [0, 0x80000, 0x0000080000000000])
def test_old_images_have_one_text_offset_whatever_they_say(write, text_offset):
    kernel = load_kernel(write(image(size=5000, text_offset=text_offset, image_size=0, flags=0)))
    assert (kernel.text_offset, kernel.image_size) == (0x80000, 5000)


@pytest.mark.parametrize("text_offset", [0, 4096, 2 * MIB - 4096])
def test_text_offset_that_can_be(write, text_offset):
    assert load_kernel(write(image(text_offset=text_offset))).text_offset == text_offset


@pytest.mark.parametrize(
    ("text_offset", "words"),
    [
        (2 * MIB, "text_offset (at byte 8) is 0x200000; it must be below 2 MiB"),
        (2**64 - 4096, "text_offset (at byte 8) is 0xfffffffffffff000; it must be below 2 MiB"),
        (8, "text_offset (at byte 8) is 0x8; it must be a multiple of 4 KiB"),
    ],
)
def test_text_offset_that_cannot_be(write, text_offset, words):
    assert reason(write(image(text_offset=text_offset))) == words


def test_image_size_may_not_be_below_the_data(write):
    assert load_kernel(write(image(size=4096, image_size=4096))).image_size == 4096
    assert reason(write(image(size=4096, image_size=4095))) == (
        "image_size (at byte 16) is 0xfff (4095 bytes), but the file has 4096 bytes"
    )


def test_absurd_image_size_allocates_nothing(write):
    path = write(image(image_size=2**63))
    tracemalloc.start()
    try:
        assert load_kernel(path).image_size == 2**63
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_header_is_64_bytes(write):
    assert load_kernel(write(image(size=64))).data.nbytes == 64
    assert reason(write(bytes(63))) == "has 63 bytes; an arm64 Image has a header of 64"
    assert reason(write(b"\x00")) == "has 1 bytes; an arm64 Image has a header of 64"


def at(offset, data, start=b""):
    return (start + bytes(offset - len(start)) + data).ljust(1024, b"\0")


def elf(machine, order):
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    return at(16, struct.pack(f"{order}HH", 2, machine), ident)


LATER = "not supported yet by coldline; decompress it first"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (at(0x202, b"HdrS", b"MZ"), "is an x86 bzImage, not an arm64 Image"),
        (at(0x24, struct.pack("<I", 0x016F2818)), "is a 32-bit arm zImage, not an arm64 Image"),
        (at(0x24, struct.pack(">I", 0x016F2818)), "is a big-endian 32-bit arm zImage, not an arm64 Image"),
        (at(56, b"RSC\x05", b"MZ"), "is a RISC-V Image, not an arm64 Image"),
        (elf(183, "<"), "is an ELF file for arm64, not an arm64 Image"),
        (elf(62, "<"), "is an ELF file for x86-64, not an arm64 Image"),
        (elf(22, ">"), "is an ELF file for s390, not an arm64 Image"),
        (elf(0x1234, "<"), "is an ELF file for machine 4660, not an arm64 Image"),
        (b"\x7fELF", "is a truncated ELF file, not an arm64 Image"),
        (at(0, b"MZ"), "is a PE file, not an arm64 Image"),
        (at(0, bytes.fromhex("27051956")), "is a U-Boot uImage, not an arm64 Image"),
        (
            at(0, bytes.fromhex("d00dfeed")),
            "is a flattened device tree (a dtb or a FIT image), not an arm64 Image",
        ),
        (at(24, b"gzip", b"MZ\0\0zimg"), f"is an EFI zboot image compressed with gzip: {LATER}"),
        (at(24, b"\xff\x1b[31m", b"MZ\0\0zimg"), None),
        (b"\xfd7zXZ\0" + bytes(100), f"is compressed with xz: {LATER}"),
        (b"BZh9" + bytes(100), f"is compressed with bzip2: {LATER}"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), f"is compressed with zstd: {LATER}"),
        (b"\x04\x22\x4d\x18" + bytes(100), f"is compressed with lz4: {LATER}"),
        (
            bytes(100),
            "is not an arm64 Image: at byte 56 it has 00 00 00 00, not 41 52 4d 64",
        ),
    ],
)
def test_what_is_not_an_image_is_named(write, data, words):
    said = reason(write(data))
    assert said.isprintable()
    assert words is None or said == words
    packed = reason(write(gzip.compress(data, mtime=0)))
    assert packed == f"once decompressed from gzip, {said}"


def test_an_arm64_image_is_recognised_before_anything_else(write):
    data = bytearray(image())
    data[0x202:0x206] = b"HdrS"
    assert load_kernel(write(data)).format == "Image"


def test_gzip(write):
    data = image(size=3 * MIB, image_size=4 * MIB)
    kernel = load_kernel(write(gzip.compress(data)))
    assert (kernel.compression, kernel.data, kernel.image_size) == ("gzip", data, 4 * MIB)
    assert kernel.data.readonly


def test_gzip_members_follow_one_another_and_the_rest_is_ignored_as_by_gunzip(write):
    data = image(size=100_000, image_size=100_000)
    members = gzip.compress(data[:50_001]) + gzip.compress(b"") + gzip.compress(data[50_001:])
    for rest in (b"", bytes(512), b"\xd0\x0d\xfe\xed appended", b"\x1f"):
        assert load_kernel(write(members + rest)).data == data


def test_gzip_limit(write):
    data = image(size=2 * MIB + 1, image_size=4 * MIB)
    path = write(gzip.compress(data))
    assert load_kernel(path, max_unpacked=len(data)).data == data
    assert reason(path, max_unpacked=len(data) - 1) == (
        "unpacks to more than the limit of 2097152 bytes (--max-unpacked)"
    )
    two = write(gzip.compress(data[:MIB]) + gzip.compress(data[MIB:]))
    assert load_kernel(two, max_unpacked=len(data)).data == data
    assert "--max-unpacked" in reason(two, max_unpacked=len(data) - 1)


def test_gzip_bomb_is_stopped_at_the_limit(write):
    path = write(gzip.compress(bytes(256 * MIB), 9))
    assert os.stat(path).st_size < MIB
    tracemalloc.start()
    try:
        assert "limit of 1048576 bytes" in reason(path, max_unpacked=MIB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_truncated_gzip(write):
    whole = gzip.compress(image() + os.urandom(300_000))
    for length in (2, 9, 10, 11, 1000, 65536, 65537, len(whole) - 8, len(whole) - 1):
        assert reason(write(whole[:length])) == f"truncated gzip data: the file ends at byte {length}"


def test_corrupt_gzip(write):
    whole = gzip.compress(image(size=4096, image_size=4096) + os.urandom(300_000))
    crc = whole[:-8] + bytes(4) + whole[-4:]
    assert reason(write(crc)) == "corrupt gzip data at or after byte 262144: incorrect data check"
    isize = whole[:-4] + b"\xff\xff\xff\xff"
    assert reason(write(isize)) == "corrupt gzip data at or after byte 262144: incorrect length check"
    assert reason(write(b"\x1f\x8b\x07" + whole[3:])) == (
        "corrupt gzip data at or after byte 0: unknown compression method"
    )


def test_gzip_is_undone_once(write):
    assert reason(write(gzip.compress(gzip.compress(image())))) == "is gzip inside gzip: decompress it first"


def test_files_that_are_none(tmp_path, write):
    assert reason(str(tmp_path / "none")) == "cannot open the kernel: No such file or directory"
    assert reason(str(tmp_path)) == "the kernel is a directory, not a file"
    assert reason("/dev/zero") == "the kernel is a character device, not a file"
    assert reason(write(b"")) == "the kernel is empty"
    with pytest.raises(ImageError, match="cannot open the initrd: embedded null byte"):
        load_blob("a\0b", "initrd")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert reason(str(loop)) == "cannot open the kernel: Too many levels of symbolic links"


def test_unreadable_file(write):
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


def test_size_limit_is_looked_at_before_reading(tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(1 << 42)
    assert reason(str(path)) == (
        "the kernel has 4398046511104 bytes, above the limit of 1073741824 (--max-image)"
    )


def test_size_limit_on_both_sides(write):
    path = write(bytes(1000))
    assert load_blob(path, "initrd", max_image=1000) == bytes(1000)
    with pytest.raises(ImageError, match="the initrd has 1000 bytes, above the limit of 999"):
        load_blob(path, "initrd", max_image=999)


def test_default_limits_are_a_gibibyte():
    assert MAX_IMAGE == MAX_UNPACKED == 1 << 30


def through_pipe(tmp_path, data, **limits):
    """What load_blob makes of a pipe that somebody writes `data` into."""
    reader, writer = os.pipe()

    def feed():
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


def test_a_pipe_is_read_to_its_end(tmp_path):
    data = os.urandom(3 * MIB)
    assert through_pipe(tmp_path, data) == data
    assert through_pipe(tmp_path, data, max_image=len(data)) == data


def test_a_pipe_is_read_no_further_than_the_limit(tmp_path):
    with pytest.raises(ImageError, match="more bytes than the limit of 1048576"):
        through_pipe(tmp_path, bytes(3 * MIB), max_image=MIB)


def test_a_named_pipe_without_writer_does_not_hang(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert reason(str(path)) == "the kernel is empty"


def test_what_was_loaded_does_not_follow_the_file(write):
    path = write(b"before")
    data = load_blob(path, "initrd")
    os.truncate(path, 0)
    assert data == b"before"


def test_a_file_that_shrinks_while_it_is_read(write, monkeypatch):
    path = write(bytes(1000))
    read = os.read
    monkeypatch.setattr(os, "read", lambda fd, size: (os.truncate(path, 10), read(fd, size))[1])
    assert reason(path) == "the kernel shrank from 1000 to 10 bytes while it was read"


def test_loading_and_planning_need_neither_numpy_nor_unicorn(write):
    path = write(image())
    code = (
        "import sys\n"
        "from coldline.guest import GuestOptions, make_plan\n"
        "from coldline.image import load_kernel\n"
        "make_plan(load_kernel(sys.argv[1]), GuestOptions(memory=64 << 20))\n"
        "print(sorted({'numpy', 'numba', 'unicorn', 'capstone', 'rich'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
