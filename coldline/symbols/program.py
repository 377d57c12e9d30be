# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the symbols, the build-id and the debugging information of a linked ELF file.

The file may be anything: whatever pyelftools raises at a broken one is an `ImageError`.
"""

import io
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from coldline.errors import ImageError, MissingDependencyError
from coldline.symbols.lines import SourceLine, SourceLines
from coldline.symbols.table import Symbol, SymbolTable

_FUNC, _OBJECT, _NOTYPE = 2, 1, 0
_EXECUTABLE, _ALLOCATED = 4, 2
_MOST_SYMBOLS: Final = 10_000_000
_MOST_SECTIONS: Final = 100_000

_BROKEN: Final = (
    *(
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        AssertionError,
        struct.error,
        OverflowError,
    ),
    *(RecursionError, EOFError, NotImplementedError, OSError, MemoryError),
)
"""What pyelftools raises at a broken file, besides its own exceptions."""

_T = TypeVar("_T")


class LoadedPart(NamedTuple):
    """A part of a program that is loaded.

    Attributes
    ----------
    virtual, physical : int
        The addresses of its first byte, as linked.
    size : int
        The bytes that it occupies.
    """

    virtual: int
    physical: int
    size: int


class CodePart(NamedTuple):
    """A section of code: the physical address of its first byte, as linked, and its bytes."""

    physical: int
    data: bytes


class Program(NamedTuple):
    """What a linked program says of its addresses.

    Attributes
    ----------
    path : str
        The file.
    functions, objects : SymbolTable
        Its symbols of code and of data.
    parts : list of LoadedPart
        What is loaded, by physical address.
    code : list of CodePart
        Its code.
    build_id : bytes
        Its build-id; empty if it has none.
    lines : SourceLines or None
        Its source lines; None if it has no DWARF.
    """

    path: str
    functions: SymbolTable
    objects: SymbolTable
    parts: list[LoadedPart]
    code: list[CodePart]
    build_id: bytes
    lines: SourceLines | None

    def source_line(self, address: int) -> SourceLine | None:
        """The source line of an instruction, as linked; None if it is not known.

        Raises
        ------
        ImageError
            If the debugging information is broken.
        """
        lines = self.lines
        if lines is None:
            return None
        return _guarded(self.path, "debugging information", lambda: lines.at(address))

    def inlined(self, address: int) -> list[str]:
        """The functions that are inlined at an instruction, as linked, the innermost first.

        Raises
        ------
        ImageError
            If the debugging information is broken.
        """
        lines = self.lines
        if lines is None:
            return []
        return _guarded(self.path, "debugging information", lambda: lines.inlined(address))


def read_program(path: str, data: bytes) -> Program:
    """Read a linked ELF file for Arm.

    Raises
    ------
    ImageError
        If it is broken, for another architecture, not linked, or has no symbols.
    MissingDependencyError
        If pyelftools is not installed.
    """
    try:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import Section
    except ImportError as error:
        raise MissingDependencyError(f"{path}: symbols need elftools: install coldline[symbols]") from error

    class File(ELFFile):  # type: ignore[misc]
        """A file whose hash table is not looked into: U-Boot's is of no symbol table, which pyelftools refuses."""

        def _make_elf_hash_section(self, header: Any, name: str) -> Any:
            return Section(header, name, self)

    return _guarded(path, "ELF file", lambda: _read(path, File(io.BytesIO(data))))


def _guarded(path: str, what: str, read: Callable[[], _T]) -> _T:
    from elftools.common.exceptions import DWARFError, ELFError
    from elftools.construct import ConstructError

    try:
        return read()
    except (ELFError, DWARFError, ConstructError, *_BROKEN) as error:
        raise ImageError(path, f"has a broken {what}: {error or type(error).__name__}") from None


def _read(path: str, file: Any) -> Program:
    header = file.header
    if header.e_machine not in ("EM_AARCH64", "EM_ARM"):
        raise ImageError(path, f"is an ELF file for {header.e_machine}, not for Arm")
    if header.e_type not in ("ET_EXEC", "ET_DYN"):
        raise ImageError(
            path, f"is an ELF file of type {header.e_type}, which is not linked: it has no addresses"
        )
    if file.num_sections() > _MOST_SECTIONS:
        raise ImageError(path, f"has more than {_MOST_SECTIONS:,} sections")
    sections = [(each.name, each["sh_flags"]) for each in file.iter_sections()]
    functions, objects = _symbols(path, file, sections)
    first = {each.name for each in functions if each.address == 0}
    parts = [
        LoadedPart(each["p_vaddr"], each["p_paddr"], each["p_memsz"])
        for each in file.iter_segments("PT_LOAD")
        if each["p_memsz"]
    ]
    lines = (
        SourceLines(file.get_dwarf_info(relocate_dwarf_sections=False), first)
        if file.has_dwarf_info()
        else None
    )
    parts.sort(key=lambda part: part.physical)
    return Program(
        path,
        SymbolTable(functions),
        SymbolTable(objects),
        parts,
        _code(file, parts),
        _build_id(file),
        lines,
    )


def _code(file: Any, parts: list[LoadedPart]) -> list[CodePart]:
    """The sections of code in the parts that are loaded."""
    found = []
    for section in file.iter_sections("SHT_PROGBITS"):
        address = section["sh_addr"]
        for part in parts:
            if section["sh_flags"] & _EXECUTABLE and part.virtual <= address < part.virtual + part.size:
                found.append(CodePart(part.physical + address - part.virtual, section.data()))
                break
    return found


def _symbols(path: str, file: Any, sections: list[tuple[str, int]]) -> tuple[list[Symbol], list[Symbol]]:
    table = file.get_section_by_name(".symtab")
    if table is None:
        raise ImageError(path, "has no symbols: it was stripped")
    entry = struct.Struct("<IBBHQQ" if file.elfclass == 64 else "<IIIBBH")
    data, names = table.data(), file.get_section(table["sh_link"]).data()
    if len(data) // entry.size > _MOST_SYMBOLS:
        raise ImageError(path, f"has more than {_MOST_SYMBOLS:,} symbols")
    functions, objects = [], []
    for fields in entry.iter_unpack(data[: len(data) - len(data) % entry.size]):
        if file.elfclass == 64:
            name_at, info, _, index, value, size = fields
        else:
            name_at, value, size, info, _, index = fields
        kind = info & 15
        if not 0 < index < len(sections) or kind not in (_FUNC, _OBJECT, _NOTYPE):
            continue
        name = names[name_at : names.find(b"\0", name_at)].decode("utf-8", "backslashreplace")
        section, flags = sections[index]
        if not name or name[0] == "$" or not flags & _ALLOCATED:
            continue  # $x and $d are marks of the assembler (AAELF64, 'Mapping symbols')
        if flags & _EXECUTABLE:
            thumb = file.elfclass == 32 and kind == _FUNC
            functions.append(Symbol(value & ~1 if thumb else value, size, name, section))
        else:
            objects.append(Symbol(value, size, name, section))
    if not functions:
        raise ImageError(path, "has no symbols of functions: it was stripped")
    return functions, objects


def _build_id(file: Any) -> bytes:
    for segment in file.iter_segments("PT_NOTE"):
        for note in segment.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes.fromhex(note["n_desc"])
    for section in file.iter_sections("SHT_NOTE"):
        for note in section.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                return bytes.fromhex(note["n_desc"])
    return b""
