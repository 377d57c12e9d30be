# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images of every format: recognised, unpacked and planned."""

import struct
import zlib
from collections.abc import Callable

from coldline.guest import GuestOptions, make_plan
from coldline.image.compression import CODECS
from coldline.image.content import Allowance, Content
from coldline.image.flash_image import check_flash_image
from coldline.image.format_detection import recognise
from tests.fuzz import seeds
from tests.fuzz.target import Target

MIB = 1 << 20
_OPTIONS = GuestOptions(memory=16 * MIB)


def _kernel(data: bytes) -> None:
    allowance = Allowance(MIB)
    kernel = recognise(Content("fuzz", memoryview(data), allowance), None, None)
    assert 0 <= allowance.left <= MIB
    assert kernel.pieces
    assert any(each.address <= kernel.entry < each.end for each in kernel.pieces)
    for each in kernel.pieces:
        assert isinstance(each.data, memoryview)
        assert each.data.readonly
        assert 0 < each.size >= len(each.data)
    made = make_plan(kernel, _OPTIONS)
    assert any(each.address <= made.registers.pc < each.end for each in made.segments)


def _uimage(data: bytes) -> None:
    """The input with right checksums, which a fuzzer does not guess."""
    if len(data) >= 64:
        (size,) = struct.unpack_from(">I", data, 12)
        fixed = bytearray(data)
        struct.pack_into(">I", fixed, 24, zlib.crc32(data[64 : 64 + size]))
        fixed[4:8] = bytes(4)
        struct.pack_into(">I", fixed, 4, zlib.crc32(fixed[:64]))
        data = bytes(fixed)
    _kernel(data)


def _stm32(data: bytes) -> None:
    """The input with the right checksum."""
    if len(data) >= 256:
        (size,) = struct.unpack_from("<I", data, 76)
        fixed = bytearray(data)
        struct.pack_into("<I", fixed, 68, sum(data[256 : 256 + size]) & 0xFFFFFFFF)
        data = bytes(fixed)
    _kernel(data)


def _records(data: bytes) -> None:
    """The input with right checksums in all lines of hexadecimal digits."""
    lines = []
    for line in data.split(b"\n"):
        digits = line[2:] if line[:1] == b"S" else line[1:]
        try:
            record = bytes.fromhex(digits.decode("ascii").strip())[:-1]
        except ValueError:
            record = b""
        if not record:
            lines.append(line)
            continue
        total = ~sum(record) if line[:1] == b"S" else -sum(record)
        lines.append(line[: len(line) - len(digits)] + (record + bytes([total & 0xFF])).hex().encode())
    _kernel(b"\n".join(lines))


def _flash(data: bytes) -> None:
    """The input as firmware for flash."""
    notes = check_flash_image(Content("fuzz", memoryview(data), Allowance(MIB)))
    assert all(note.isprintable() for note in notes)


def _decompress(name: str) -> Callable[[bytes], None]:
    codec = next(each for each in CODECS if each.name == name)

    def run(data: bytes) -> None:
        allowance = Allowance(MIB)
        contents = codec.decompress(Content("fuzz", memoryview(data), allowance))
        assert len(contents) == MIB - allowance.left

    return run


def _lzop(data: bytes) -> None:
    """The input with the right checksum in its header, if it is a header that lzop would write."""
    name_end = 9 + 25 + (data[33] if len(data) > 33 else 0)
    if len(data) >= name_end + 4:
        fixed = bytearray(data)
        struct.pack_into(">I", fixed, name_end, zlib.adler32(data[9:name_end]))
        data = bytes(fixed)
    _decompress("lzop")(data)


def _seeds_of(name: str) -> Callable[[], list[bytes]]:
    return lambda: seeds.compressed(name)


def _everything() -> list[bytes]:
    found = [each for codec in CODECS for each in seeds.compressed(codec.name)]
    for kinds in (
        seeds.images, seeds.zimages, seeds.zboots, seeds.elves, seeds.uimages, seeds.fits, seeds.boot_rom_images,
        seeds.records, seeds.firmware,
    ):  # fmt: skip
        found += kinds()
    return found


TARGETS = {
    "image": Target(_kernel, _everything, weight=200),
    "arm64-image": Target(_kernel, seeds.images, weight=200),
    "zimage": Target(_kernel, seeds.zimages, weight=200),
    "zboot": Target(_kernel, seeds.zboots, weight=200),
    "elf": Target(_kernel, seeds.elves),
    "uimage": Target(_uimage, seeds.uimages, weight=200),
    "fit": Target(_kernel, seeds.fits),
    "boot-rom": Target(_kernel, seeds.boot_rom_images, most_bytes=1 << 16),
    "stm32": Target(_stm32, seeds.boot_rom_images, weight=200),
    "records": Target(_records, seeds.records, weight=200),
    "flash": Target(_flash, seeds.firmware, weight=200),
    **{
        codec.name.replace(" (legacy)", "-legacy"): Target(
            _lzop if codec.name == "lzop" else _decompress(codec.name), _seeds_of(codec.name), weight=200
        )
        for codec in CODECS
    },
}
