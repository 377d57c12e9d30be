# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of symbols: which function or object an address is in."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

FARTHEST: Final = 1 << 20
"""How far past a symbol without a size an address may be, in bytes."""


class Symbol(NamedTuple):
    """A symbol.

    Attributes
    ----------
    address, size : int
        Its first byte, as linked, and its bytes; 0 where the size is not known.
    name : str
        Its name.
    section : str
        The name of its section; empty where that is not known.
    """

    address: int
    size: int
    name: str
    section: str = ""


class SymbolPlace(NamedTuple):
    """A place in a symbol: its name, its section, and the offset in bytes."""

    name: str
    section: str
    offset: int

    def __str__(self) -> str:
        return f"{self.name}+{self.offset:#x}"


class SymbolTable:
    """Symbols by address.

    Parameters
    ----------
    symbols : iterable of Symbol
        The symbols. Of several at one address, the one with a size is taken, and else the first.
    """

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        best: dict[int, Symbol] = {}
        for each in symbols:
            known = best.get(each.address)
            if known is None or (each.size > 0 and known.size == 0):
                best[each.address] = each
        self._symbols = [best[address] for address in sorted(best)]
        self._addresses = [each.address for each in self._symbols]

    def __len__(self) -> int:
        return len(self._symbols)

    @property
    def lowest(self) -> int:
        """The lowest address of a symbol."""
        return self._addresses[0]

    def address_of(self, name: str) -> int | None:
        """The address of a symbol; None if there is none of that name."""
        return next((each.address for each in self._symbols if each.name == name), None)

    def at(self, address: int) -> SymbolPlace | None:
        """The place of an address in the symbol before it; None if it is past that symbol's end."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        found = self._symbols[index]
        offset = address - found.address
        if offset >= (found.size or FARTHEST):
            return None
        return SymbolPlace(found.name, found.section, offset)
