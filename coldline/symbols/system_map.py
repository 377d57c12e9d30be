# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a System.map: the symbols of a Linux kernel, in text."""

import re
from typing import Final

from coldline.errors import ImageError
from coldline.symbols.table import Symbol, SymbolTable

_LINE = re.compile(rb"([0-9a-f]{8}|[0-9a-f]{16}) ([A-Za-z?]) (\S{1,1000})")
_TEXT: Final = b"tTwW"
_DATA: Final = b"bBdDrRgGsSvV"
_LEAST: Final = 16
"""The fewest functions of a System.map; Debian's packages have one with a line that says where the real one is."""


def is_system_map(data: bytes) -> bool:
    """Whether a file begins as a System.map does."""
    return _LINE.fullmatch(data[:2000].split(b"\n")[0]) is not None


def read_system_map(path: str, data: bytes) -> tuple[SymbolTable, SymbolTable]:
    """Read the functions and the objects of a System.map.

    Raises
    ------
    ImageError
        If a line is none of a System.map's, or it has no symbols.
    """
    functions, objects = [], []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.rstrip(b"\r"))
        if found is None:
            raise ImageError(path, f"line {number} is not 'ADDRESS TYPE NAME', as a System.map has them")
        symbol = Symbol(int(found[1], 16), 0, found[3].decode("ascii", "backslashreplace"))
        if found[2] in _TEXT:
            functions.append(symbol)
        elif found[2] in _DATA:
            objects.append(symbol)
    if len(functions) < _LEAST:
        raise ImageError(path, f"is no complete System.map: it has {len(functions)} functions")
    return SymbolTable(functions), SymbolTable(objects)
