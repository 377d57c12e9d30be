# SPDX-License-Identifier: GPL-2.0-or-later
"""U-Boot's legacy image format, uImage, with one file or several: a kernel, a program, or U-Boot itself (u-boot.img).

Source: U-Boot include/image.h and boot/image.c (2023.01); where SPL puts U-Boot: common/spl/spl_legacy.c (2025.01).
"""

import struct
import zlib
from typing import NamedTuple

from coldline.image.content import ContainerParts, Content, Declared
from coldline.support.printable import one_line

_MAGIC = 0x27051956


class _Header(NamedTuple):
    magic: int
    header_crc: int
    time: int
    size: int
    load: int
    entry: int
    data_crc: int
    os: int
    architecture: int
    type: int
    compression: int
    name: bytes


_LAYOUT = struct.Struct(">7I4B32s")
_HEADER_CRC = slice(4, 8)

_ARCHITECTURES = {2: "arm32", 22: "arm64"}
_STANDALONE, _KERNEL, _MULTI, _FIRMWARE, _KERNEL_NOLOAD = 1, 2, 4, 5, 14
_OTHER_TYPES = {
    3: "a ramdisk: give it with --initrd",
    6: "a script for U-Boot",
    7: "a file system",
    8: "a device tree: give it with --dtb-only",
    31: "OP-TEE or another trusted OS, which runs in Secure state",
    32: "a signed U-Boot for i.MX, with an IVT in it: give u-boot.bin or uboot.elf",
}
_U_BOOT = 17
"""IH_OS_U_BOOT."""

_COMPRESSIONS: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("gzip",),
    2: ("bzip2",),
    3: ("lzma",),
    4: ("lzop",),
    5: ("lz4", "lz4 (legacy)"),
    6: ("zstd",),
}

_WORD = struct.Struct(">I")
_MAX_FILES = 3
"""A kernel, an initrd, a device tree: U-Boot boot/bootm.c uses no more."""


def is_uimage(data: memoryview) -> bool:
    """Return whether `data` starts like a uImage."""
    return data[:4] == _WORD.pack(_MAGIC)


def open_uimage(content: Content) -> ContainerParts:
    """Return the content of a uImage, after checking its two checksums.

    Raises
    ------
    ImageError
        If it is truncated or corrupt, or does not contain a kernel, a program or firmware for arm.
    """
    header, data = _read(content)
    if header.type not in (_STANDALONE, _KERNEL, _KERNEL_NOLOAD, _MULTI, _FIRMWARE):
        what = _OTHER_TYPES.get(header.type, "not a kernel or firmware")
        raise content.error(f"is a uImage of type {header.type} (at byte 30), {what}")
    if header.architecture not in _ARCHITECTURES:
        raise content.error(
            f"is a uImage for architecture {header.architecture} (at byte 29), which is not arm"
        )
    if header.compression not in _COMPRESSIONS:
        raise content.error(f"is a uImage of unknown compression {header.compression} (at byte 31)")
    files = _split(content, data) if header.type == _MULTI else [data]
    files += [data[:0]] * (_MAX_FILES - len(files))
    kernel, initrd, device_tree = files
    placed = header.type != _KERNEL_NOLOAD
    name = one_line(header.name.split(b"\0")[0].decode("utf-8", "replace"))
    return ContainerParts(
        kernel=content.inside("uImage", kernel),
        declared=Declared(
            by="its uImage header",
            architecture=_ARCHITECTURES[header.architecture],
            compressions=_COMPRESSIONS[header.compression] or None,
            load=header.load if placed else None,
            entry=header.entry if placed else None,
        ),
        as_declared=header.os == _U_BOOT and not header.compression,
        initrd=initrd or None,
        device_tree=device_tree or None,
        notes=(f"its uImage is called '{name}'",) if name else (),
    )


def _read(content: Content) -> tuple[_Header, memoryview]:
    whole = content.data
    if len(whole) < _LAYOUT.size:
        raise content.error(f"has {len(whole)} bytes; a uImage has a header of {_LAYOUT.size}")
    header = _Header._make(_LAYOUT.unpack_from(whole))
    checked = bytearray(whole[: _LAYOUT.size])
    checked[_HEADER_CRC] = bytes(4)
    if (crc := zlib.crc32(checked)) != header.header_crc:
        raise content.error(
            f"its uImage header has checksum {crc:#010x}, not {header.header_crc:#010x} as it says (at byte 4)"
        )
    data = whole[_LAYOUT.size : _LAYOUT.size + header.size]
    if len(data) < header.size:
        raise content.error(
            f"its uImage header says {header.size} bytes (at byte 12), but {len(data)} follow it: truncated"
        )
    if (crc := zlib.crc32(data)) != header.data_crc:
        raise content.error(
            f"its uImage data has checksum {crc:#010x}, not {header.data_crc:#010x} as its header says (at byte 24)"
        )
    return header, data


def _split(content: Content, data: memoryview) -> list[memoryview]:
    """Split a multi-file image: a list of sizes that a 0 ends, then the files, each word-aligned."""
    sizes: list[int] = []
    position = 0
    while True:
        if position + _WORD.size > len(data):
            raise content.error("its list of files (from byte 64 on) does not end")
        (size,) = _WORD.unpack_from(data, position)
        position += _WORD.size
        if size == 0:
            break
        if len(sizes) == _MAX_FILES:
            raise content.error(f"has more than {_MAX_FILES} files: a kernel, an initrd and a device tree")
        sizes.append(size)
    if not sizes:
        raise content.error("has no files in it (at byte 64)")
    files: list[memoryview] = []
    for size in sizes:
        if size > len(data) - position:
            raise content.error(
                f"file {len(files)} of it, {size} bytes from byte {_LAYOUT.size + position} on, passes its end"
            )
        files.append(data[position : position + size])
        position += -(-size // _WORD.size) * _WORD.size
    return files
