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
"""Values of the endianness word; a big-endian kernel's reads swapped. Before 3.17 there is code in its place."""

_ADDRESSES = 1 << 32


class _Header(NamedTuple):
    magic: int
    start: int
    end: int
    endianness: int


_LITTLE, _BIG = struct.Struct("<IIII"), struct.Struct(">IIII")


def is_zimage(data: memoryview) -> bool:
    """Return whether `data` has the magic number of a zImage, in either byte order."""
    word = data[_MAGIC_AT : _MAGIC_AT + 4]
    return len(word) == 4 and _MAGIC in (int.from_bytes(word, "little"), int.from_bytes(word, "big"))


def parse_zimage(content: Content) -> Kernel:
    """Check the header of a zImage and return its kernel.

    A zImage with start 0 runs at any address; any other must be loaded at its start.

    Raises
    ------
    ImageError
        If it is truncated, is for a big-endian kernel, or its start and end do not fit its size.
    """
    data = content.data
    if len(data) < _MAGIC_AT + _LITTLE.size:
        raise content.error(
            f"has {len(data)} bytes; an arm zImage has a header that ends at {_MAGIC_AT + _LITTLE.size}"
        )
    if _BIG.unpack_from(data, _MAGIC_AT)[0] == _MAGIC:
        raise content.error(f"is a big-endian zImage (by its magic number, at byte {_MAGIC_AT:#x})")
    header = _Header._make(_LITTLE.unpack_from(data, _MAGIC_AT))
    if header.endianness == _SWAPPED:
        raise content.error("is a big-endian zImage (by its endianness word, at byte 0x30)")
    size = header.end - header.start
    at = f"its zImage's start (at byte 0x28) is {header.start:#x} and end (at byte 0x2c) {header.end:#x}"
    if size < _MAGIC_AT + _LITTLE.size:
        raise content.error(f"{at}: the header does not fit between them")
    if size > len(data):
        raise content.error(f"{at}: {size} bytes are between them, but the zImage has {len(data)}")
    if header.start % 4:
        raise content.error(f"{at}: start is not word-aligned")
    if header.start + len(data) > _ADDRESSES:
        raise content.error(f"{at}: with its {len(data)} bytes it passes the end of a 32-bit address space")
    notes = []
    if header.endianness != _NATIVE:
        notes.append("its zImage header has no endianness: little-endian is assumed")
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
