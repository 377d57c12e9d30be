# SPDX-License-Identifier: GPL-2.0-or-later
"""Names the format of files that are not kernels for arm, for error messages."""

import struct
from typing import NamedTuple


class _Magic(NamedTuple):
    offset: int
    magic: bytes
    what: str

    def matches(self, data: memoryview) -> bool:
        return data[self.offset : self.offset + len(self.magic)] == self.magic


_PE = _Magic(0, b"MZ", "a PE file")

_OTHERS = (
    _Magic(0x202, b"HdrS", "an x86 bzImage"),
    _Magic(0x38, b"RSC\x05", "a RISC-V Image"),
    _Magic(0, b"ANDROID!", "an Android boot image"),
    _PE,
)
"""The order matters: a bzImage is also a PE file. Linux Documentation/x86/boot.rst,
Documentation/riscv/boot-image-header.rst (6.1); Android system/tools/mkbootimg, bootimg.h."""

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
    """Return what `data` looks like, as text that follows ``is``, or None if that is unknown.

    It reads no more than the first kilobyte, and does not know the formats that coldline loads.
    """
    if _ELF.matches(data):
        return _identify_elf(data)
    for known in _OTHERS:
        if known.matches(data):
            return f"{known.what}, not a kernel for arm"
    return None


def _identify_elf(data: memoryview) -> str:
    if len(data) < 20:
        return "a truncated ELF file"
    order = ">" if data[5] == _ELF_BIG_ENDIAN else "<"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    return f"{_ELF.what} for {name}, not for arm"
