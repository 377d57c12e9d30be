# SPDX-License-Identifier: GPL-2.0-or-later
"""Armv7 short descriptors, against tables copied row by row from the Arm ARM DDI 0406C."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldline.arm import MemoryType, short

KIB, MIB = 1 << 10, 1 << 20
DEVICE, NC, WT, WB = "device", "normal-nc", "normal-wt", "normal-wb"
FIRST, SECOND = 1, 2

SECTION, SUPERSECTION = 0b10, 1 << 18 | 0b10
LARGE, SMALL = 0b01, 0b10
LEAVES = {
    # what B3.5.1's figures have: level, TEX's least bit, XN, the access flag AP[0]
    "supersection": (SUPERSECTION, FIRST, 12, 4, 10),
    "section": (SECTION, FIRST, 12, 4, 10),
    "large page": (LARGE, SECOND, 12, 15, 4),
    "small page": (SMALL, SECOND, 6, 0, 4),
}

TRE, AFE = 1 << 28, 1 << 29


def word(kind: int) -> str:
    return MemoryType(kind).word


# -- "TEX, C, and B encodings when TRE == 0" (B3.8.2) --------------------------------------------------------

TEX_C_B = {
    "000 0 0": DEVICE,  # Strongly-ordered
    "000 0 1": DEVICE,  # shareable Device
    "000 1 0": WT,  # no write-allocate
    "000 1 1": WB,  # no write-allocate
    "001 0 0": NC,
    "001 0 1": DEVICE,  # reserved
    "001 1 0": DEVICE,  # IMPLEMENTATION DEFINED
    "001 1 1": WB,  # write-allocate
    "010 0 0": DEVICE,  # non-shareable
    "010 0 1": DEVICE,  # reserved
    "010 1 0": DEVICE,  # reserved
    "010 1 1": DEVICE,  # reserved
    "011 0 0": DEVICE,  # reserved
    "011 0 1": DEVICE,  # reserved
    "011 1 0": DEVICE,  # reserved
    "011 1 1": DEVICE,  # reserved
}
"""Reserved values are UNPREDICTABLE, and taken as a type that no cache may hold."""

CACHEABILITY = {0b00: NC, 0b01: WB, 0b10: WT, 0b11: WB}
"""AA and BB of TEX 0b1BB; NMRR's fields; TTBR's IRGN and RGN."""


def weaker(one: int, other: int) -> str:
    return min((CACHEABILITY[one], CACHEABILITY[other]), key=(NC, WT, WB).index)


EVERY_TEX = {tuple(int(part, 2) for part in row.split()): kind for row, kind in TEX_C_B.items()} | {
    (0b100 | outer, inner >> 1, inner & 1): weaker(inner, outer) for outer in range(4) for inner in range(4)
}


@pytest.mark.parametrize("leaf", list(LEAVES))
def test_memory_types_without_remap(leaf: str) -> None:
    bits, level, tex_lsb, _, _ = LEAVES[leaf]
    assert len(EVERY_TEX) == 32
    for (tex, c, b), kind in EVERY_TEX.items():
        descriptor = bits | tex << tex_lsb | c << 3 | b << 2
        assert word(short.leaf_type(descriptor, level, 0, 0xFFFFFFFF, 0xFFFFFFFF)) == kind, (tex, c, b)


# -- TEX remap (B3.8.3, and the descriptions of PRRR and NMRR) ------------------------------------------------

REMAPPED = {0b00: DEVICE, 0b01: DEVICE, 0b11: DEVICE}
"""PRRR.TRn: Strongly-ordered, Device, reserved; 0b10 is Normal, and NMRR says which."""


@pytest.mark.parametrize("leaf", list(LEAVES))
@pytest.mark.parametrize("n", range(8))
def test_memory_types_with_remap(leaf: str, n: int) -> None:
    bits, level, tex_lsb, _, _ = LEAVES[leaf]
    # {TEX[0], C, B} is n; TEX[2:1] are the system's own
    descriptor = bits | (0b110 | n >> 2) << tex_lsb | (n >> 1 & 1) << 3 | (n & 1) << 2
    for kind in range(4):
        for inner in range(4):
            for outer in range(4):
                prrr = 0xFFFFFFFF & ~(3 << 2 * n) | kind << 2 * n
                nmrr = 0xFFFFFFFF & ~(3 << 2 * n | 3 << 16 + 2 * n) | inner << 2 * n | outer << 16 + 2 * n
                expected = REMAPPED.get(kind, weaker(inner, outer))
                assert word(short.leaf_type(descriptor, level, TRE, prrr, nmrr)) == expected


LINUX = {
    # arch/arm/include/asm/pgtable-2level.h: L_PTE_MT_*, whose PTE is {TEX[0], C, B}
    0b000: DEVICE,  # UNCACHED: strongly ordered
    0b001: NC,  # BUFFERABLE
    0b010: WT,  # WRITETHROUGH
    0b011: WB,  # WRITEBACK
    0b100: DEVICE,  # DEV_SHARED
    0b111: WB,  # WRITEALLOC
}


def test_what_linux_sets() -> None:
    """PRRR 0xff0a81a8 and NMRR 0x40e040e0 (linux arch/arm/mm/proc-v7-2level.S) are as its page types say."""
    assert {n: word(short.remapped_type(n, 0xFF0A81A8, 0x40E040E0)) for n in LINUX} == LINUX


# -- what a descriptor is: "Short-descriptor translation table format descriptors" (B3.5.1) ------------------

REST = 0xFFFB_FFFC
"""All bits of a descriptor but its type, and that of a supersection."""


@pytest.mark.parametrize("rest", [0, REST])
def test_what_a_first_level_descriptor_is(rest: int) -> None:
    kinds = {0b00: "invalid", 0b01: "table", 0b10: "leaf", 0b11: "leaf"}  # 0b11: a section with PXN
    for bits, kind in kinds.items():
        descriptor = rest | bits
        assert short.is_valid(descriptor) == (kind != "invalid")
        assert short.is_table(descriptor, FIRST) == (kind == "table")
        assert short.is_leaf(descriptor, FIRST) == (kind == "leaf")


@pytest.mark.parametrize("rest", [0, REST])
def test_what_a_second_level_descriptor_is(rest: int) -> None:
    for bits in range(4):
        descriptor = rest | bits
        assert short.is_valid(descriptor) == (bits != 0)
        assert not short.is_table(descriptor, SECOND)
        assert short.is_leaf(descriptor, SECOND) == (bits != 0)


def test_what_a_descriptor_covers() -> None:
    assert 1 << short.level_shift(FIRST) == MIB
    assert 1 << short.level_shift(SECOND) == 4 * KIB
    # 4096 entries of 4 bytes at the first level, 256 at the second
    assert 1 << (32 - short.level_shift(FIRST)) == 4096
    assert 1 << (short.level_shift(FIRST) - short.level_shift(SECOND)) == 256
    assert short.DESCRIPTOR_SIZE == 4


def test_the_table_that_a_descriptor_points_to() -> None:
    assert short.next_table(0x8765_4400 | 0x3FC | 0b01) == 0x8765_4400
    assert short.next_table(0xFFFF_FFFD) == 0xFFFF_FC00


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
def test_the_memory_that_a_leaf_maps(descriptor: int, address: int) -> None:
    """PA[31:20] of a section, PA[39:24] of a supersection, PA[31:16] of a large page, PA[31:12] of a small one:
    the bits below are the virtual address's, down to where this descriptor's share begins.
    """
    section = descriptor & ~(1 << 18 | 3) | SECTION
    assert short.output_base(section, FIRST, address) == section >> 20 << 20
    supersection = descriptor & ~3 | SUPERSECTION
    physical = (descriptor >> 5 & 0xF) << 36 | (descriptor >> 20 & 0xF) << 32 | descriptor >> 24 << 24
    assert short.output_base(supersection, FIRST, address) == physical + (address >> 20 & 0xF) * MIB
    large = descriptor & ~3 | LARGE
    assert short.output_base(large, SECOND, address) == (large >> 16 << 16) + (address >> 12 & 0xF) * 4096
    small = descriptor & ~3 | SMALL
    assert short.output_base(small, SECOND, address) == small >> 12 << 12
    assert short.output_base(small | 1, SECOND, address) == small >> 12 << 12


# -- execute never, domains, the access flag (B3.7) ----------------------------------------------------------


@pytest.mark.parametrize("leaf", list(LEAVES))
def test_who_may_execute(leaf: str) -> None:
    bits, level, _, xn, flag = LEAVES[leaf]
    assert short.executable(short.leaf_never(bits, level))
    assert not short.executable(short.leaf_never(bits | 1 << xn, level))
    others = 0xFFFF_FFFF & ~(3 | 1 << xn | 1 << 18) | bits
    assert short.executable(short.leaf_never(others, level))
    if level == FIRST:
        assert short.leaf_never(bits | 1, level) == 1  # PXN is bit 0; unprivileged code may still
        assert short.executable(short.leaf_never(bits | 1, level))
    assert flag in (4, 10)


def test_pxn_of_pages_is_in_the_table_descriptor() -> None:
    assert short.table_never(0b101) == 1
    assert short.table_never(0xFFFF_FFF9) == 0
    assert short.executable(short.table_never(0b101))
    assert not short.executable(short.table_never(0b101) | short.leaf_never(0b11, SECOND))


@pytest.mark.parametrize("leaf", list(LEAVES))
def test_the_access_flag(leaf: str) -> None:
    bits, level, _, _, flag = LEAVES[leaf]
    assert short.is_accessed(bits, level, 0)
    assert not short.is_accessed(0xFFFF_FFFF & ~(1 << flag), level, AFE)
    assert short.is_accessed(bits | 1 << flag, level, AFE)


def test_domains() -> None:
    assert short.domain(0b1011 << 5 | SECTION, FIRST) == 0b1011
    assert short.domain(0b1011 << 5 | 0b01 | 1 << 18, FIRST) == 0b1011  # of a table, bit 18 is its address
    assert short.domain(0b1011 << 5 | SUPERSECTION, FIRST) == 0  # those bits are PA[39:36]
    dacr = 0b11 << 22 | 0b01
    assert [short.domain_access(dacr, number) for number in (0, 1, 11)] == [
        short.CLIENT,
        short.NO_ACCESS,
        short.MANAGER,
    ]


# -- "Selecting between TTBR0 and TTBR1" (B3.5.4), and how tables are read ------------------------------------

FIRST_OF_TTBR1 = {
    0: None,
    1: 0x8000_0000,
    2: 0x4000_0000,
    3: 0x2000_0000,
    4: 0x1000_0000,
    5: 0x0800_0000,
    6: 0x0400_0000,
    7: 0x0200_0000,
}
TTBR0_TABLE = {0: 16384, 1: 8192, 2: 4096, 3: 2048, 4: 1024, 5: 512, 6: 256, 7: 128}


@pytest.mark.parametrize("n", range(8))
def test_which_tables_translate(n: int) -> None:
    first = FIRST_OF_TTBR1[n]
    for address in (0, 0x01FF_FFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, *((first - 1, first) if first else ())):
        assert short.is_upper(n | 0x30, address) == (first is not None and address >= first)


@pytest.mark.parametrize("n", range(8))
def test_where_the_first_table_is(n: int) -> None:
    assert short.input_bits(n, upper=False) == 32 - n
    assert short.table_base(0xFFFF_FFFF, short.input_bits(n, upper=False)) == (1 << 32) - TTBR0_TABLE[n]
    assert short.table_base(0xFFFF_FFFF, short.input_bits(n, upper=True)) == 0xFFFF_C000


@pytest.mark.parametrize("irgn", list(CACHEABILITY))
@pytest.mark.parametrize("rgn", list(CACHEABILITY))
def test_how_tables_are_read(irgn: int, rgn: int) -> None:
    """With the Multiprocessing Extensions, IRGN[0] is bit 6 and IRGN[1] is bit 0."""
    ttbr = rgn << 3 | (irgn & 1) << 6 | irgn >> 1
    assert word(short.walk_type(ttbr)) == weaker(irgn, rgn)
    assert tuple(map(word, short.walk_types(ttbr))) == (CACHEABILITY[irgn], CACHEABILITY[rgn])
    assert word(short.walk_type(ttbr | 0xFFFF_FFA6)) == weaker(irgn, rgn)


def test_what_linux_walks_with() -> None:
    """TTB_FLAGS_SMP 0x6a: inner and outer write-back write-allocate (linux arch/arm/mm/proc-v7-2level.S)."""
    assert word(short.walk_type(0x8000_406A)) == WB


def test_walks_can_be_disabled() -> None:
    """TTBCR.PD0 is bit 4, PD1 bit 5."""
    assert [short.walks_disabled(1 << 4, upper) for upper in (False, True)] == [True, False]
    assert [short.walks_disabled(1 << 5, upper) for upper in (False, True)] == [False, True]


# -- compiled, they say the same -----------------------------------------------------------------------------

ALL_WORDS = [0, 0xFFFF_FFFF, 0x8765_4C0E, 0x1234_5678, 0x9ABC_DEF1, 0x0004_0002, 0x8056_7C12]


def test_compiled_functions_say_the_same() -> None:
    import numba

    import coldline.mmu.formats  # noqa: F401  # makes them known to the compiler

    def everything(descriptor: int, level: int, register: int, address: int) -> int:
        found = short.leaf_type(descriptor, level, register, register, address)
        found = found << 4 | short.leaf_never(descriptor, level) << 2 | short.table_never(descriptor)
        found = found << 8 | short.domain(descriptor, level) << 2 | short.domain_access(register, level)
        found = found << 3 | short.walk_type(register)
        found = found << 1 | (1 if short.is_accessed(descriptor, level, register) else 0)
        found = found << 1 | (1 if short.is_upper(register, address) else 0)
        found = found << 1 | (1 if short.executable(short.leaf_never(descriptor, level)) else 0)
        found ^= short.output_base(descriptor, level, address) << 2 | short.next_table(descriptor)
        return found ^ short.table_base(register, short.input_bits(register, False)) << 3

    compiled = numba.njit("i8(i8, i8, i8, i8)")(everything)
    for descriptor in ALL_WORDS:
        for register in ALL_WORDS:
            for level in (FIRST, SECOND):
                arguments = (descriptor, level, register, 0x8765_4321)
                assert compiled(*arguments) == everything(*arguments)
