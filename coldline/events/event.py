# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of a trace: what agents did to memory, in the order that their synchronisation gives."""

from collections.abc import Callable
from typing import NamedTuple

from coldline.arm import MemoryType
from coldline.events.op import Op
from coldline.support.units import PAGE_SIZE

ADDRESS_LIMIT = 1 << 52
"""One past the last physical address, in bytes (FEAT_LPA: Arm ARM DDI 0487 D8.1.6)."""

ZVA_BLOCK = 64
"""Bytes of the block that ``dc zva`` zeroes (DCZID_EL0.BS = 4 on every core profile)."""


POU = "pou"
"""The word for a walk at the point of unification, in place of its type."""

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
        The type of a mapping or of a translation-table walk, None for every other operation.
    executable : bool
        Whether a mapping may be fetched from.
    pou : bool
        Whether a walk is at the point of unification, so that it does not look into level 1; it is then cacheable.
    """

    agent: str
    op: Op
    address: int = 0
    size: int = 0
    memory_type: MemoryType | None = None
    executable: bool = False
    pou: bool = False

    @property
    def type_word(self) -> str:
        """The word of its type in a trace; empty if it has none."""
        if self.pou:
            return POU
        return "" if self.memory_type is None else self.memory_type.word

    def __str__(self) -> str:
        words = [self.op.words] if self.op.traits.impersonal else [self.agent, self.op.words]
        if self.op.has_range:
            words += [f"{self.address:#x}", f"{self.size:#x}" if self.size >= PAGE_SIZE else str(self.size)]
        if self.memory_type is not None:
            words.append(self.type_word)
        if self.executable:
            words.append("exec")
        if self.op is Op.DESCRIPTOR:
            words.append("invalid")
        if self.op.traits.impersonal and self.agent:
            words.append(self.agent)
        return " ".join(words)


Recorder = Callable[[Event], None]
"""A function that takes each event as it happens."""
