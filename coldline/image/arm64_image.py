# SPDX-License-Identifier: GPL-2.0-or-later
"""The header of an arm64 Image.

Source: Linux Documentation/arch/arm64/booting.rst, section 4; the limits on text_offset, which it leaves
open, are those that Linux arch/arm64/kernel/head.S (3.17 to 5.9) asserts at build time.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from coldline.errors import ImageError
from coldline.image.identify import identify
from coldline.image.kernel import Kernel

_MAGIC = b"ARM\x64"
_OLD_TEXT_OFFSET = 0x80000
"""Bytes; for kernels before 3.17, whose image_size is 0 and whose text_offset is of unknown endianness."""

_TEXT_OFFSET_LIMIT = 2 << 20
_TEXT_OFFSET_ALIGNMENT = 4096


class _Header(NamedTuple):
    code0: int
    code1: int
    text_offset: int
    image_size: int
    flags: int
    res2: int
    res3: int
    res4: int
    magic: bytes
    res5: int


_LAYOUT = struct.Struct("<IIQQQQQQ4sI")


@dataclass(frozen=True, slots=True)
class _Bits:
    """Some bits of a word, both ends included."""

    msb: int
    lsb: int

    def of(self, word: int) -> int:
        return word >> self.lsb & (1 << self.msb - self.lsb + 1) - 1


_BIG_ENDIAN = _Bits(0, 0)
_PAGE_SIZE = _Bits(2, 1)
_ANYWHERE = _Bits(3, 3)
_RESERVED = _Bits(63, 4)

_PAGE_SIZES = (None, 4 << 10, 16 << 10, 64 << 10)
"""Bytes, by the value of the page size field."""


def parse_arm64_image(path: str, data: memoryview, compression: str | None) -> Kernel:
    """Check the header of an arm64 Image.

    Parameters
    ----------
    path : str
        The file, for messages.
    data : memoryview
        The uncompressed image, read-only.
    compression : str or None
        How the file was compressed.

    Raises
    ------
    ImageError
        If it is no arm64 Image, is one for a big-endian kernel, or has a header that no honest kernel has:
        reserved flags, a text_offset of 2 MiB or more or off a 4 KiB page, an image_size below the size of
        the data.
    """
    unpacked = f"once decompressed from {compression}, " if compression else ""
    header = _read_header(path, data, unpacked)
    if header.image_size == 0:
        text_offset, image_size = _OLD_TEXT_OFFSET, len(data)
    else:
        text_offset, image_size = header.text_offset, header.image_size
    _check_flags(path, header.flags)
    if text_offset >= _TEXT_OFFSET_LIMIT:
        raise ImageError(path, f"text_offset (at byte 8) is {text_offset:#x}; it must be below 2 MiB")
    if text_offset % _TEXT_OFFSET_ALIGNMENT:
        raise ImageError(path, f"text_offset (at byte 8) is {text_offset:#x}; it must be a multiple of 4 KiB")
    if image_size < len(data):
        raise ImageError(
            path,
            f"image_size (at byte 16) is {image_size:#x} ({image_size} bytes), "
            f"but {unpacked}the file has {len(data)} bytes",
        )
    return Kernel(
        path=path,
        compression=compression,
        data=data,
        text_offset=text_offset,
        image_size=image_size,
        page_size=_PAGE_SIZES[_PAGE_SIZE.of(header.flags)],
        anywhere=bool(_ANYWHERE.of(header.flags)),
    )


def _read_header(path: str, data: memoryview, unpacked: str) -> _Header:
    if len(data) >= _LAYOUT.size:
        header = _Header._make(_LAYOUT.unpack_from(data))
        if header.magic == _MAGIC:
            return header
    what = identify(data)
    if what is not None:
        raise ImageError(path, f"{unpacked}is {what}")
    if len(data) < _LAYOUT.size:
        raise ImageError(
            path,
            f"{unpacked}has {len(data)} bytes; an arm64 Image has a header of {_LAYOUT.size}",
        )
    raise ImageError(
        path,
        f"{unpacked}is not an arm64 Image: at byte 56 it has {header.magic.hex(' ')}, not {_MAGIC.hex(' ')}",
    )


def _check_flags(path: str, flags: int) -> None:
    if _RESERVED.of(flags):
        raise ImageError(path, f"flags (at byte 24) are {flags:#x}: bits 4-63 are reserved and must be 0")
    if _BIG_ENDIAN.of(flags):
        raise ImageError(
            path, f"is a big-endian kernel (flags {flags:#x}, bit 0): coldline runs little-endian ones"
        )
