# SPDX-License-Identifier: GPL-2.0-or-later
"""The record through which compiled code and Python share data: numbers, and arrays by their addresses.

A package declares the fields that its compiled functions use as a tuple of `Fields`. A program that is made of
several packages composes its record of their groups: Numba knows the fields of a record by name, so each function
works on any record that has the fields that it uses. Needs neither NumPy nor Numba, whose import would delay an
emulator's start.
"""

import ctypes
import mmap
from typing import Any

from coldline.support.zeroed_memory import zeros

Fields = tuple[tuple[str, Any], ...]
"""A group of fields: names, and types of ctypes."""

WORD = ctypes.c_uint64
"""The type of a number, or of an address of this process."""


def address_of(buffer: bytearray | memoryview | mmap.mmap) -> int:
    """Return the address of writable bytes."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def words(*names: str) -> Fields:
    """Make a group of numbers."""
    return tuple((name, WORD) for name in names)


def record_of(*groups: Fields) -> type[ctypes.Structure]:
    """Make the type of a record that has the fields of all `groups`."""
    return type("Record", (ctypes.Structure,), {"_fields_": [field for group in groups for field in group]})


class SharedRecord:
    """A record of numbers, and the arrays that it has the addresses of, kept alive together.

    Parameters
    ----------
    kind : type
        A type from `record_of`.
    """

    def __init__(self, kind: type[ctypes.Structure]) -> None:
        self._record = kind()
        self._arrays: dict[str, bytearray | mmap.mmap] = {}

    @property
    def pointer(self) -> int:
        """The address of the record."""
        return ctypes.addressof(self._record)

    def address(self, name: str) -> int:
        """Return the address of a field."""
        return self.pointer + int(getattr(type(self._record), name).offset)

    def __getitem__(self, name: str) -> int:
        return int(getattr(self._record, name))

    def __setitem__(self, name: str, value: int) -> None:
        setattr(self._record, name, value)

    def item(self, name: str, index: int) -> int:
        """Return an element of a field that is an array in the record itself."""
        return int(getattr(self._record, name)[index])

    def set_item(self, name: str, index: int, value: int) -> None:
        """Set such an element."""
        getattr(self._record, name)[index] = value

    def array(self, name: str) -> "bytearray | mmap.mmap":
        """Return the array whose address is in a field."""
        return self._arrays[name]

    def use(self, name: str, array: "bytearray | mmap.mmap | None") -> None:
        """Put the address of an array into a field; 0 for None."""
        if array is None:
            self._arrays.pop(name, None)
            self[name] = 0
        else:
            self._arrays[name] = array
            self[name] = address_of(array)

    def allocate(self, name: str, size: int) -> None:
        """Put the address of `size` zeroed bytes into a field."""
        self.use(name, zeros(size))
