# SPDX-License-Identifier: GPL-2.0-or-later
"""Stage 2 combines with stage 1 as in the tables of the Arm ARM (DDI 0487 D8.6.5, D8.6.6), copied here."""

import pytest

from coldline.arm import MemoryType, combine, stage2

D, NC, WT, WB = MemoryType

OWN = {
    0b0000: D, 0b0001: D, 0b0010: D, 0b0011: D,
    0b0100: D, 0b0101: NC, 0b0110: NC, 0b0111: NC,
    0b1000: D, 0b1001: NC, 0b1010: WT, 0b1011: WT,
    0b1100: D, 0b1101: NC, 0b1110: WT, 0b1111: WB,
}  # fmt: skip
"""MemAttr[3:0] without FWB. Where the upper bits name Normal memory, 0b00 below them is reserved."""

FORCED = {
    0b0000: (D, D, D, D), 0b0001: (D, D, D, D), 0b0010: (D, D, D, D), 0b0011: (D, D, D, D),
    0b0101: (D, NC, NC, NC), 0b0110: (WB, WB, WB, WB), 0b0111: (D, NC, WT, WB),
}  # fmt: skip
"""With FWB: what becomes of stage 1's four types, weakest first; the other encodings are reserved."""


@pytest.mark.parametrize("attributes", range(16))
def test_without_fwb_the_weaker_counts(attributes: int) -> None:
    assert stage2.own_type(attributes) == OWN[attributes]
    for stage1 in MemoryType:
        assert stage2.combined_type(stage1, attributes) == combine(stage1, OWN[attributes])
        inner, outer = stage2.combined_halves(stage1, MemoryType.NORMAL_WB, attributes)
        assert min(inner, outer) == combine(stage1, OWN[attributes])
    assert not stage2.forces_write_back(attributes)


@pytest.mark.parametrize("attributes", range(16))
def test_with_fwb(attributes: int) -> None:
    both = stage2.Stage2.MEM_ATTR.put(attributes) | stage2.Stage2.FWB.put(1)
    expected = FORCED.get(attributes, (D, D, D, D))
    assert tuple(stage2.combined_type(stage1, both) for stage1 in MemoryType) == expected
    assert stage2.forces_write_back(both) == (expected == (WB, WB, WB, WB))


def test_what_hypervisors_use() -> None:
    """Linux arch/arm64/include/asm/memory.h (6.1): MT_S2_NORMAL, MT_S2_FWB_NORMAL."""
    assert stage2.STAGE2_NORMAL_WB == 0xF
    assert stage2.FORCED_WB & 0xF == 6
    assert all(stage2.combined_type(stage1, stage2.STAGE2_NORMAL_WB) == stage1 for stage1 in MemoryType)
