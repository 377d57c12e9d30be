# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the source line of an instruction in DWARF. A unit's lines are read when one of them is asked for.

The linker leaves the debugging information of functions that it has dropped, at address 0 (binutils bfd/reloc.c,
_bfd_clear_contents). A program that is linked at 0, such as U-Boot, has its own first functions there.
"""

from bisect import bisect_right
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from coldline.symbols.inlined import InlinedFunctions

_ASSEMBLER: Final = 0x8001
"""DW_LANG_Mips_Assembler, the language of all assemblers' units."""


class SourceLine(NamedTuple):
    """A line of a source file: its path as the compiler was given it, and the line from 1."""

    path: str
    line: int


class _Row(NamedTuple):
    address: int
    end: int
    source: SourceLine


class SourceLines:
    """The source lines of a program.

    Parameters
    ----------
    dwarf : elftools.dwarf.dwarfinfo.DWARFInfo
        The program's debugging information.
    first : collection of str
        The names of the program's functions at address 0, by its symbols.
    """

    def __init__(self, dwarf: Any, first: Collection[str] = ()) -> None:
        self._dwarf = dwarf
        self._rows: dict[int, list[_Row]] = {}
        self._ranges = dwarf.get_aranges()
        self._inlined = InlinedFunctions(dwarf, first)
        self._units_at_0: list[Any] | None = None
        self._units: list[tuple[int, int, Any]] | None = None

    def at(self, address: int) -> SourceLine | None:
        """The source line of an instruction; None if it is not known."""
        for unit in self._units_of(address):
            rows = self._rows.get(unit.cu_offset)
            if rows is None:
                rows = self._rows[unit.cu_offset] = self._read(unit)
            index = bisect_right(rows, address, key=lambda row: row.address) - 1
            if index >= 0 and address < rows[index].end:
                return rows[index].source
        return None

    def inlined(self, address: int) -> list[str]:
        """The names of the functions that are inlined at an instruction, the innermost first."""
        for unit in self._units_of(address):
            names = self._inlined.at(unit, address)
            if names:
                return names
        return []

    def _units_of(self, address: int) -> list[Any]:
        """The units that may have an address."""
        if self._ranges is not None:
            offset = self._ranges.cu_offset_at_addr(address)
            if offset is not None:
                unit = self._dwarf.get_CU_at(offset)
                found = self._at_0()
                return [*found, unit] if unit in found else [unit]
        if self._units is None:
            self._units = [
                (low, high, unit) for unit in self._dwarf.iter_CUs() for low, high in _extent(unit)
            ]
        return [unit for low, high, unit in self._units if low <= address < high]

    def _at_0(self) -> list[Any]:
        """The units with code at address 0, those of assemblers first."""
        if self._units_at_0 is None:
            offsets = {
                each.info_offset for each in self._ranges.entries if each.begin_addr == 0 < each.length
            }
            self._units_at_0 = sorted(map(self._dwarf.get_CU_at, sorted(offsets)), key=_is_compiled)
        return self._units_at_0

    def _read(self, unit: Any) -> list[_Row]:
        program = self._dwarf.line_program_for_CU(unit)
        if program is None:
            return []
        directory = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        base = _text(directory.value) if directory is not None else ""
        names: dict[int, str] = {}
        found: list[_Row] = []
        begin = 0  # of the rows of this sequence
        before: Any = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if before is not None and before.address < state.address:
                if before.file not in names:
                    names[before.file] = _path(program, before.file, base)
                source = SourceLine(names[before.file], before.line)
                found.append(_Row(before.address, state.address, source))
            before = None if state.end_sequence else state
            if state.end_sequence:
                if begin < len(found) and found[begin].address == 0 and self._inlined.is_dropped(unit):
                    del found[begin:]
                begin = len(found)
        return sorted(found)


def _is_compiled(unit: Any) -> bool:
    language = unit.get_top_DIE().attributes.get("DW_AT_language")
    return language is None or language.value != _ASSEMBLER


def _extent(unit: Any) -> list[tuple[int, int]]:
    """The addresses of a unit of one range; all addresses, if it has several or does not say."""
    attributes = unit.get_top_DIE().attributes
    low, high = attributes.get("DW_AT_low_pc"), attributes.get("DW_AT_high_pc")
    if low is None or high is None:
        return [(0, 1 << 64)]
    end = high.value if high.form == "DW_FORM_addr" else low.value + high.value
    return [(low.value, end)]


def _path(program: Any, number: int, base: str) -> str:
    """The path of a file of a line program (DWARF 5, 6.2.4)."""
    header = program.header
    first = 0 if header.version >= 5 else 1
    entries = header.file_entry
    if not first <= number < len(entries) + first:
        return "?"
    entry = entries[number - first]
    name = _text(entry.name)
    if name.startswith("/"):
        return name
    folders = [_text(each) for each in header.include_directory]
    index = entry.dir_index if first == 0 else entry.dir_index - 1
    folder = folders[index] if 0 <= index < len(folders) else ""
    parts = [name] if not folder else [folder, name]
    if base and not parts[0].startswith("/"):
        parts.insert(0, base)
    return "/".join(parts)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
