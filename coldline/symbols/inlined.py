# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the functions that were inlined at an instruction, in DWARF (DWARF 5, 3.3.8.2)."""

from collections.abc import Collection
from typing import Any, Final

_DEEPEST: Final = 64
"""The most functions that are inlined in one another, and the most references from a name to its origin."""

_BLOCKS: Final = (
    "DW_TAG_lexical_block",
    "DW_TAG_inlined_subroutine",
    "DW_TAG_try_block",
    "DW_TAG_catch_block",
)


class InlinedFunctions:
    """The inlined functions of a program.

    Parameters
    ----------
    dwarf : elftools.dwarf.dwarfinfo.DWARFInfo
        The program's debugging information.
    first : collection of str
        The names of the program's functions at address 0. Others that begin there were dropped by the linker.
    """

    def __init__(self, dwarf: Any, first: Collection[str] = ()) -> None:
        self._first = frozenset(first)
        self._ranges = dwarf.range_lists()
        self._functions: dict[int, list[tuple[list[tuple[int, int]], Any]]] = {}

    def at(self, unit: Any, address: int) -> list[str]:
        """The names of the functions that are inlined at an instruction of a unit, the innermost first."""
        functions = self._functions_of(unit)
        die = next(
            (
                die
                for extents, die in functions
                if _has(extents, address) and not self._is_dropped(extents, die)
            ),
            None,
        )
        names: list[str] = []
        depth = 0
        while die is not None and depth < _DEEPEST:
            depth += 1
            die = next(
                (
                    child
                    for child in die.iter_children()
                    if child.tag in _BLOCKS and _has(self._extents(child, unit), address)
                ),
                None,
            )
            if die is not None and die.tag == "DW_TAG_inlined_subroutine":
                names.append(_name(die))
        return names[::-1]

    def is_dropped(self, unit: Any) -> bool:
        """Whether the linker has dropped what a unit has at address 0: functions, none of which begins there."""
        at_0 = [each for each in self._functions_of(unit) if _begins_at_0(each[0])]
        return bool(at_0) and all(self._is_dropped(*each) for each in at_0)

    def _functions_of(self, unit: Any) -> list[tuple[list[tuple[int, int]], Any]]:
        """The functions of a unit, each with its addresses."""
        functions = self._functions.get(unit.cu_offset)
        if functions is None:
            functions = self._functions[unit.cu_offset] = [
                (self._extents(die, unit), die)
                for die in unit.get_top_DIE().iter_children()
                if die.tag == "DW_TAG_subprogram"
            ]
        return functions

    def _is_dropped(self, extents: list[tuple[int, int]], die: Any) -> bool:
        return _begins_at_0(extents) and _name(die) not in self._first

    def _extents(self, die: Any, unit: Any) -> list[tuple[int, int]]:
        """The addresses of an entry; none if it has none."""
        attributes = die.attributes
        low, high = attributes.get("DW_AT_low_pc"), attributes.get("DW_AT_high_pc")
        if low is not None and high is not None:
            return [(low.value, high.value if high.form == "DW_FORM_addr" else low.value + high.value)]
        ranges = attributes.get("DW_AT_ranges")
        if ranges is None or self._ranges is None:
            return []
        first = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = first.value if first is not None else 0
        found = []
        for each in self._ranges.get_range_list_at_offset(ranges.value, unit):
            if hasattr(each, "base_address"):
                base = each.base_address
            else:
                start = 0 if getattr(each, "is_absolute", False) else base
                found.append((start + each.begin_offset, start + each.end_offset))
        return found


def _has(extents: list[tuple[int, int]], address: int) -> bool:
    return any(low <= address < high for low, high in extents)


def _begins_at_0(extents: list[tuple[int, int]]) -> bool:
    return any(low == 0 < high for low, high in extents)


def _name(die: Any) -> str:
    """The name of an inlined function, from the entry that it is an instance of."""
    for _ in range(_DEEPEST):
        name = die.attributes.get("DW_AT_name")
        if name is not None:
            value = name.value
            return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        origin = next(
            (each for each in ("DW_AT_abstract_origin", "DW_AT_specification") if each in die.attributes),
            None,
        )
        if origin is None:
            break
        die = die.get_DIE_from_attribute(origin)
    return "?"
