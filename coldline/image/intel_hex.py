# SPDX-License-Identifier: GPL-2.0-or-later
"""Intel HEX files (``.hex``).

Source: Intel Hexadecimal Object File Format Specification, revision A, 1988.
"""

import re

from coldline.image.content import Content, Declared
from coldline.image.hex_records import RecordedMemory, record_bytes, record_lines
from coldline.image.kernel import Kernel

_FORM = "Intel HEX"
_FIRST_LINE = re.compile(rb":[0-9A-Fa-f]{6}0[0-5][0-9A-Fa-f]{2,}\s")

_DATA, _END, _SEGMENT, _START_SEGMENT, _LINEAR, _START_LINEAR = range(6)
_LENGTHS = {_END: 0, _SEGMENT: 2, _START_SEGMENT: 4, _LINEAR: 2, _START_LINEAR: 4}


def is_intel_hex(data: memoryview) -> bool:
    """Return whether `data` starts like Intel HEX."""
    return _FIRST_LINE.match(data[:600]) is not None


def parse_intel_hex(content: Content, declared: Declared | None) -> Kernel:
    """Check all records and return the kernel that they are.

    Raises
    ------
    ImageError
        If a line is not a record, its length or checksum is wrong, records overlap, the last record does not end
        them, or the start address or the architecture is missing.
    """
    memory, entry, base, ended = RecordedMemory(content), None, 0, False
    for number, line in record_lines(content, _FORM):
        if ended:
            raise content.error(f"line {number} follows the record that ends its {_FORM}")
        if line[0] != ":":
            raise content.error(f"line {number} is not {_FORM}: it starts with '{line[:1]}'")
        record = record_bytes(content, number, line[1:], _FORM)
        if len(record) < 5 or record[0] != len(record) - 5:
            has = max(len(record) - 5, 0)
            raise content.error(f"line {number} says that it has {record[0]} data bytes, but has {has}")
        if sum(record) & 0xFF:
            right = -sum(record[:-1]) & 0xFF
            raise content.error(f"line {number} has checksum {record[-1]:#04x}, not {right:#04x}")
        kind, data = record[3], record[4:-1]
        if kind not in (_DATA, *_LENGTHS) or len(data) != _LENGTHS.get(kind, len(data)):
            raise content.error(
                f"line {number} is not {_FORM}: a record of type {kind} with {len(data)} data bytes"
            )
        value = int.from_bytes(data, "big")
        if kind == _DATA:
            memory.add(base + int.from_bytes(record[1:3], "big"), data, number)
        elif kind == _SEGMENT:
            base = value << 4
        elif kind == _LINEAR:
            base = value << 16
        elif kind == _START_LINEAR:
            entry = value
        elif kind == _START_SEGMENT:
            entry = ((value >> 16) << 4) + (value & 0xFFFF)
        else:
            ended = True
    if not ended:
        raise content.error(f"is truncated: its {_FORM} has no record that ends it")
    return memory.kernel(_FORM, entry, declared)
