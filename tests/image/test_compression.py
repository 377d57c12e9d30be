# SPDX-License-Identifier: GPL-2.0-or-later
"""Decompression of files that Debian's tools wrote, and its limits."""

import bz2
import gzip
import lzma
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ImageError, MissingDependencyError
from coldline.image import load_kernel
from coldline.image.compression import codec_of, decompress
from coldline.image.content import MAX_PARTS, Allowance, Content
from tests.helpers.images import PACKERS, arm64_image, pack, run
from tests.helpers.peak_memory import PEAK

MIB = 1 << 20
EVERY = pytest.mark.parametrize("name", PACKERS)


def text(size: int, seed: int = 1) -> bytes:
    """Bytes that compress, but not to nothing."""
    source = random.Random(seed)
    words = [source.randbytes(source.randrange(2, 12)) for _ in range(500)]
    return b"".join(source.choices(words, k=size // 5 + 1)).ljust(size, b"\0")[:size]


def out(data: bytearray | bytes, limit: int = 1 << 30) -> memoryview:
    """The decompressed content of `data`."""
    content = Content("file", memoryview(data), Allowance(limit))
    codec = codec_of(content.data)
    assert codec is not None
    unpacked = decompress(content, codec)
    assert unpacked.layers == (codec.name,)
    assert unpacked.data.readonly
    return unpacked.data


def reason(data: bytearray | bytes, limit: int = 1 << 30) -> str:
    with pytest.raises(ImageError) as caught:
        out(data, limit)
    assert caught.value.path == "file"
    return caught.value.reason


@EVERY
def test_what_the_tool_wrote_comes_out(name: str, tmp_path: Path) -> None:
    data = arm64_image(size=MIB + 5, image_size=4 * MIB, fill=text(MIB))
    packed = pack(name, data)
    codec = codec_of(memoryview(packed))
    assert codec is not None
    assert codec.name == name
    assert out(packed) == data
    path = tmp_path / "kernel"
    path.write_bytes(packed)
    kernel = load_kernel(path)
    assert (kernel.layers, kernel.pieces[0].data) == ((name,), data)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gzip", ["-1"]),
        ("gzip", ["-9"]),
        ("xz", ["-9e"]),
        ("xz", ["-0", "--check=sha256"]),
        ("xz", ["--check=none"]),
        ("xz", ["--arm", "--lzma2=dict=32MiB"]),
        ("xz", ["--lzma2=dict=128MiB"]),
        ("lzma", ["-9"]),
        ("zstd", ["--ultra", "-22"]),
        ("zstd", ["--no-check"]),
        ("zstd", ["--long=27"]),
        ("lz4", ["-9", "-BD", "-B4"]),
        ("lz4", ["--no-frame-crc"]),
        ("lz4", ["-BX", "--content-size"]),
        ("lz4 (legacy)", ["-9"]),
        ("lzop", ["-1"]),
        ("lzop", ["-9"]),
        ("lzop", ["--crc32"]),
        ("lzop", ["--no-checksum"]),
        ("lzop", ["-CC"]),
    ],
)
def test_every_way_that_the_tools_have(name: str, options: list[str], tmp_path: Path) -> None:
    data = text(700_000)
    assert out(pack(name, data, *options)) == data


def test_lzop_keeps_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(data := text(600_000))
    run("lzop", "vmlinux", folder=tmp_path)
    assert out((tmp_path / "vmlinux.lzo").read_bytes()) == data


@EVERY
@pytest.mark.parametrize("size", [0, 1, 65, 256 << 10, (256 << 10) + 1])
def test_bytes_that_do_not_compress_and_small_ones(name: str, size: int) -> None:
    data = random.Random(7).randbytes(size)
    assert out(pack(name, data)) == data


def test_a_legacy_block_s_worth_and_more() -> None:
    for size in (8 * MIB - 1, 8 * MIB, 8 * MIB + 1):
        data = text(size)
        assert out(pack("lz4 (legacy)", data)) == data


@pytest.mark.parametrize("name", [name for name in PACKERS if name != "lzma"])
def test_streams_follow_one_another_and_the_rest_is_ignored(name: str) -> None:
    first, second = text(100_000), text(70_001, 2)
    packed = pack(name, first) + pack(name, b"") + pack(name, second)
    appended = struct.pack("<I", len(first) + len(second))
    rests = (
        (b"", appended)
        if name == "lz4 (legacy)"
        else (b"", appended, bytes(512), b"\xd0\x0d\xfe\xed tree", b"\x1f")
    )
    for rest in rests:
        assert out(packed + rest) == first + second


def test_lzma_alone_is_one_stream() -> None:
    assert out(pack("lzma", text(1000)) + pack("lzma", text(1000))) == text(1000)


@EVERY
def test_the_limit_on_both_sides(name: str) -> None:
    data = text(MIB + 1)
    packed = pack(name, data)
    assert out(packed, len(data)) == data
    said = f"unpacks to more than the limit of {len(data) - 1} bytes (--max-unpacked)"
    assert reason(packed, len(data) - 1) == said
    if name != "lzma":
        assert reason(packed + packed, len(data)) == said.replace(str(len(data) - 1), str(len(data)))
        assert out(packed + packed, 2 * len(data)) == data + data


@EVERY
def test_a_limit_of_nothing(name: str) -> None:
    assert out(pack(name, b""), 0) == b""
    assert "limit of 0 bytes" in reason(pack(name, b"a"), 0)


@EVERY
def test_a_truncated_file(name: str) -> None:
    data = random.Random(3).randbytes(300_000)
    whole = pack(name, data)
    lengths = {20, 100, 4095, 4096, 4097, 65536, 69632, len(whole) - 9, len(whole) - 5, len(whole) - 1}
    for length in sorted(lengths):
        said = reason(whole[:length])
        assert said == f"truncated {name.partition(' ')[0]} data: the file ends at byte {length}"


@EVERY
def test_a_bit_flipped_anywhere_is_an_error_or_changes_nothing(name: str) -> None:
    unchecked = name in ("lzma", "lz4 (legacy)")
    data = text(2000)
    whole = pack(name, data)
    for position in range(len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 8
        if codec_of(memoryview(broken)) is None:
            continue
        try:
            found = out(broken, 1 << 20)
        except ImageError:
            continue
        assert unchecked or found == data, position


def test_what_is_corrupt_is_told_with_its_offset() -> None:
    whole = gzip.compress(random.Random(1).randbytes(300_000), mtime=0)
    at = 4096 + (len(whole) - 4096) // 65536 * 65536
    assert (
        reason(whole[:-8] + bytes(4) + whole[-4:])
        == f"corrupt gzip data at or after byte {at}: incorrect data check"
    )
    assert (
        reason(whole[:-4] + b"\xff" * 4) == f"corrupt gzip data at or after byte {at}: incorrect length check"
    )
    assert (
        reason(b"\x1f\x8b\x07" + whole[3:])
        == "corrupt gzip data at or after byte 0: unknown compression method"
    )


@pytest.mark.parametrize("outer", PACKERS)
@pytest.mark.parametrize("inner", ["gzip", "lzop", "lz4 (legacy)"])
def test_one_compression_is_undone(outer: str, inner: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(pack(outer, pack(inner, arm64_image())))
    with pytest.raises(ImageError, match="decompress it first") as caught:
        load_kernel(path)
    assert caught.value.reason == f"is {inner} inside {outer}: decompress it first"


@pytest.mark.parametrize(
    ("name", "module"),
    [("zstd", "backports.zstd"), ("lz4", "lz4.frame"), ("lz4 (legacy)", "lz4.block"), ("lzop", "lzallright")],
)
def test_a_missing_library_is_named(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(name, b"abc")
    if name == "zstd" and sys.version_info >= (3, 14):
        module = "compression.zstd"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as caught:
        out(packed)
    assert (
        str(caught.value)
        == f"file: is compressed with {name}, which needs {module}: install coldline[images]"
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda: gzip.compress(b"", mtime=0), "has more than 65536 gzip streams, the last at byte 1310720"),
        (lambda: pack("lz4", b""), "has more than 65536 lz4 streams"),
        (lambda: bytes.fromhex("502a4d1800000000"), "has more than 65536 zstd streams"),
        (lambda: bz2.compress(b""), "has more than 65536 bzip2 streams"),
        (lambda: pack("xz", b""), "has more than 65536 xz streams"),
        (lambda: bytes.fromhex("02214c18"), "has more than 65536 lz4 blocks"),
        (lambda: pack("lzop", b"a"), "has more than 65536 lzop blocks"),
    ],
)
def test_more_parts_than_anybody_makes(form: Callable[..., Any], said: str) -> None:
    assert MAX_PARTS == 65536
    assert reason(form() * (MAX_PARTS + 1)).startswith(said)


def test_a_lzop_of_empty_streams_ends_too() -> None:
    assert "more than 65536 lzop" in reason(pack("lzop", b"") * (MAX_PARTS + 1))


# What asks for memory.


def test_dictionaries_and_windows_beyond_what_kernels_use() -> None:
    plain = bytearray(lzma.compress(b"a", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    # The dictionary's size is a byte of the block header: xz doc/xz-file-format.txt, 3.1 and 5.3.1.
    assert plain[12:17] == bytes([2, 0, 0x21, 1, 16])
    plain[16] = 36
    plain[20:24] = zlib.crc32(plain[12:20]).to_bytes(4, "little")
    assert reason(plain) == "corrupt xz data at or after byte 0: Memory usage limit exceeded"
    alone = bytearray(lzma.compress(b"a", format=lzma.FORMAT_ALONE))
    alone[1:5] = (1 << 30).to_bytes(4, "little")
    assert "Memory usage limit exceeded" in reason(alone)
    # A window descriptor of 2^28: zstd doc/zstd_compression_format.md, 3.1.1.1.2.
    assert "zstd data at or after byte 0" in reason(
        bytes.fromhex("28b52ffd 00") + bytes([18 << 3]) + bytes(20)
    )


@pytest.mark.long
@EVERY
def test_peak_memory_of_a_bomb(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(pack(name, bytes(64 * MIB)))
    code = PEAK + (
        "import sys\n"
        "from coldline.errors import ImageError\n"
        "from coldline.image import load_kernel\n"
        "before = peak()\n"
        "try: load_kernel(sys.argv[1], max_unpacked=1 << 20)\n"
        "except ImageError as error: assert '--max-unpacked' in error.reason, error\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) << 10 < 40 * MIB


# lzop's own.


def lzop_file(
    *blocks: bytes, version: int = 0x1030, method: int = 1, flags: int = 1, end: bool = True
) -> bytes:
    """An lzop file of blocks, written after lzop src/lzop.c (1.04)."""
    head = struct.pack(">HHHBBIIIIB", version, 0x20A0, 0x0940, method, 5, flags, 0o100644, 0, 0, 0)
    checksum = zlib.crc32(head) if flags & 0x1000 else zlib.adler32(head)
    return b"\x89LZO\0\r\n\x1a\n" + head + struct.pack(">I", checksum) + b"".join(blocks) + bytes(4 * end)


def stored(data: bytes) -> bytes:
    return struct.pack(">III", len(data), len(data), zlib.adler32(data)) + data


def test_lzop_by_hand() -> None:
    assert out(lzop_file(stored(b"abc"), stored(b"def"))) == b"abcdef"
    assert out(lzop_file(struct.pack(">II", 3, 3) + b"abc", flags=0x1000)) == b"abc"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lzop_file(method=9), "has lzop method 9 (at byte 15), which is not LZO1X"),
        (lzop_file(flags=0x801), "has lzop flags 0x801 (at byte 17): filters and parts are not supported"),
        (
            lzop_file(struct.pack(">II", (256 << 10) + 1, 5)),
            "corrupt lzop data: the block at byte 38 has 5 bytes and unpacks to 262145; the limit is 262144",
        ),
        (
            lzop_file(struct.pack(">II", 4, 5)),
            "corrupt lzop data: the block at byte 38 has 5 bytes and unpacks to 4; the limit is 262144",
        ),
        (
            lzop_file(struct.pack(">II", 4, 0)),
            "corrupt lzop data: the block at byte 38 has 0 bytes and unpacks to 4; the limit is 262144",
        ),
        (
            lzop_file(struct.pack(">III", 3, 3, 0) + b"abc"),
            "corrupt lzop data: the block at byte 38 has checksum 0x024d0127, not 0x00000000",
        ),
        (lzop_file(end=False), "truncated lzop data: the file ends at byte 38"),
    ],
)
def test_lzop_that_cannot_be(data: bytes, said: str) -> None:
    assert reason(data) == said


def test_lzo_that_unpacks_to_more_than_its_block_says() -> None:
    packed = run("lzop", "-c", data=bytes(200_000))
    size_at = packed.index(struct.pack(">I", 200_000))
    lying = packed[:size_at] + struct.pack(">I", 100_000) + packed[size_at + 4 :]
    assert "corrupt lzop data" in reason(lying)


# lz4's legacy form.


def test_a_legacy_block_that_passes_the_end_or_is_too_large() -> None:
    assert reason(b"\x02\x21\x4c\x18" + struct.pack("<I", 100) + bytes(99)) == (
        "truncated lz4 data: the file ends at byte 107"
    )
    large = 9 * MIB
    assert reason(b"\x02\x21\x4c\x18" + struct.pack("<I", large) + bytes(large)) == (
        f"corrupt lz4 data: the block at byte 4 has {large} bytes"
    )
    assert "corrupt lz4 data in the block at byte 4" in reason(
        b"\x02\x21\x4c\x18" + struct.pack("<I", 4) + b"\xff" * 4
    )
