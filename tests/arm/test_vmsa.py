# SPDX-License-Identifier: GPL-2.0-or-later
"""VMSAv8-64 stage 1 tables, against tables copied row by row from the Arm ARM DDI 0487."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldline.arm import MemoryType, combine, vmsa
from tests.helpers.table_starts import GRANULES, every_start

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
DEVICE, NC, WT, WB = "device", "normal-nc", "normal-wt", "normal-wb"


def word(kind: int) -> str:
    return MemoryType(kind).word


# -- MAIR_ELx: "Attr<n>" and the meaning of its halves -------------------------------------------------------

ATTRIBUTES = {
    0x00: DEVICE,  # Device-nGnRnE
    0x04: DEVICE,  # Device-nGnRE
    0x08: DEVICE,  # Device-nGRE
    0x0C: DEVICE,  # Device-GRE
    0x01: DEVICE,  # FEAT_XS: the four again, with XS 0
    0x05: DEVICE,
    0x09: DEVICE,
    0x0D: DEVICE,
    0x40: NC,  # FEAT_XS: inner and outer non-cacheable, XS 0
    0xA0: WT,  # FEAT_XS: inner and outer write-through, XS 0
    0xF0: WB,  # FEAT_MTE2: tagged, inner and outer write-back
    0x44: NC,
    0xFF: WB,
    0xEE: WB,
    0xBB: WT,
    0xAA: WT,
    0x88: WT,
    0x77: WB,  # transient
    0x33: WT,  # transient
    0xF4: NC,  # the weaker of outer write-back and inner non-cacheable
    0x4F: NC,
    0xFB: WT,
    0xBF: WT,
}

# Either half of an attribute that is Normal: outer oooo, inner iiii, RW being the allocation hints.
HALVES = {
    **dict.fromkeys((0b0001, 0b0010, 0b0011), WT),  # 0b00RW, RW not 00: write-through transient
    0b0100: NC,
    **dict.fromkeys((0b0101, 0b0110, 0b0111), WB),  # 0b01RW, RW not 00: write-back transient
    **dict.fromkeys((0b1000, 0b1001, 0b1010, 0b1011), WT),  # 0b10RW: write-through non-transient
    **dict.fromkeys((0b1100, 0b1101, 0b1110, 0b1111), WB),  # 0b11RW: write-back non-transient
}


@pytest.mark.parametrize(
    ("attribute", "kind"), [pytest.param(*item, id=hex(item[0])) for item in ATTRIBUTES.items()]
)
@pytest.mark.parametrize("index", range(8))
def test_an_attribute_of_mair(attribute: int, kind: str, index: int) -> None:
    others = 0x44_FF_00_BB_04_44_FF_0C & ~(0xFF << 8 * index)
    assert word(vmsa.attribute_type(others | attribute << 8 * index, index)) == kind


@pytest.mark.parametrize("outer", list(HALVES), ids=bin)
@pytest.mark.parametrize("inner", list(HALVES), ids=bin)
def test_the_weaker_half_of_an_attribute_counts(outer: int, inner: int) -> None:
    weakest = min((HALVES[outer], HALVES[inner]), key=(NC, WT, WB).index)
    assert word(vmsa.attribute_type(outer << 4 | inner, 0)) == weakest
    assert word(vmsa.nibble_type(outer)) == HALVES[outer]


def test_halves_are_all_that_normal_memory_may_have() -> None:
    assert sorted(HALVES) == list(range(1, 16))


# -- TCR_ELx: how tables are read, and how large things are --------------------------------------------------

CACHEABILITY = {0b00: NC, 0b01: WB, 0b10: WT, 0b11: WB}  # IRGN and ORGN


@pytest.mark.parametrize("inner", list(CACHEABILITY))
@pytest.mark.parametrize("outer", list(CACHEABILITY))
@pytest.mark.parametrize("upper", [False, True], ids=["TTBR0", "TTBR1"])
def test_how_tables_are_read(inner: int, outer: int, upper: bool) -> None:
    kind = min((CACHEABILITY[inner], CACHEABILITY[outer]), key=(NC, WT, WB).index)
    this, other = (inner << 8 | outer << 10), (0b01 << 8 | 0b01 << 10)
    tcr = (this << 16 | other) if upper else (other << 16 | this)
    assert word(vmsa.walk_type(tcr, upper)) == kind
    assert tuple(map(word, vmsa.walk_types(tcr, upper))) == (CACHEABILITY[inner], CACHEABILITY[outer])


@pytest.mark.parametrize(("tg0", "granule"), [(0b00, "4KB"), (0b01, "64KB"), (0b10, "16KB")])
def test_tg0(tg0: int, granule: str) -> None:
    assert vmsa.granule_bits(tg0 << 14 | 0b11 << 30, upper=False) == GRANULES[granule]


@pytest.mark.parametrize(("tg1", "granule"), [(0b01, "16KB"), (0b10, "4KB"), (0b11, "64KB")])
def test_tg1(tg1: int, granule: str) -> None:
    assert vmsa.granule_bits(tg1 << 30 | 0b01 << 14, upper=True) == GRANULES[granule]


@pytest.mark.parametrize("size", range(16, 49))
def test_txsz_is_what_is_not_translated(size: int) -> None:
    assert vmsa.input_bits(size | 0x3F << 16, upper=False, most=48) == 64 - size
    assert vmsa.input_bits(size << 16 | 0x3F, upper=True, most=48) == 64 - size


@pytest.mark.parametrize("size", range(16))
def test_more_bits_than_there_are_without_large_addresses(size: int) -> None:
    assert vmsa.input_bits(size, upper=False, most=48) == 48


# -- "Translation using the 4KB granule", 16KB, 64KB: start levels and table bases ---------------------------

# (granule, start level, least and greatest TxSZ, n): the first table is at TTBR[47:x], x = n - TxSZ.
STARTS = [
    ("4KB", 0, 16, 24, 28),
    ("4KB", 1, 25, 33, 37),
    ("4KB", 2, 34, 42, 46),
    ("4KB", 3, 43, 48, 55),
    ("16KB", 0, 16, 16, 20),
    ("16KB", 1, 17, 27, 31),
    ("16KB", 2, 28, 38, 42),
    ("16KB", 3, 39, 48, 53),
    ("64KB", 1, 16, 21, 25),
    ("64KB", 2, 22, 34, 38),
    ("64KB", 3, 35, 47, 51),
]
EVERY_START = every_start(STARTS)


@pytest.mark.parametrize(("granule", "level", "size", "x"), EVERY_START)
def test_start_level(granule: str, level: int, size: int, x: int) -> None:
    assert vmsa.start_level(64 - size, GRANULES[granule]) == level


@pytest.mark.parametrize(("granule", "level", "size", "x"), EVERY_START)
def test_table_base(granule: str, level: int, size: int, x: int) -> None:
    # TTBRn_ELx: "The smallest permitted value of x is 5"; below it are CnP and bits that hold no address.
    lowest = max(x, 5)
    asid = 0xABCD << 48
    everything = (1 << 48) - 1
    base = vmsa.table_base(asid | everything, 64 - size, GRANULES[granule], vmsa.BITS_48)
    assert base == everything >> lowest << lowest


# -- what a descriptor of each level covers ------------------------------------------------------------------

COVERED = {
    ("4KB", 0): 512 * GIB,
    ("4KB", 1): 1 * GIB,
    ("4KB", 2): 2 * MIB,
    ("4KB", 3): 4 * KIB,
    ("16KB", 0): 128 * TIB,
    ("16KB", 1): 64 * GIB,
    ("16KB", 2): 32 * MIB,
    ("16KB", 3): 16 * KIB,
    ("64KB", 1): 4 * TIB,
    ("64KB", 2): 512 * MIB,
    ("64KB", 3): 64 * KIB,
}
BLOCKS = {("4KB", 1), ("4KB", 2), ("16KB", 2), ("64KB", 2)}
"""The levels at which a block may be, with 48-bit output addresses."""


@pytest.mark.parametrize(("granule", "level"), list(COVERED))
def test_what_a_descriptor_covers(granule: str, level: int) -> None:
    assert 1 << vmsa.level_shift(level, GRANULES[granule]) == COVERED[granule, level]


@pytest.mark.parametrize(("granule", "level"), list(COVERED))
def test_what_a_descriptor_is(granule: str, level: int) -> None:
    bits = GRANULES[granule]
    leaf = 0b11 if level == 3 else 0b01
    assert vmsa.is_leaf(leaf, level, bits, vmsa.BITS_48) == (level == 3 or (granule, level) in BLOCKS)
    assert not vmsa.is_table(leaf, level)
    assert vmsa.is_table(0b11, level) == (level < 3)
    assert not vmsa.is_leaf(0b01 if level == 3 else 0b11, level, bits, vmsa.BITS_48)


@pytest.mark.parametrize(("descriptor", "valid"), [(0b00, False), (0b10, False), (0b01, True), (0b11, True)])
def test_bit_0_makes_a_descriptor_valid(descriptor: int, valid: bool) -> None:
    assert vmsa.is_valid(descriptor | 0xFFF0_0000_0000_0000) == valid


# Bits of a descriptor that are no address: 63:48 and 11:0.
ATTRIBUTE_BITS = 0xFFFF_0000_0000_0FFF


@pytest.mark.parametrize("granule", list(GRANULES))
def test_the_table_that_a_descriptor_points_to(granule: str) -> None:
    size = 1 << GRANULES[granule]
    address = 0x8765_4321_0000 // size * size
    assert vmsa.next_table(address | ATTRIBUTE_BITS, GRANULES[granule], vmsa.BITS_48) == address
    top = (1 << 48) - size
    assert vmsa.next_table(top | ATTRIBUTE_BITS | (size - 1), GRANULES[granule], vmsa.BITS_48) == top


@pytest.mark.parametrize(("granule", "level"), sorted(BLOCKS | {(granule, 3) for granule in GRANULES}))
def test_the_memory_that_a_leaf_maps(granule: str, level: int) -> None:
    size = COVERED[granule, level]
    for address in (size, 0x8765_4321_0000 // size * size, (1 << 48) - size):
        # between the attributes and the address, bits of a block are RES0 or nT: not address
        descriptor = address | 0xFFFF_0000_0000_0000 | (size - 1)
        assert vmsa.output_base(descriptor, level, GRANULES[granule], vmsa.BITS_48) == address


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 7))
def test_the_attribute_index_is_bits_4_to_2(descriptor: int, index: int) -> None:
    assert vmsa.attribute_index(descriptor & ~0b11100 | index << 2) == index


# -- execute never: PXN is bit 53, UXN (XN) bit 54; PXNTable is bit 59, UXNTable (XNTable) bit 60 ------------


@pytest.mark.parametrize(
    ("pxn", "uxn", "at_el1", "at_el2"),
    [
        (0, 0, True, True),
        (1, 0, True, True),  # EL0 may still; at EL2 bit 53 says nothing
        (0, 1, True, False),
        (1, 1, False, False),
    ],
)
def test_who_may_execute(pxn: int, uxn: int, at_el1: bool, at_el2: bool) -> None:
    leaf = vmsa.leaf_never(pxn << 53 | uxn << 54 | ~(0b11 << 53) & (1 << 64) - 1)
    table = vmsa.table_never(pxn << 59 | uxn << 60 | ~(0b11 << 59) & (1 << 64) - 1)
    assert leaf == table
    assert vmsa.executable(leaf, 1) == at_el1
    assert vmsa.executable(leaf, 2) == at_el2


# -- two stages: "Combining stage 1 and stage 2 memory type attributes", FWB disabled ------------------------

COMBINED = {
    # stage 1: stage 2 device, nc, wt, wb
    DEVICE: (DEVICE, DEVICE, DEVICE, DEVICE),
    NC: (DEVICE, NC, NC, NC),
    WT: (DEVICE, NC, WT, WT),
    WB: (DEVICE, NC, WT, WB),
}


@pytest.mark.parametrize("stage1", list(COMBINED))
@pytest.mark.parametrize(("column", "stage2"), list(enumerate(COMBINED)))
def test_two_stages(stage1: str, column: int, stage2: str) -> None:
    both = combine(MemoryType.from_word(stage1), MemoryType.from_word(stage2))
    assert both.word == COMBINED[stage1][column]


@pytest.mark.parametrize(("kind", "cacheable"), [(DEVICE, False), (NC, False), (WT, True), (WB, True)])
def test_which_types_caches_may_hold(kind: str, cacheable: bool) -> None:
    assert MemoryType.from_word(kind).cacheable == cacheable


@pytest.mark.parametrize(
    ("address", "bits", "upper", "inside"),
    [
        (0, 48, False, True),
        ((1 << 48) - 1, 48, False, True),
        (1 << 48, 48, False, False),
        (0x5A << 56 | 0x1000, 48, False, True),  # the top byte may be a tag
        (-1, 39, True, True),
        (-(1 << 39), 39, True, True),
        (-(1 << 39) - 1, 39, True, False),
        (1 << 32, 32, False, False),
    ],
)
def test_an_address_is_translated_by_a_half_where_the_bits_above_are_all_alike(
    address: int, bits: int, upper: bool, inside: bool
) -> None:
    """Arm ARM DDI 0487, 'Translation process': bits 54 down to 64 - TxSZ are 0 for TTBR0, 1 for TTBR1."""
    assert vmsa.in_range(address, bits, upper) is inside


def test_walks_of_either_half_can_be_disabled() -> None:
    """TCR_EL1.EPD0 is bit 7, EPD1 bit 23."""
    assert [vmsa.walks_disabled(1 << 7, upper) for upper in (False, True)] == [True, False]
    assert [vmsa.walks_disabled(1 << 23, upper) for upper in (False, True)] == [False, True]
