# SPDX-License-Identifier: GPL-2.0-or-later
"""The header of a 32-bit arm zImage.

Source: linux arch/arm/boot/compressed/head.S and vmlinux.lds.S (6.1); Documentation/arm/booting.rst, section 5;
where it is loaded: xen tools/libs/guest/xg_dom_armzimageloader.c (4.17).
"""

import struct
from typing import NamedTuple

from coldline.image.content import Content
from coldline.image.kernel import Kernel, KernelPiece

_MAGIC = 0x016F2818
_MAGIC_AT = 0x24
_LOAD_OFFSET = 0x8000
"""Bytes from the start of RAM: booting.rst, section 5, and Xen."""

_NATIVE = 0x04030201
_SWAPPED = 0x01020304
"""The endianness word: one that was written by a big-endian kernel reads the other way. Before 3.17 it is code."""

_ADDRESSES = 1 << 32


class _Header(NamedTuple):
    magic: int
    start: int
    end: int
    endianness: int


_LITTLE, _BIG = struct.Struct("<IIII"), struct.Struct(">IIII")


def is_zimage(data: memoryview) -> bool:
    """Whether `data` has the magic number of a zImage, in either byte order."""
    word = data[_MAGIC_AT : _MAGIC_AT + 4]
    return len(word) == 4 and _MAGIC in (int.from_bytes(word, "little"), int.from_bytes(word, "big"))


def parse_zimage(content: Content) -> Kernel:
    """Check the header of a zImage.

    One whose start is 0 runs wherever it is; another has to be loaded at its start.

    Raises
    ------
    ImageError
        If it is cut off, is for a big-endian kernel, or has a start and an end that its bytes cannot lie between.
    """
    data = content.data
    if len(data) < _MAGIC_AT + _LITTLE.size:
        raise content.error(
            f"has {len(data)} bytes; an arm zImage has a header that ends at {_MAGIC_AT + _LITTLE.size}"
        )
    if _BIG.unpack_from(data, _MAGIC_AT)[0] == _MAGIC:
        raise content.error(f"is a big-endian zImage (its magic number, at byte {_MAGIC_AT:#x}, is)")
    header = _Header._make(_LITTLE.unpack_from(data, _MAGIC_AT))
    if header.endianness == _SWAPPED:
        raise content.error("is a big-endian zImage (its endianness word, at byte 0x30, is)")
    size = header.end - header.start
    at = f"its zImage's start (at byte 0x28) is {header.start:#x} and end (at byte 0x2c) {header.end:#x}"
    if size < _MAGIC_AT + _LITTLE.size:
        raise content.error(f"{at}: not even the header is between them")
    if size > len(data):
        raise content.error(f"{at}: {size} bytes are between them, but the zImage has {len(data)}")
    if header.start % 4:
        raise content.error(f"{at}: start is off a word")
    if header.start + len(data) > _ADDRESSES:
        raise content.error(f"{at}: with its {len(data)} bytes it passes the end of a 32-bit address space")
    notes = []
    if header.endianness != _NATIVE:
        notes.append("its zImage header does not tell its endianness: taken as little-endian")
    if size < len(data):
        notes.append(f"{len(data) - size} bytes follow its zImage")
    address = header.start or _LOAD_OFFSET
    return Kernel(
        path=content.path,
        architecture="arm32",
        format="zImage",
        layers=content.layers,
        pieces=(KernelPiece(address, data, len(data)),),
        entry=address,
        fixed=bool(header.start),
        notes=tuple(notes),
    )
