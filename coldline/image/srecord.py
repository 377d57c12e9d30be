# SPDX-License-Identifier: GPL-2.0-or-later
"""Motorola S-records (``.srec``), as the firmware of some boards comes.

Source: Motorola M68000 Family Programmer's Reference Manual (M68000PM/AD), appendix C.
"""

import re

from coldline.image.content import Content, Declared
from coldline.image.hex_records import RecordedMemory, record_bytes, record_lines
from coldline.image.kernel import Kernel

_FORM = "SREC"
_FIRST_LINE = re.compile(rb"S[0-37-9][0-9A-Fa-f]{6,}\s")

_ADDRESS_BYTES = {"0": 2, "1": 2, "2": 3, "3": 4, "5": 2, "6": 3, "7": 4, "8": 3, "9": 2}
_DATA, _START = "123", "789"


def is_srecord(data: memoryview) -> bool:
    """Return whether `data` starts like S-records."""
    return _FIRST_LINE.match(data[:600]) is not None


def parse_srecord(content: Content, declared: Declared | None) -> Kernel:
    """Check all records and return the kernel that they are.

    Raises
    ------
    ImageError
        If a line is not a record, its count or checksum is wrong, records overlap, anything follows the record that
        ends them, or the start address or the architecture is missing.
    """
    memory, entry = RecordedMemory(content), None
    for number, line in record_lines(content, _FORM):
        if entry is not None:
            raise content.error(f"line {number} follows the record that ends its {_FORM}")
        kind = line[1:2]
        if line[0] != "S" or kind not in _ADDRESS_BYTES:
            raise content.error(f"line {number} is not {_FORM}: it starts with '{line[:2]}'")
        record = record_bytes(content, number, line[2:], _FORM)
        width = _ADDRESS_BYTES[kind]
        if len(record) < width + 2 or record[0] != len(record) - 1:
            raise content.error(f"line {number} says that {record[0]} bytes follow, but {len(record) - 1} do")
        if sum(record) & 0xFF != 0xFF:
            right = ~sum(record[:-1]) & 0xFF
            raise content.error(f"line {number} has checksum {record[-1]:#04x}, not {right:#04x}")
        address = int.from_bytes(record[1 : 1 + width], "big")
        if kind in _DATA:
            memory.add(address, record[1 + width : -1], number)
        elif kind in _START:
            entry = address
    return memory.kernel(_FORM, entry, declared)
