# SPDX-License-Identifier: GPL-2.0-or-later
"""Armv7 long descriptors where they differ from VMSAv8-64, against tables of the Arm ARM DDI 0406C (B3.6)."""

import pytest

from coldline.arm import MemoryType, lpae, vmsa

GIB, MIB = 1 << 30, 1 << 20


@pytest.mark.parametrize("upper", [False, True], ids=["TTBR0", "TTBR1"])
@pytest.mark.parametrize(
    # TxSZ, bits of input address, first level, n of TTBR[39:n] ("n is 5 - TxSZ, or 14 - TxSZ from a TxSZ of 2 on")
    ("size", "bits", "level", "lowest"),
    [
        (0, 32, 1, 5),
        (1, 31, 1, 4),
        (2, 30, 2, 12),
        (3, 29, 2, 11),
        (4, 28, 2, 10),
        (5, 27, 2, 9),
        (6, 26, 2, 8),
        (7, 25, 2, 7),
    ],
)
def test_the_first_table(upper: bool, size: int, bits: int, level: int, lowest: int) -> None:
    ttbcr = (size << 16 | 5) if upper else (5 << 16 | size)
    assert lpae.input_bits(ttbcr, upper) == bits
    assert vmsa.start_level(bits, lpae.GRANULE) == level
    # bit 4 is not of an address either: two entries, of 16 bytes, are on a 32-byte boundary in Armv8
    every_bit = (1 << 40) - 1
    assert vmsa.table_base(every_bit | 0x55 << 48, bits, lpae.GRANULE, vmsa.BITS_48) == every_bit >> max(
        lowest, 5
    ) << max(lowest, 5)


# T0SZ, T1SZ, TTBR0's addresses, TTBR1's: "Selecting between TTBR0 and TTBR1, Long-descriptor" (B3.6.4)
SELECTION = [
    (0, 0, (0, 0xFFFF_FFFF), None),
    (0, 1, (0, 0x7FFF_FFFF), (0x8000_0000, 0xFFFF_FFFF)),
    (0, 2, (0, 0xBFFF_FFFF), (0xC000_0000, 0xFFFF_FFFF)),
    (1, 0, (0, 0x7FFF_FFFF), (0x8000_0000, 0xFFFF_FFFF)),
    (2, 0, (0, 0x3FFF_FFFF), (0x4000_0000, 0xFFFF_FFFF)),
    (1, 2, (0, 0x7FFF_FFFF), (0xC000_0000, 0xFFFF_FFFF)),
    (7, 7, (0, 0x01FF_FFFF), (0xFE00_0000, 0xFFFF_FFFF)),
]


@pytest.mark.parametrize(("size0", "size1", "lower", "higher"), SELECTION)
def test_which_tables_translate(
    size0: int, size1: int, lower: tuple[int, int], higher: tuple[int, int] | None
) -> None:
    ttbcr = 1 << 31 | size1 << 16 | size0
    ends = [*lower, *(higher or ()), lower[1] + 1, (higher or lower)[0] - 1, 0x8000_0000]
    for address in (each for each in ends if 0 <= each <= 0xFFFF_FFFF):
        expected = lpae.NEITHER
        if lower[0] <= address <= lower[1]:
            expected = 0
        elif higher is not None and higher[0] <= address <= higher[1]:
            expected = 1
        assert lpae.half(ttbcr, address) == expected, hex(address)


def test_where_ttbr1s_tables_begin() -> None:
    assert lpae.lowest_address(2 << 16, True) == 0xC000_0000
    assert lpae.lowest_address(2, True) == 0  # T1SZ 0: the tables cover all 4 GiB
    assert lpae.lowest_address(2 << 16, False) == 0


def test_the_two_registers_of_attributes() -> None:
    """Linux's MAIR0 0xeeaa4400 and MAIR1 0xff000004 (linux arch/arm/include/asm/pgtable-3level.h: L_PTE_MT_*)."""
    mair = lpae.mair(0xEEAA4400, 0xFF000004)
    found = [MemoryType(vmsa.attribute_type(mair, index)).word for index in range(8)]
    assert found[:5] == ["device", "normal-nc", "normal-wt", "normal-wb", "device"]
    assert found[7] == "normal-wb"


def test_ttbcr_has_the_rest_where_tcr_has_it() -> None:
    """EPD0 7, IRGN0 9:8, ORGN0 11:10, EPD1 23, IRGN1 25:24, ORGN1 27:26 (B4.1.153)."""
    linux = 1 << 31 | 0b01 << 8 | 0b01 << 10 | 0b10 << 24 | 0b01 << 26
    assert MemoryType(vmsa.walk_type(linux, False)).word == "normal-wb"
    assert MemoryType(vmsa.walk_type(linux, True)).word == "normal-wt"
    assert [vmsa.walks_disabled(1 << 23, upper) for upper in (False, True)] == [False, True]


def test_compiled_functions_say_the_same() -> None:
    import numba

    import coldline.mmu.formats  # noqa: F401  # makes them known to the compiler

    def everything(ttbcr: int, address: int) -> int:
        found = lpae.lowest_address(ttbcr, True) << 12 | lpae.input_bits(ttbcr, False) << 6
        return (found | lpae.input_bits(ttbcr, True)) * 4 + lpae.half(ttbcr, address)

    compiled = numba.njit("i8(i8, i8)")(everything)
    for size0, size1, lower, higher in SELECTION:
        for address in (*lower, *(higher or ()), 0x8000_0000):
            ttbcr = 1 << 31 | size1 << 16 | size0
            assert compiled(ttbcr, address) == everything(ttbcr, address)


def test_what_descriptors_cover() -> None:
    covered = [1 << vmsa.level_shift(level, lpae.GRANULE) for level in (1, 2, 3)]
    assert covered == [GIB, 2 * MIB, 4096]
    # 40 bits of address: a block at level 1, and all its lower bits
    assert vmsa.output_base(0xFF_C000_0000 | 0x3FFF_FFFD, 1, lpae.GRANULE, vmsa.BITS_48) == 0xFF_C000_0000
