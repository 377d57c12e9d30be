# SPDX-License-Identifier: GPL-2.0-or-later
"""The header of an arm64 Image.

Source: Linux Documentation/arch/arm64/booting.rst, section 4; the limits on text_offset, which it does not
give, are those that Linux arch/arm64/kernel/head.S (3.17 to 5.9) asserts at build time.
"""

import struct
from typing import TYPE_CHECKING, NamedTuple

from coldline.image.content import Content
from coldline.image.kernel import Kernel, KernelPiece
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.image.file_bytes import FileBytes

_MAGIC = b"ARM\x64"
_MAGIC_AT = 56
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


class _Bits(Record):
    """A bit field of a word, from `lsb` to `msb` inclusive."""

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


def is_arm64_image(data: memoryview) -> bool:
    """Return whether `data` has the magic number of an arm64 Image."""
    return data[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def parse_arm64_image(content: Content) -> Kernel:
    """Parse an arm64 Image that is in memory.

    Raises
    ------
    ImageError
        As `arm64_image`.
    """
    return arm64_image(content, content.data)


def arm64_image(content: Content, data: "memoryview | FileBytes") -> Kernel:
    """Check the header of an arm64 Image and return its kernel.

    Parameters
    ----------
    content : Content
        At least the start of the Image.
    data : memoryview or FileBytes
        All of the Image.

    Raises
    ------
    ImageError
        If the header is truncated, is for a big-endian kernel, or has values that no valid kernel has: reserved
        flags, a text_offset of 2 MiB or more or not a multiple of 4 KiB, an image_size below the size of the data.
    """
    if len(content.data) < _LAYOUT.size:
        raise content.error(f"has {len(data)} bytes; an arm64 Image has a header of {_LAYOUT.size}")
    header = _Header._make(_LAYOUT.unpack_from(content.data))
    notes: tuple[str, ...]
    if header.image_size == 0:
        text_offset, image_size = _OLD_TEXT_OFFSET, len(data)
        notes = (
            "its header has no size, as before Linux 3.17: text_offset is assumed to be 0x80000, with no known BSS",
        )
    else:
        text_offset, image_size = header.text_offset, header.image_size
        notes = ()
    _check_flags(content, header.flags)
    if text_offset >= _TEXT_OFFSET_LIMIT:
        raise content.error(f"text_offset (at byte 8) is {text_offset:#x}; it must be below 2 MiB")
    if text_offset % _TEXT_OFFSET_ALIGNMENT:
        raise content.error(f"text_offset (at byte 8) is {text_offset:#x}; it must be a multiple of 4 KiB")
    if image_size < len(data):
        raise content.error(
            f"image_size (at byte 16) is {image_size:#x} ({image_size} bytes), "
            f"but the Image has {len(data)} bytes"
        )
    return Kernel(
        path=content.path,
        architecture="arm64",
        format="Image",
        layers=content.layers,
        pieces=(KernelPiece(text_offset, data, image_size),),
        entry=text_offset,
        fixed=False,
        anywhere=bool(_ANYWHERE.of(header.flags)),
        page_size=_PAGE_SIZES[_PAGE_SIZE.of(header.flags)],
        notes=notes,
    )


def _check_flags(content: Content, flags: int) -> None:
    if _RESERVED.of(flags):
        raise content.error(f"flags (at byte 24) are {flags:#x}: bits 4-63 are reserved and must be 0")
    if _BIG_ENDIAN.of(flags):
        raise content.error(
            f"is a big-endian kernel (flags {flags:#x}, bit 0): coldline supports little-endian only"
        )
