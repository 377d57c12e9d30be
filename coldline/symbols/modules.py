# SPDX-License-Identifier: GPL-2.0-or-later
"""The symbols of a guest that is made of many linked programs, such as EDK2: of each module that is found in memory.

A module's code is compared with what was loaded, for those that run in place, and with memory at the end of the run,
for those that were unpacked or copied.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from coldline.errors import ImageError
from coldline.support.bounded_file import read_at_most
from coldline.symbols.copies import MemoryRanges
from coldline.symbols.program import read_program
from coldline.symbols.symbols import LoadedRange, SourcePlace, Symbols
from coldline.symbols.table import SymbolPlace, SymbolTable

_MOST_FILES: Final = 100_000
"""The most files of a folder, with those below it; a folder with more is an error."""

_MOST_BYTES: Final = 1 << 32
"""The most bytes of all modules; a folder with more is an error."""

_HEAD: Final = 20
_LINKED: Final = (2, 3)
_ARM: Final = (40, 183)
"""Values of e_type, ET_EXEC and ET_DYN, and of e_machine, EM_ARM and EM_AARCH64 (gABI, 'ELF Header')."""


class Modules(Symbols):
    """The symbols of many programs, each where it is found.

    Parameters
    ----------
    members : sequence of Symbols
        The programs.
    """

    def __init__(self, members: Sequence[Symbols]) -> None:
        super().__init__(SymbolTable([]), SymbolTable([]), None, {}, copies_alone=True)
        self._members = list(members)

    @property
    def is_of_a_program(self) -> bool:
        """See `Symbols.is_of_a_program`."""
        return any(each.is_of_a_program for each in self._members)

    @property
    def has_places(self) -> bool:
        """Whether any module was found."""
        return any(each.has_places for each in self._members)

    def find_copies(self, memory: MemoryRanges) -> None:
        """See `Symbols.find_copies`."""
        for each in self._members:
            each.find_copies(memory)

    def code(self, virtual: int, physical: int) -> SourcePlace | None:
        """See `Symbols.code`."""
        places = (each.code(virtual, physical) for each in self._members)
        return next((place for place in places if place is not None), None)

    def data(self, physical: int) -> SymbolPlace | None:
        """See `Symbols.data`."""
        places = (each.data(physical) for each in self._members)
        return next((place for place in places if place is not None), None)

    def addresses_of(self, function: str) -> tuple[int, ...]:
        """The addresses of a function's first instruction in each module that has it, where the module was found."""
        found = (address for each in self._members for address in each.addresses_of(function)[1:])
        return tuple(dict.fromkeys(found))


def read_modules(folder: str, loaded: Sequence[LoadedRange], *, source_prefix: str = "") -> Modules:
    """Read the symbols of each linked ELF file for Arm in a folder and below it; other files are left out.

    Parameters
    ----------
    folder : str
        The folder, such as EDK2's ``Build``.
    loaded : sequence of LoadedRange
        What was loaded, in which modules are searched at once.
    source_prefix : str
        What is removed from the beginning of the paths of source files.

    Raises
    ------
    ImageError
        If the folder has no such file with symbols, or too many files.
    MissingDependencyError
        If pyelftools is not installed.
    """
    members: list[Symbols] = []
    known: set[bytes] = set()
    left = _MOST_BYTES
    for path in _linked_files(folder):
        try:
            data = read_at_most(path, left)
        except OSError:
            continue
        if data is None:
            raise ImageError(folder, f"has modules of more than {_MOST_BYTES:,} bytes")
        digest = hashlib.sha256(data).digest()
        if digest in known:  # EDK2 has each twice, as .dll and as .debug
            continue
        known.add(digest)
        left -= len(data)
        try:
            program = read_program(path, data)
        except ImageError:
            continue  # stripped, or broken
        members.append(
            Symbols(program.functions, program.objects, program, {}, source_prefix, copies_alone=True)
        )
    if not members:
        raise ImageError(folder, "has no linked ELF file for Arm with symbols")
    found = Modules(members)
    found.find_copies([(each.address, bytes(each.data)) for each in loaded])
    return found


def _linked_files(folder: str) -> Iterator[str]:
    """The linked ELF files for Arm in a folder and below it, by name; links to folders are not followed."""
    seen = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            seen += 1
            if seen > _MOST_FILES:
                raise ImageError(folder, f"has more than {_MOST_FILES:,} files")
            path = os.path.join(place, name)
            if os.path.isfile(path) and _is_linked(path):
                yield path


def _is_linked(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if len(head) < _HEAD or head[:4] != b"\x7fELF":
        return False
    kind, machine = struct.unpack_from("<HH", head, 16)
    return kind in _LINKED and machine in _ARM
