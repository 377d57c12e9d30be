# SPDX-License-Identifier: GPL-2.0-or-later
"""Images for the boot ROM of STM32MP1 (``.stm32``).

Source: U-Boot tools/stm32image.c (2025.01), struct stm32_header of version 1.
"""

import struct

from coldline.image.content import ContainerParts, Content, Declared

_MAGIC = b"STM2"
_SIZE = 256
_CHECKSUM_AT = 68
_FIELDS = struct.Struct("<I4BII4xI")
"""The checksum, the version (its second highest byte is the major one), the length, the entry, the load address."""

_SUM_PART = 1 << 20


def is_stm32_image(data: memoryview) -> bool:
    """Return whether `data` starts like an STM32 image."""
    return data[:4] == _MAGIC


def open_stm32_image(content: Content) -> ContainerParts:
    """Return the program in an STM32 image, after checking its checksum.

    Raises
    ------
    ImageError
        If it is truncated or corrupt, or its header has another version.
    """
    data = content.data
    if len(data) < _SIZE:
        raise content.error(f"is a truncated STM32 image: it has {len(data)} bytes; its header has {_SIZE}")
    checksum, _, minor, major, _, length, entry, load = _FIELDS.unpack_from(data, _CHECKSUM_AT)
    if major != 1:
        raise content.error(
            f"is an STM32 image of version {major}.{minor} (at byte 72): coldline knows version 1"
        )
    program = data[_SIZE : _SIZE + length]
    if len(program) < length:
        raise content.error(
            f"its STM32 header says {length} bytes (at byte 76), but {len(program)} follow it: truncated"
        )
    found = sum(sum(program[at : at + _SUM_PART]) for at in range(0, length, _SUM_PART)) & 0xFFFFFFFF
    if found != checksum:
        raise content.error(
            f"its STM32 image has checksum {found:#010x}, not {checksum:#010x} as its header says (at byte 68)"
        )
    return ContainerParts(
        kernel=content.inside("STM32 image", program),
        declared=Declared(by="its STM32 header", architecture="arm32", load=load, entry=entry),
        as_declared=True,
    )
