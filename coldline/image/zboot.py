# SPDX-License-Identifier: GPL-2.0-or-later
"""EFI zboot images: a small EFI program that contains a compressed kernel.

Source: linux drivers/firmware/efi/libstub/zboot-header.S and Makefile.zboot (6.1).
"""

import struct

from coldline.image.content import ContainerParts, Content, Declared
from coldline.support.printable import one_line

_PE_MAGIC = b"MZ"
_MAGIC = b"zimg"
_MAGIC_AT = 4
_PAYLOAD = struct.Struct("<II")
_PAYLOAD_AT = 8
_COMPRESSION = slice(24, 56)
_HEADER_SIZE = 64

_COMPRESSIONS = {
    "gzip": ("gzip",),
    "lz4": ("lz4 (legacy)", "lz4"),
    "lzma": ("lzma",),
    "lzo": ("lzop",),
    "xzkern": ("xz",),
    "xz": ("xz",),
    "zstd22": ("zstd",),
    "zstd": ("zstd",),
}
"""Codecs by the names of Makefile.zboot."""


def is_zboot(data: memoryview) -> bool:
    """Return whether `data` starts like an EFI zboot image."""
    return data[:2] == _PE_MAGIC and data[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def open_zboot(content: Content) -> ContainerParts:
    """Return the kernel in an EFI zboot image.

    Raises
    ------
    ImageError
        If it is truncated, or its payload is outside the file.
    """
    data = content.data
    if len(data) < _HEADER_SIZE:
        raise content.error(f"has {len(data)} bytes; an EFI zboot image has a header of {_HEADER_SIZE}")
    offset, size = _PAYLOAD.unpack_from(data, _PAYLOAD_AT)
    if offset < _HEADER_SIZE or offset + size > len(data):
        raise content.error(
            f"its payload, {size} bytes (at byte 12) from byte {offset} on (at byte 8), is not inside its "
            f"{len(data)} bytes"
        )
    name = bytes(data[_COMPRESSION]).split(b"\0")[0].decode("latin-1")
    return ContainerParts(
        kernel=content.inside("EFI zboot", data[offset : offset + size]),
        declared=Declared(
            by=f"its EFI zboot header ('{one_line(name)}')",
            compressions=_COMPRESSIONS.get(name),
        ),
    )
