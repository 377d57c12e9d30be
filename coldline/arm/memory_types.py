# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory types, as far as they concern caches, and how two translation stages combine them."""

import enum


class MemoryType(enum.IntEnum):
    """A memory type; the weakest has the lowest number, so that two types combine to the minimum.

    The inner and the outer cacheability of Normal memory are one type here, the weaker of the two: a location is
    write-back only if both are (Arm ARM DDI 0487, 'Memory types and attributes').
    """

    DEVICE = 0
    NORMAL_NC = 1
    NORMAL_WT = 2
    NORMAL_WB = 3

    @property
    def word(self) -> str:
        """The name of the type in a trace: ``device``, ``normal-nc``, ``normal-wt``, ``normal-wb``."""
        return self.name.lower().replace("_", "-")

    @property
    def cacheable(self) -> bool:
        """Whether data caches may hold lines of it: write-through or write-back."""
        return self >= MemoryType.NORMAL_WT

    @classmethod
    def from_word(cls, word: str) -> "MemoryType":
        """The type that a trace's word names.

        Raises
        ------
        KeyError
            If `word` names none.
        """
        return _BY_WORD[word]


_BY_WORD = {memory_type.word: memory_type for memory_type in MemoryType}


def combine(stage1: MemoryType, stage2: MemoryType) -> MemoryType:
    """The type that two translation stages give together: the weaker of the two.

    Source: Arm ARM DDI 0487 D8.6.5, for stage 2 without FEAT_S2FWB.
    """
    return min(stage1, stage2)
