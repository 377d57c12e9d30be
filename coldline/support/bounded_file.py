# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a file that may be anything, up to a limit."""

from typing import Final

_PART: Final = 1 << 20


def read_at_most(path: str, most: int) -> bytes | None:
    """The bytes of a file; None if it has more than `most`. Memory is allocated as bytes come.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    found = bytearray()
    with open(path, "rb") as file:
        while part := file.read(_PART):
            found += part
            if len(found) > most:
                return None
    return bytes(found)
