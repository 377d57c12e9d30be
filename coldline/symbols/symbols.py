# SPDX-License-Identifier: GPL-2.0-or-later
"""The symbols of a guest: from the addresses of a run to functions, objects and source lines.

A guest's code is at its physical address as it was loaded, whatever virtual address it runs at. So an address in what
was loaded is looked up by its place there; another one by its virtual address, as linked.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.errors import ImageError
from coldline.support.bounded_file import read_at_most
from coldline.symbols.copies import MemoryRanges, find_copies
from coldline.symbols.program import Program, read_program
from coldline.symbols.system_map import is_system_map, read_system_map
from coldline.symbols.table import SymbolPlace, SymbolTable

_MAX_FILE: Final = 1 << 32
"""The most bytes of a file of symbols; a longer file is an error."""

_COMPARED: Final = 1 << 20
"""The bytes of each section of code that are compared with what was loaded."""

_ALIKE: Final = 0.9
"""The part of its words that must be equal: U-Boot's build relocates its binary, and not its ELF file."""

_NOTE: Final = b"\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"
"""What comes before a build-id of 20 bytes, after its name's size (gABI, 'Note Section')."""

_ADDRESSES: Final = (1 << 64) - 1

_TEXT_START: Final = ("_text", "_stext", "stext")


class LoadedRange(NamedTuple):
    """A range of the guest's memory that was loaded: its first address, its bytes, and the bytes that it occupies."""

    address: int
    data: bytes | memoryview
    size: int


class SourcePlace(NamedTuple):
    """The place of an instruction.

    Attributes
    ----------
    function : str
        The function and the offset in it, such as ``start+0x1c``.
    path : str
        The source file, without the prefix that is to be removed; empty if it is not known.
    line : int
        The line in it, or 0.
    inlined : tuple of str
        The functions that are inlined there, the innermost first, whose line it is.
    """

    function: str
    path: str = ""
    line: int = 0
    inlined: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.path:
            return self.function
        inlined = "".join(f", inlined {name}" for name in reversed(self.inlined))
        return f"{self.function}{inlined} ({self.path.rpartition('/')[2]}:{self.line})"


class Symbols:
    """The symbols of a guest.

    Parameters
    ----------
    functions, objects : SymbolTable
        The symbols, at addresses as linked.
    program : Program or None
        The program that has the source lines, if any.
    loaded_at : dict of int to tuple of int
        For the first physical address of each part that was loaded: its size, and its first address as linked.
    source_prefix : str
        What is removed from the beginning of paths.
    moved_by : int
        What a program that copies itself elsewhere adds to its addresses as linked; 0 if it does not.
    copies_alone : bool
        Whether code has names only where the program was loaded or found, and not at its addresses as linked.
    """

    def __init__(
        self,
        functions: SymbolTable,
        objects: SymbolTable,
        program: Program | None,
        loaded_at: dict[int, tuple[int, int]],
        source_prefix: str = "",
        moved_by: int = 0,
        *,
        copies_alone: bool = False,
    ) -> None:
        self._moved_by = moved_by
        self._copies_alone = copies_alone
        self._functions, self._objects, self._program = functions, objects, program
        self._loaded_at = loaded_at
        self._prefix = source_prefix

    @property
    def is_of_a_program(self) -> bool:
        """Whether its code is known, so that copies of it can be found."""
        return self._program is not None and bool(self._program.code)

    @property
    def has_places(self) -> bool:
        """Whether it is known where a part of the program is."""
        return bool(self._loaded_at)

    def find_copies(self, memory: MemoryRanges) -> None:
        """Have places named in copies of the code that are in memory, too, by their physical addresses."""
        if self._program is None:
            return
        for moved_by in find_copies(self._program, memory):
            for part in self._program.parts:
                self._loaded_at.setdefault(part.physical + moved_by, (part.size, part.virtual))

    def code(self, virtual: int, physical: int) -> SourcePlace | None:
        """The place of an instruction; None if no function has it."""
        linked = self._linked(physical)
        address = virtual if linked is None else linked
        found = None if linked is None and self._copies_alone else self._functions.at(address)
        if found is None and self._moved_by:
            address = virtual - self._moved_by & _ADDRESSES
            found = self._functions.at(address)
        if found is None:
            return None
        source = self._program.source_line(address) if self._program is not None else None
        if source is None:
            return SourcePlace(str(found))
        path = source.path
        if self._prefix and path.startswith(self._prefix):
            path = path.removeprefix(self._prefix).lstrip("/")
        inlined = tuple(self._program.inlined(address)) if self._program is not None else ()
        return SourcePlace(str(found), path, source.line, inlined)

    def data(self, physical: int) -> SymbolPlace | None:
        """The object or the function that a byte of memory is in; None if none has it."""
        linked = self._linked(physical)
        if linked is None:
            if not self._moved_by:
                return None
            linked = physical - self._moved_by & _ADDRESSES
        return self._objects.at(linked) or self._functions.at(linked)

    def addresses_of(self, function: str) -> tuple[int, ...]:
        """The addresses of a function's first instruction: as linked, and where it was loaded; none without it."""
        linked = self._functions.address_of(function)
        if linked is None:
            return ()
        loaded = (
            linked - first + start
            for start, (size, first) in self._loaded_at.items()
            if first <= linked < first + size
        )
        moved = (linked + self._moved_by & _ADDRESSES,) if self._moved_by else ()
        return tuple(dict.fromkeys((linked, *loaded, *moved)))

    def _linked(self, physical: int) -> int | None:
        for start, (size, linked) in self._loaded_at.items():
            if start <= physical < start + size:
                return linked + physical - start
        return None


def read_symbols(
    path: str,
    loaded: Sequence[LoadedRange],
    *,
    packed: bool,
    source_prefix: str = "",
    moved_by: int = 0,
    in_memory: bool = False,
) -> Symbols:
    """Read the symbols of a guest from a linked ELF file or a System.map.

    Parameters
    ----------
    path : str
        The file.
    loaded : sequence of LoadedRange
        The guest's code as it was loaded.
    packed : bool
        Whether the code unpacks itself, so that what was loaded says nothing about the file.
    source_prefix : str
        What is removed from the beginning of the paths of source files.
    moved_by : int
        See `Symbols`.
    in_memory : bool
        Whether the program is part of what was loaded in another form, and has to be found in memory later, by
        `Symbols.find_copies`.

    Raises
    ------
    ImageError
        If it cannot be read, has no symbols, or is not of what was loaded.
    MissingDependencyError
        If pyelftools is not installed.
    """
    try:
        data = read_at_most(path, _MAX_FILE)
    except OSError as error:
        raise ImageError(path, error.strerror or str(error)) from None
    if data is None:
        raise ImageError(path, f"has more than {_MAX_FILE:,} bytes")
    if data[:4] == b"\x7fELF":
        program = read_program(path, data)
        places = {} if packed or in_memory else _match(program, loaded)
        return Symbols(
            program.functions,
            program.objects,
            program,
            places,
            source_prefix,
            moved_by,
            copies_alone=in_memory,
        )
    if is_system_map(data) and in_memory:
        raise ImageError(path, "is a System.map, which has no code to find in memory")
    if is_system_map(data):
        functions, objects = read_system_map(path, data)
        starts = (functions.address_of(name) for name in _TEXT_START)
        start = next((each for each in starts if each is not None), None)
        places = {}
        if loaded and start is not None and not packed:
            places = {loaded[0].address: (loaded[0].size, start)}
        return Symbols(functions, objects, None, places, source_prefix, moved_by)
    raise ImageError(path, "is neither an ELF file nor a System.map")


def _match(program: Program, loaded: Sequence[LoadedRange]) -> dict[int, tuple[int, int]]:
    """Where the parts of a program were loaded.

    Raises
    ------
    ImageError
        If they were not: the program is another one.
    """
    build_ids = {each for part in loaded for each in _build_ids(bytes(part.data))}
    if program.build_id and build_ids and program.build_id not in build_ids:
        known = ", ".join(sorted(each.hex() for each in build_ids))
        own = program.build_id.hex()
        raise ImageError(
            program.path, f"has build-id {own}, and what was loaded has {known}: it is another program"
        )
    starts = [*(each.physical for each in program.parts), *(each.physical for each in program.code)]
    for part in loaded:
        for base in dict.fromkeys((*(part.address - start for start in starts), 0)):
            if _is_there(program, part, base):
                return {each.physical + base: (each.size, each.virtual) for each in program.parts}
    raise ImageError(program.path, "is another program than what was loaded: its code is not there")


def _is_there(program: Program, loaded: LoadedRange, base: int) -> bool:
    """Whether the code of a program is in what was loaded, if its physical addresses are moved by `base`."""
    compared = same = 0
    for part in program.code:
        offset = part.physical + base - loaded.address
        wanted = part.data[:_COMPARED]
        found = bytes(loaded.data[offset : offset + len(wanted)]) if offset >= 0 else b""
        if len(found) < len(wanted):
            return False
        words = [(one, other) for one, other in zip(_words(wanted), _words(found), strict=True) if one]
        compared += len(words)
        same += sum(one == other for one, other in words)
    return compared > 0 and same >= _ALIKE * compared


def _words(data: bytes) -> memoryview:
    return memoryview(data[: len(data) & ~3]).cast("I")


def _build_ids(data: bytes) -> list[bytes]:
    found = []
    at = data.find(_NOTE)
    while at >= 0:
        found.append(data[at + len(_NOTE) : at + len(_NOTE) + 20])
        at = data.find(_NOTE, at + 1)
    return found
