# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads and writes lines' values, two in three bytes, and finds the records of lines whose bytes differ; compiled.

`f` is the record of `frame`, as in all of these modules.
"""

from typing import Any

from coldline.checker.state import partitions
from coldline.jit.intrinsics import (
    compiled,
    load8,
    load16,
    load32,
    load64,
    store8,
    store16,
    store32,
    store64,
    uint64,
)

_0, _1, _2, _3, _4, _8 = (uint64(number) for number in (0, 1, 2, 3, 4, 8))
_12, _16, _20, _24, _36, _48, _60 = (uint64(number) for number in (12, 16, 20, 24, 36, 48, 60))
_BYTE = uint64(0xFF)
OWN = uint64(partitions.OWN)
KNOWN = uint64(1 << 16)


@compiled
def value_of(f: Any, line: int) -> int:
    """A line's value: see `coldline.checker.state.packing`."""
    return (uint64(load16(f.values + line + (line >> _1))) >> ((line & _1) << _2)) & OWN


@compiled
def set_value(f: Any, line: int, value: int) -> None:
    """Set a line's value."""
    at = f.values + line + (line >> _1)
    shift = (line & _1) << _2
    store16(at, uint64(load16(at)) & ~(OWN << shift) | value << shift)


@compiled
def pair_of(f: Any, line: int) -> int:
    """The values of two adjacent lines, the first with an even number: 24 bits."""
    at = f.values + line + (line >> _1)
    return uint64(load16(at)) | uint64(load8(at + _2)) << _16


@compiled
def set_pair(f: Any, line: int, values: int) -> None:
    """Set the values of two adjacent lines, the first with an even number, to 24 bits."""
    at = f.values + line + (line >> _1)
    store16(at, values & uint64(0xFFFF))
    store8(at + _2, values >> _16)


@compiled
def look_up_eight(f: Any, line: int, table: int, stores: bool) -> bool:
    """Replace the values of eight adjacent lines by a table's entries, if all of them have one.

    The number of the first line is a multiple of 8. The table, at an address, has four bytes for each value: the new
    value, and `KNOWN`. Return whether all have one; `stores` says whether they are then replaced.
    """
    at = f.values + line + (line >> _1)
    low, high = load64(at), uint64(load32(at + _8))
    new0 = uint64(load32(table + ((low & OWN) << _2)))
    new1 = uint64(load32(table + ((low >> _12 & OWN) << _2)))
    new2 = uint64(load32(table + ((low >> _24 & OWN) << _2)))
    new3 = uint64(load32(table + ((low >> _36 & OWN) << _2)))
    new4 = uint64(load32(table + ((low >> _48 & OWN) << _2)))
    new5 = uint64(load32(table + ((low >> _60 | high << _4 & OWN) << _2)))
    new6 = uint64(load32(table + ((high >> _8 & OWN) << _2)))
    new7 = uint64(load32(table + (high >> _20 << _2)))
    if (new0 & new1 & new2 & new3 & new4 & new5 & new6 & new7) & KNOWN == _0:
        return False
    if stores:
        low = new0 & OWN | (new1 & OWN) << _12 | (new2 & OWN) << _24 | (new3 & OWN) << _36
        store64(at, low | (new4 & OWN) << _48 | new5 << _60)
        store32(at + _8, new5 >> _4 & _BYTE | (new6 & OWN) << _8 | (new7 & OWN) << _20)
    return True


@compiled
def node_at(f: Any, number: int) -> int:
    """The address of a node; the value of a line with a shared record is such a number."""
    return f.nodes + number * f.node_bytes


@compiled
def owned_at(f: Any, row: int, index: int) -> int:
    """The address of a line's own record, in a page that has a block."""
    block = uint64(load32(f.pages + (row << _3) + _4))
    return f.owned + (block * f.per_page + index) * f.node_bytes
