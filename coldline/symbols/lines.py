# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the source line of an instruction in DWARF. A unit's lines are read when one of them is asked for."""

from bisect import bisect_right
from typing import Any, NamedTuple

from coldline.symbols.inlined import InlinedFunctions


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
    """

    def __init__(self, dwarf: Any) -> None:
        self._dwarf = dwarf
        self._rows: dict[int, list[_Row]] = {}
        self._ranges = dwarf.get_aranges()
        self._inlined = InlinedFunctions(dwarf)
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
                return [self._dwarf.get_CU_at(offset)]
        if self._units is None:
            self._units = [
                (low, high, unit) for unit in self._dwarf.iter_CUs() for low, high in _extent(unit)
            ]
        return [unit for low, high, unit in self._units if low <= address < high]

    def _read(self, unit: Any) -> list[_Row]:
        program = self._dwarf.line_program_for_CU(unit)
        if program is None:
            return []
        directory = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        base = _text(directory.value) if directory is not None else ""
        names: dict[int, str] = {}
        found: list[_Row] = []
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
        return sorted(found)


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
