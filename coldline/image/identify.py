# SPDX-License-Identifier: GPL-2.0-or-later
"""What a file is that is not an arm64 Image, so that its refusal can say so."""

import struct
from typing import NamedTuple


class _Magic(NamedTuple):
    offset: int
    magic: bytes
    what: str

    def matches(self, data: memoryview) -> bool:
        return data[self.offset : self.offset + len(self.magic)] == self.magic


_LATER = "not supported yet by coldline; decompress it first"

_COMPRESSED = (
    _Magic(0, b"\xfd7zXZ\x00", "xz"),
    _Magic(0, b"BZh", "bzip2"),
    _Magic(0, b"\x28\xb5\x2f\xfd", "zstd"),
    _Magic(0, b"\x04\x22\x4d\x18", "lz4"),
    _Magic(0, b"\x02\x21\x4c\x18", "lz4 (legacy)"),
    _Magic(0, b"\x89LZO\x00\r\n\x1a\n", "lzop"),
    _Magic(0, b"\x5d\x00\x00", "lzma"),
)
"""linux lib/decompress.c and scripts/Makefile.lib (6.1); lz4 frames: lz4 doc/lz4_Frame_format.md."""

_PE = _Magic(0, b"MZ", "a PE file")

_OTHERS = (
    _Magic(0x202, b"HdrS", "an x86 bzImage"),
    _Magic(0x24, struct.pack("<I", 0x016F2818), "a 32-bit arm zImage"),
    _Magic(0x24, struct.pack(">I", 0x016F2818), "a big-endian 32-bit arm zImage"),
    _Magic(0x38, b"RSC\x05", "a RISC-V Image"),
    _Magic(0, struct.pack(">I", 0x27051956), "a U-Boot uImage"),
    _Magic(0, struct.pack(">I", 0xD00DFEED), "a flattened device tree (a dtb or a FIT image)"),
    _PE,
)
"""In this order: a bzImage is a PE file too. Linux Documentation/x86/boot.rst,
arch/arm/boot/compressed/head.S, Documentation/riscv/boot-image-header.rst (6.1); U-Boot include/image.h;
Devicetree Specification 0.4, 5.2."""

_ZBOOT = _Magic(4, b"zimg", "an EFI zboot image")
_ZBOOT_COMPRESSION = slice(24, 32)
"""Linux drivers/firmware/efi/libstub/zboot-header.S (6.1): a NUL-terminated name."""

_ELF = _Magic(0, b"\x7fELF", "an ELF file")
_ELF_BIG_ENDIAN = 2
_ELF_MACHINES = {
    2: "sparc",
    3: "x86",
    8: "mips",
    20: "powerpc",
    21: "powerpc64",
    22: "s390",
    40: "32-bit arm",
    62: "x86-64",
    183: "arm64",
    243: "risc-v",
    258: "loongarch",
}
"""e_machine: System V gABI, chapter 4; the registry of machines."""


def identify(data: memoryview) -> str | None:
    """What `data` looks like, as words that follow ``is``; None where nothing is known of it.

    Looks at no more than the first kilobyte. An arm64 Image is not among what it knows.
    """
    if _ELF.matches(data):
        return _identify_elf(data)
    if _PE.matches(data) and _ZBOOT.matches(data):
        name = bytes(data[_ZBOOT_COMPRESSION]).split(b"\0")[0].decode("ascii", "replace")
        printable = name if name.isprintable() and name else "an unknown method"
        return f"{_ZBOOT.what} compressed with {printable}: {_LATER}"
    for known in _COMPRESSED:
        if known.matches(data):
            return f"compressed with {known.what}: {_LATER}"
    for known in _OTHERS:
        if known.matches(data):
            return f"{known.what}, not an arm64 Image"
    return None


def _identify_elf(data: memoryview) -> str:
    if len(data) < 20:
        return "a truncated ELF file, not an arm64 Image"
    order = ">" if data[5] == _ELF_BIG_ENDIAN else "<"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    return f"{_ELF.what} for {name}, not an arm64 Image"
