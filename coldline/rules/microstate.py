# SPDX-License-Identifier: GPL-2.0-or-later
"""The microstate of one byte: which of its copies are valid, which are dirty, and which are fresh."""

import enum
from typing import NamedTuple


class Level(enum.IntEnum):
    """The state of a line in a level of data cache."""

    INVALID = 0
    CLEAN = 1
    DIRTY = 2


class Microstate(NamedTuple):
    """One possible state of a byte's copies; the copy in an invalid cache is never fresh.

    Level 1 stands for all data caches above the point of unification, level 2 for all unified caches between
    there and the point of coherency, and memory for the point of coherency itself.
    """

    level1: Level = Level.INVALID
    fresh1: bool = False
    level2: Level = Level.INVALID
    fresh2: bool = False
    icache: bool = False
    fresh_i: bool = False
    fresh_memory: bool = True

    @property
    def lost(self) -> bool:
        """Whether no copy has the last write to the byte any more."""
        return not (self.fresh1 or self.fresh2 or self.fresh_i or self.fresh_memory)

    def __str__(self) -> str:
        def show(state: str, fresh: bool) -> str:
            return state if state == "invalid" else f"{state} {'new' if fresh else 'OLD'}"

        return ", ".join(
            (
                f"L1 {show(self.level1.name.lower(), self.fresh1)}",
                f"L2 {show(self.level2.name.lower(), self.fresh2)}",
                f"I {show('valid' if self.icache else 'invalid', self.fresh_i)}",
                f"memory {'new' if self.fresh_memory else 'OLD'}",
            )
        )


COLD = Microstate()
