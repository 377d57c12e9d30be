# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of a trace: what agents did to memory, in the order that their synchronisation gives."""

from collections.abc import Callable
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.events.attributes import INVALID, Attributes
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE

ADDRESS_LIMIT = 1 << 52
"""One past the last physical address, in bytes (FEAT_LPA: Arm ARM DDI 0487 D8.1.6)."""

ZVA_BLOCK = 64
"""Bytes of the block that ``dc zva`` zeroes (DCZID_EL0.BS = 4 on every core profile)."""


MAX_AGENTS = 256
"""The most agents of a trace: more than a real system has, and a bound on the cost of a hostile trace."""


class Event(NamedTuple):
    """One event.

    Attributes
    ----------
    agent : str
        The agent that did it. An agent has one mapping of each page, so a kernel's linear map and a process's
        mapping of the same page are two agents. For ``give``, which nobody does, the new owners, with a space
        between two.
    op : Op
        The operation.
    address : int
        First byte, a physical address; 0 where the operation has no range.
    size : int
        Bytes; 0 where the operation has no range.
    memory_type : MemoryType or None
        The type of a mapping or of a translation-table walk, or its inner type; None for every other operation, and
        for a descriptor that is made invalid.
    executable : bool
        Whether a mapping may be fetched from.
    pou : bool
        Whether a walk is at the point of unification, so that it does not look into level 1; it is then cacheable.
    outer_type : MemoryType or None
        The outer type, if that is another one than `memory_type`.
    """

    agent: str
    op: Op
    address: int = 0
    size: int = 0
    memory_type: MemoryType | None = None
    executable: bool = False
    pou: bool = False
    outer_type: MemoryType | None = None

    @property
    def attributes(self) -> Attributes:
        """Its type, and what is said with that."""
        return Attributes(self.memory_type, self.executable, self.pou, self.outer_type)

    @property
    def type_word(self) -> str:
        """The word of its type in a trace; empty if it has none."""
        return self.attributes.word

    @property
    def types(self) -> tuple[MemoryType, ...]:
        """Its types, of which each access may be of any: one, or an inner and an outer one; none if it has none."""
        return tuple(each for each in (self.memory_type, self.outer_type) if each is not None)

    def __str__(self) -> str:
        words = [self.op.words] if self.op.traits.impersonal else [self.agent, self.op.words]
        if self.op.has_range:
            words += [f"{self.address:#x}", f"{self.size:#x}" if self.size >= PAGE_SIZE else str(self.size)]
        if self.memory_type is not None:
            words.append(self.type_word)
        if self.executable:
            words.append("exec")
        if self.op.traits.may_be_invalid and self.memory_type is None:
            words.append(INVALID)
        if self.op.traits.impersonal and self.agent:
            words.append(self.agent)
        return " ".join(words)


Recorder = Callable[[Event], None]
"""A function that takes each event as it happens."""
