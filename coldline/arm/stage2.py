# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory types of stage 2 of a translation, and how they combine with those of stage 1.

Functions on plain integers, as in `coldline.arm.vmsa`; types are those of `MemoryType`. A stage 2 is one number with
the fields of `Stage2`: the attributes of its descriptors, and whether HCR_EL2.FWB is set. The inner and the outer
cacheability are one type, as in `MemoryType`: the weaker of the two. Reserved values are taken as Device.
Source: Arm ARM DDI 0487 D8.6.5 (FEAT_S2FWB disabled), D8.6.6 (enabled); qemu target/arm/ptw.c,
combined_attrs_nofwb and combined_attrs_fwb (7.2); linux arch/arm64/include/asm/memory.h, MT_S2_* (6.1).
"""

from typing import Final

from coldline.arm.fields import Field
from coldline.arm.memory_types import MemoryType

_DEVICE = int(MemoryType.DEVICE)
_NORMAL_NC = int(MemoryType.NORMAL_NC)
_NORMAL_WB = int(MemoryType.NORMAL_WB)


class Stage2:
    """MemAttr[3:0] of a stage 2 descriptor, and HCR_EL2.FWB."""

    INNER: Final = Field(1, 0)
    OUTER: Final = Field(3, 2)
    MEM_ATTR: Final = Field(3, 0)
    FWB: Final = Field(4, 4)


_MEM_ATTR, _INNER = Stage2.MEM_ATTR.mask, Stage2.INNER.mask
_OUTER_LSB = Stage2.OUTER.lsb
_FWB = Stage2.FWB.mask

STAGE2_NORMAL_WB: Final = Stage2.MEM_ATTR.put(0b1111)
"""Inner and outer write-back, without FWB: the type of stage 1 does not change."""

FORCED_WB: Final = Stage2.MEM_ATTR.put(0b0110) | Stage2.FWB.put(1)
"""With FWB: every access is write-back, whatever the type of stage 1."""

_FORCE_WB, _STAGE_1, _NC_OR_DEVICE = 0b0110, 0b0111, 0b0101


def own_type(stage2: int) -> int:
    """The type of MemAttr if FWB is clear: 0b00 in its upper half is Device; 1, 2, 3 are NC, WT, WB."""
    outer, inner = (stage2 & _MEM_ATTR) >> _OUTER_LSB, stage2 & _INNER
    return _DEVICE if outer == 0 or inner == 0 else min(outer, inner)


def forces_write_back(stage2: int) -> bool:
    """Whether every access is write-back, whatever the type of stage 1, and also with the MMU off."""
    return stage2 & _FWB != 0 and stage2 & _MEM_ATTR == _FORCE_WB


def combined_halves(inner: int, outer: int, stage2: int) -> tuple[int, int]:
    """The inner and the outer type of an access, from those of stage 1 and a stage 2."""
    if stage2 & _FWB or own_type(stage2) == _DEVICE:
        return combined_type(inner, stage2), combined_type(outer, stage2)
    return min(inner, stage2 & _INNER), min(outer, (stage2 & _MEM_ATTR) >> _OUTER_LSB)


def combined_type(stage1: int, stage2: int) -> int:
    """The type of an access, from the type of stage 1 and a stage 2."""
    if not stage2 & _FWB:
        return min(stage1, own_type(stage2))
    attributes = stage2 & _MEM_ATTR
    if attributes == _FORCE_WB:
        return _NORMAL_WB
    if attributes == _STAGE_1:
        return stage1
    if attributes == _NC_OR_DEVICE:
        return min(stage1, _NORMAL_NC)
    return _DEVICE
