# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of an event's line, as it is written."""

from coldline.events.attributes import INVALID, unpack_attributes
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE


def parts_of_line(agent: str, op: Op, attributes: int) -> tuple[str, str]:
    """The parts of a line before the digits of its address and after its size; the whole line if it has neither."""
    first = op.words if op.traits.impersonal else f"{agent} {op.words}"
    if not op.has_range:
        return f"{first}\n", ""
    said = unpack_attributes(attributes)
    word = said.word or (INVALID if op.traits.may_be_invalid else "")
    words = f" {word}{' exec' if said.executable else ''}" if word else ""
    if op.traits.impersonal and agent:
        words += f" {agent}"
    return f"{first} 0x", f"{words}\n"


def size_in_line(size: int) -> str:
    """The size of an event's range as its line has it, after the address."""
    return f" {size:#x}" if size >= PAGE_SIZE else f" {size}"
