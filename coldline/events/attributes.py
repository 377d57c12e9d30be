# SPDX-License-Identifier: GPL-2.0-or-later
"""The ``attributes`` column of events: the type of a mapping or a walk, and whether a mapping is executable."""

from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.events.layout import EXECUTABLE, OUTER_SHIFT, POU_CODE, TYPE_MASK
from coldline.events.op import Op
from coldline.support.choices import choices

POU = "pou"
"""The word for a walk at the point of unification, in place of its type."""

INVALID = "invalid"
"""The word of a descriptor without a mapping, in place of a type."""

TWO_TYPES = "INNER/OUTER"
"""Stands for all words of two types, in a list of words."""

HALVES = (MemoryType.NORMAL_NC, MemoryType.NORMAL_WT, MemoryType.NORMAL_WB)
"""The types of which a mapping may have two."""


class Attributes(NamedTuple):
    """The type of a mapping or a walk.

    Attributes
    ----------
    memory_type : MemoryType or None
        Its type, or its inner type; None if the event has none.
    executable : bool
        Whether a mapping may be fetched from.
    pou : bool
        Whether a walk is at the point of unification.
    outer_type : MemoryType or None
        Its outer type, if that is another one.
    """

    memory_type: MemoryType | None = None
    executable: bool = False
    pou: bool = False
    outer_type: MemoryType | None = None

    @property
    def word(self) -> str:
        """The word of the type in a trace; empty if there is none."""
        if self.pou:
            return POU
        if self.memory_type is None:
            return ""
        outer = "" if self.outer_type is None else f"/{self.outer_type.word}"
        return self.memory_type.word + outer


def pack_attributes(
    memory_type: MemoryType | None,
    executable: bool = False,
    pou: bool = False,
    outer_type: MemoryType | None = None,
) -> int:
    """Return the value of the ``attributes`` column."""
    kind = POU_CODE if pou else 0 if memory_type is None else 1 + memory_type
    outer = 0 if outer_type is None else 1 + outer_type
    return kind | (EXECUTABLE if executable else 0) | outer << OUTER_SHIFT


def unpack_attributes(value: int) -> Attributes:
    """What a value of the ``attributes`` column says."""
    kind, outer = value & TYPE_MASK, value >> OUTER_SHIFT
    return Attributes(
        MemoryType.NORMAL_WB if kind == POU_CODE else MemoryType(kind - 1) if kind else None,
        bool(value & EXECUTABLE),
        kind == POU_CODE,
        MemoryType(outer - 1) if outer else None,
    )


def types_of_word(word: str, op: Op, *, version: int) -> Attributes:
    """The type that a word of a trace names.

    Parameters
    ----------
    word : str
        The word.
    op : Op
        The operation that has the type.
    version : int
        The version of the form of the trace.

    Raises
    ------
    ValueError
        If the word names none; the message says why.
    """
    if op.traits.may_be_invalid and word == INVALID:
        return Attributes()
    if op is Op.WALK and word == POU and version > 1:
        return Attributes(MemoryType.NORMAL_WB, pou=True)
    known = [each.word for each in MemoryType]
    if word in known:
        return Attributes(MemoryType.from_word(word))
    inner, slash, outer = word.partition("/")
    halves = {each.word: each for each in HALVES}
    are_two = bool(slash) and inner in halves and outer in halves and inner != outer
    if are_two and version > 1:
        return Attributes(halves[inner], outer_type=halves[outer])
    if version > 1:
        known += [TWO_TYPES]
        known[:0] = [INVALID] if op.traits.may_be_invalid else []
        known += [POU] if op is Op.WALK else []
    if slash and inner == outer and version > 1:
        raise ValueError(f"unknown memory type '{word}': both are the same")
    wrong = f"unknown memory type '{word}'"
    if slash:
        needs = ", which needs 'version 2' as the first line" if are_two else ""
        raise ValueError(f"{wrong}{needs}; choose from: {', '.join(known)}")
    raise ValueError(f"{wrong}; {choices(word, known)}")


def allowed_attributes(op: Op, *, version: int) -> frozenset[int]:
    """The values of the ``attributes`` column that events of an operation may have."""
    if not op.has_type:
        return frozenset({0})
    types = [pack_attributes(each) for each in MemoryType]
    if version > 1:
        pairs = [(inner, outer) for inner in HALVES for outer in HALVES if inner != outer]
        types += [pack_attributes(inner, outer_type=outer) for inner, outer in pairs]
    if op.traits.may_execute:
        types += [value | EXECUTABLE for value in types]
    if op.traits.may_be_invalid:
        types.append(0)
    if op is Op.WALK and version > 1:
        types.append(POU_CODE)
    return frozenset(types)
