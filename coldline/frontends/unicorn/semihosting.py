# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers semihosting calls: the ones that end a program, and the ones that print.

Source: Arm IHI 0059 (Semihosting for AArch32 and AArch64), chapters 3 to 6.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_WRITEC, _WRITE0, _EXIT, _EXIT_EXTENDED = 0x03, 0x04, 0x18, 0x20
_NOT_SUPPORTED: Final = -1
_LONGEST_TEXT: Final = 1 << 16

A64_CALL: Final = 0xD45E0000
"""HLT #0xF000."""

A32_CALL: Final = 0x0F12_3456
"""SVC #0x123456, without its condition."""

T32_CALL: Final = 0xDFAB
"""SVC #0xAB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call does.

    Attributes
    ----------
    result : int
        The value for x0 or r0.
    text : bytes
        What it prints.
    ends : bool
        Whether it ends the program.
    """

    result: int = 0
    text: bytes = b""
    ends: bool = False


def answer_call(operation: int, parameter: int, read: Callable[[int, int], bytes]) -> Answer:
    """Answer a call.

    Parameters
    ----------
    operation : int
        The operation's number, from w0 or r0.
    parameter : int
        x1 or r1.
    read : callable
        Reads bytes at a virtual address: takes the address and the size, and returns no more than that.
    """
    if operation in (_EXIT, _EXIT_EXTENDED):
        return Answer(ends=True)
    if operation == _WRITEC:
        return Answer(text=read(parameter, 1))
    if operation == _WRITE0:
        return Answer(text=_text_at(parameter, read))
    return Answer(result=_NOT_SUPPORTED)


def _text_at(address: int, read: Callable[[int, int], bytes]) -> bytes:
    """Return the text at an address, up to its null byte."""
    text = bytearray()
    while len(text) < _LONGEST_TEXT:
        byte = read(address + len(text), 1)
        if byte in (b"", b"\0"):
            break
        text += byte
    return bytes(text)
