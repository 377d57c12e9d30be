# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads and writes lines' values, two in three bytes, and finds the records of lines whose bytes differ; compiled.

`f` is the record of `frame`, as in all of these modules.
"""

from typing import Any

from coldline.checker.state import partitions
from coldline.jit.intrinsics import compiled, load8, load16, load32, store8, store16, uint64

_1, _2, _3, _4, _16 = (uint64(number) for number in (1, 2, 3, 4, 16))
OWN = uint64(partitions.OWN)


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
def node_at(f: Any, number: int) -> int:
    """The address of a node; the value of a line with a shared record is such a number."""
    return f.nodes + number * f.node_bytes


@compiled
def owned_at(f: Any, row: int, index: int) -> int:
    """The address of a line's own record, in a page that has a block."""
    block = uint64(load32(f.pages + (row << _3) + _4))
    return f.owned + (block * f.per_page + index) * f.node_bytes
