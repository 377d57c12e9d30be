# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses of 52 bits: FEAT_LPA and FEAT_LVA with pages of 64 KiB, FEAT_LPA2 with smaller ones.

The places of the bits are copied from the Arm ARM DDI 0487: 'Translation table descriptor formats', and the
descriptions of TCR_ELx.DS, IPS and PS, of TTBRn_ELx.BADDR, and of VTCR_EL2.SL2.
"""

import pytest

from coldline.arm import stage2_tables, vmsa
from tests.helpers.table_starts import GRANULES, every_start

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

# bits of an address, and from which bit of a descriptor on they are
PLACES = {
    vmsa.BITS_48: [(47, 12, 12)],
    vmsa.LPA: [(47, 16, 16), (51, 48, 12)],
    vmsa.LPA2: [(49, 12, 12), (51, 50, 8)],
}
FORMS = {"4KB": vmsa.LPA2, "16KB": vmsa.LPA2, "64KB": vmsa.LPA}


def descriptor_of(form: int, address: int) -> int:
    """Put each bit of an address where a descriptor has it."""
    return sum(
        (address >> bit & 1) << place + bit - low
        for high, low, place in PLACES[form]
        for bit in range(low, high + 1)
    )


# -- which form it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("granule", ["4KB", "16KB"])
@pytest.mark.parametrize(("like_el1", "bit"), [(True, 59), (False, 32)])
def test_ds_is_a_bit_of_tcr(granule: str, like_el1: bool, bit: int) -> None:
    """TCR_EL1.DS is bit 59; that of TCR_EL2 without VHE, of TCR_EL3 and of VTCR_EL2 is bit 32."""
    bits = GRANULES[granule]
    assert vmsa.address_form(1 << bit, bits, like_el1) == vmsa.LPA2
    assert vmsa.address_form(~(1 << bit) & (1 << 64) - 1, bits, like_el1) == vmsa.BITS_48


@pytest.mark.parametrize(("like_el1", "lowest"), [(True, 32), (False, 16)])
@pytest.mark.parametrize("size", range(8))
def test_with_64_kib_it_is_the_size_of_addresses(like_el1: bool, lowest: int, size: int) -> None:
    """IPS is bits 34:32 of TCR_EL1; PS is bits 18:16 of the others. 0b110 is 52 bits. DS does not matter."""
    expected = vmsa.LPA if size == 0b110 else vmsa.BITS_48
    others = ((1 << 64) - 1) & ~(7 << lowest)
    assert vmsa.address_form(size << lowest | others, 16, like_el1) == expected
    assert vmsa.address_form(size << lowest, 16, like_el1) == expected


@pytest.mark.parametrize(
    ("granule", "form", "most"),
    [
        ("4KB", vmsa.BITS_48, 48),
        ("16KB", vmsa.BITS_48, 48),
        ("64KB", vmsa.BITS_48, 52),
        ("64KB", vmsa.LPA, 52),
        ("4KB", vmsa.LPA2, 52),
        ("16KB", vmsa.LPA2, 52),
    ],
)
def test_how_many_bits_are_translated(granule: str, form: int, most: int) -> None:
    """The least TxSZ is 16, or 12 with DS, and with FEAT_LVA and 64 KiB."""
    assert vmsa.most_input_bits(GRANULES[granule], form) == most
    for size in range(12, 49):
        expected = min(64 - size, most)
        assert vmsa.input_bits(size | 0x3F << 16, False, most) == expected
        assert vmsa.input_bits(size << 16 | 0x3F, True, most) == expected


# -- start levels and table bases ----------------------------------------------------------------------------

# (granule, start level, least and greatest TxSZ, n): the first table is at TTBR[47:x], x = n - TxSZ.
STARTS = [
    ("4KB", -1, 12, 15, 19),
    ("4KB", 0, 16, 24, 28),
    ("4KB", 1, 25, 33, 37),
    ("16KB", 0, 12, 16, 20),
    ("16KB", 1, 17, 27, 31),
    ("64KB", 1, 12, 21, 25),
    ("64KB", 2, 22, 34, 38),
]
EVERY_START = every_start(STARTS)


@pytest.mark.parametrize(("granule", "level", "size", "x"), EVERY_START)
def test_start_level(granule: str, level: int, size: int, x: int) -> None:
    assert vmsa.start_level(64 - size, GRANULES[granule]) == level


@pytest.mark.parametrize(("granule", "level", "size", "x"), EVERY_START)
def test_table_base(granule: str, level: int, size: int, x: int) -> None:
    """Bits 5:2 of TTBR are bits 51:48 of the address, so that a table is aligned to 64 bytes at the least."""
    lowest = max(x, 6)
    for top in range(16):
        ttbr = 0xABCD << 48 | (1 << 48) - 1 & ~0b111100 | top << 2
        expected = top << 48 | ((1 << 48) - 1) >> lowest << lowest
        assert vmsa.table_base(ttbr, 64 - size, GRANULES[granule], FORMS[granule]) == expected


def test_stage_2_starts_at_level_minus_1_by_sl2() -> None:
    """VTCR_EL2.SL2 is bit 33, SL0 bits 7:6; with 4 KiB they are 0b100 for level -1."""
    assert stage2_tables.first_level(1 << 33, 12) == -1
    assert [stage2_tables.first_level(sl0 << 6, 12) for sl0 in range(4)] == [2, 1, 0, 3]
    assert [stage2_tables.first_level(sl0 << 6, 14) for sl0 in range(4)] == [3, 2, 1, 0]
    assert (
        stage2_tables.first_table(0x5 << 48 | 0xA << 2 | 0x4000_0000, 4, vmsa.LPA2) == 0xA << 48 | 0x4000_0000
    )
    assert stage2_tables.first_table(0x5 << 48 | 0x4000_0010, 0, vmsa.BITS_48) == 0x4000_0010


# -- descriptors ---------------------------------------------------------------------------------------------

COVERED = {
    ("4KB", -1): 256 * TIB,
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
BLOCKS = {("4KB", 0), ("4KB", 1), ("4KB", 2), ("16KB", 1), ("16KB", 2), ("64KB", 1), ("64KB", 2)}
"""The levels at which a block may be, with 52-bit output addresses."""


@pytest.mark.parametrize(("granule", "level"), list(COVERED))
def test_what_a_descriptor_covers_and_is(granule: str, level: int) -> None:
    bits, form = GRANULES[granule], FORMS[granule]
    assert 1 << vmsa.level_shift(level, bits) == COVERED[granule, level]
    leaf = 0b11 if level == 3 else 0b01
    assert vmsa.is_leaf(leaf, level, bits, form) == (level == 3 or (granule, level) in BLOCKS)
    assert not vmsa.is_leaf(0b01 if level == 3 else 0b11, level, bits, form)
    assert vmsa.is_table(0b11, level) == (level < 3)


def addresses(size: int) -> list[int]:
    """Addresses of 52 bits, aligned to a size: some numbers, and one for each bit."""
    return [0, 0xF_8765_4321_0000 // size * size, (1 << 52) - size] + [
        1 << bit for bit in range(size.bit_length() - 1, 52)
    ]


@pytest.mark.parametrize("granule", list(GRANULES))
def test_the_table_that_a_descriptor_points_to(granule: str) -> None:
    form = FORMS[granule]
    no_address = (1 << 64) - 1 & ~descriptor_of(form, (1 << 52) - 1)
    for address in addresses(1 << GRANULES[granule]):
        for others in (0b11, no_address):
            assert vmsa.next_table(descriptor_of(form, address) | others, GRANULES[granule], form) == address


@pytest.mark.parametrize(("granule", "level"), sorted(BLOCKS | {(granule, 3) for granule in GRANULES}))
def test_the_memory_that_a_leaf_maps(granule: str, level: int) -> None:
    """The bits between the attributes and the address of a block are none of the address."""
    form, size = FORMS[granule], COVERED[granule, level]
    no_address = (1 << 64) - 1 & ~descriptor_of(form, (1 << 52) - size)
    for address in addresses(size):
        for others in (0b01, no_address):
            descriptor = descriptor_of(form, address) | others
            assert vmsa.output_base(descriptor, level, GRANULES[granule], form) == address


def test_an_entry_of_stage_2_has_all_bits_of_its_page() -> None:
    page = 0xF_8765_4321_0000
    assert stage2_tables.page_of_entry(stage2_tables.entry_of(0b11, page, 12)) == page
