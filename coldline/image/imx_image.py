# SPDX-License-Identifier: GPL-2.0-or-later
"""Images for the boot ROM of i.MX cores (``.imx``), with an image vector table (IVT) at their start.

Source: U-Boot include/imximage.h and tools/imximage.c (2025.01), flash_header_v2_t, boot_data_t; the form of i.MX 5
to 8M. The table's commands for the memory controller (DCD) are not followed.
"""

import struct
from typing import NamedTuple

from coldline.image.content import ContainerParts, Content, Declared

_TAG, _VERSIONS = 0xD1, (0x40, 0x41, 0x42, 0x43)


class _VectorTable(NamedTuple):
    tag: int
    length: int
    version: int
    entry: int
    reserved1: int
    dcd: int
    boot_data: int
    self: int
    csf: int
    reserved2: int


_HEAD = struct.Struct(">BHB")
_REST = struct.Struct("<7I")
_SIZE = _HEAD.size + _REST.size
_BOOT_DATA = struct.Struct("<III")
"""The address of the whole image, its size, and whether it is a plugin."""


def is_imx_image(data: memoryview) -> bool:
    """Return whether `data` starts with an IVT."""
    if len(data) < _HEAD.size:
        return False
    tag, length, version = _HEAD.unpack_from(data)
    return tag == _TAG and length == _SIZE and version in _VERSIONS


def open_imx_image(content: Content) -> ContainerParts:
    """Return what the boot ROM loads of an i.MX image, and where.

    Raises
    ------
    ImageError
        If it is truncated, is a plugin, or its addresses contradict one another.
    """
    data = content.data
    if len(data) < _SIZE:
        raise content.error(f"is a truncated i.MX image: it has {len(data)} bytes; an IVT has {_SIZE}")
    table = _VectorTable(*_HEAD.unpack_from(data), *_REST.unpack_from(data, _HEAD.size))
    at = table.boot_data - table.self
    if not _SIZE <= at <= len(data) - _BOOT_DATA.size:
        raise content.error(
            f"its IVT says that it is at {table.self:#x} (at byte 20) and its boot data at {table.boot_data:#x} "
            f"(at byte 16): that is not inside its {len(data)} bytes"
        )
    start, length, plugin = _BOOT_DATA.unpack_from(data, at)
    if plugin & 1:
        raise content.error(f"is an i.MX plugin (at byte {at + 8}), which a boot ROM calls, not a program")
    size = start + length - table.self
    if start > table.self or size < _SIZE:
        raise content.error(
            f"its i.MX boot data (at byte {at}) are for {length} bytes at {start:#x}, but its IVT is "
            f"at {table.self:#x}"
        )
    return ContainerParts(
        # mkimage rounds the size up, so the file may end before it.
        kernel=content.inside("i.MX image", data[:size]),
        declared=Declared(by="its IVT", load=table.self, entry=table.entry),
        as_declared=True,
    )
