# SPDX-License-Identifier: GPL-2.0-or-later
"""Armv7's short-descriptor stage 1: decodes its translation tables.

Functions on plain integers, with the same parameters as those of `coldline.arm.vmsa`. A descriptor maps 1 MiB at the
first level and 4 KiB at the second: a supersection and a large page are 16 descriptors, and each maps its part.
Source: Arm ARM DDI 0406C B3.5 (tables), B3.7 (access), B3.8 (memory types). The core is assumed to have the
Multiprocessing Extensions and PXN.
"""

from coldline.arm.fields import FirstLevel, SctlrV7, SecondLevel, ShortDescriptor, Ttbcr, Ttbr
from coldline.arm.vmsa import DEVICE, NORMAL_NC, NORMAL_WB, NORMAL_WT, region_type

FIRST_LEVEL = 1
LAST_LEVEL = 2
DESCRIPTOR_SIZE = 4
"""Bytes of a descriptor."""

NO_ACCESS, CLIENT, MANAGER = 0, 1, 3
"""The values of a domain's field in DACR; 2 is reserved."""

_N = Ttbcr.N.mask
_PD0, _PD1 = Ttbcr.PD0.mask, Ttbcr.PD1.mask
_TYPE, _B, _C = ShortDescriptor.TYPE.mask, ShortDescriptor.B.mask, ShortDescriptor.C.mask
_FAULT, _TABLE, _LARGE_PAGE, _LEAF = 0, 1, 1, 2
_TABLE_ADDRESS = FirstLevel.TABLE_ADDRESS.mask
_SECTION_ADDRESS = FirstLevel.SECTION_ADDRESS.mask
_SUPERSECTION, _SUPERSECTION_ADDRESS = FirstLevel.SUPERSECTION.mask, FirstLevel.SUPERSECTION_ADDRESS.mask
_WITHIN_SUPERSECTION = _SECTION_ADDRESS & ~_SUPERSECTION_ADDRESS
_BITS_35_32, _BITS_39_36 = FirstLevel.SUPERSECTION_35_32, FirstLevel.SUPERSECTION_39_36
_35_32_LSB, _39_36_LSB = _BITS_35_32.lsb, _BITS_39_36.lsb
_SMALL_ADDRESS, _LARGE_ADDRESS = SecondLevel.SMALL_ADDRESS.mask, SecondLevel.LARGE_ADDRESS.mask
_WITHIN_LARGE = _SMALL_ADDRESS & ~_LARGE_ADDRESS
_FIRST_TEX, _SMALL_TEX, _LARGE_TEX = FirstLevel.TEX.lsb, SecondLevel.SMALL_TEX.lsb, SecondLevel.LARGE_TEX.lsb
_DOMAIN = FirstLevel.DOMAIN.lsb
_FIRST_XN, _SMALL_XN, _LARGE_XN = FirstLevel.XN.lsb, SecondLevel.SMALL_XN.lsb, SecondLevel.LARGE_XN.lsb
_PXN, _TABLE_PXN = FirstLevel.PXN.lsb, FirstLevel.TABLE_PXN.lsb
_FIRST_AF, _SECOND_AF = FirstLevel.ACCESS_FLAG.mask, SecondLevel.ACCESS_FLAG.mask
_TRE, _AFE = SctlrV7.TRE.mask, SctlrV7.AFE.mask
_IRGN_1, _IRGN_0, _RGN = Ttbr.IRGN_1.lsb, Ttbr.IRGN_0.lsb, Ttbr.RGN.lsb
_FIRST_OUTER = 16


def is_upper(ttbcr: int, address: int) -> bool:
    """Whether TTBR1's tables translate an address: one of its top TTBCR.N bits is set (B3.5.4)."""
    n = ttbcr & _N
    return n != 0 and (address & 0xFFFFFFFF) >> (32 - n) != 0


def walks_disabled(ttbcr: int, upper: bool) -> bool:
    """TTBCR.PD1 or PD0: a miss there is a translation fault."""
    return bool(ttbcr & (_PD1 if upper else _PD0))


def walk_types(ttbr: int) -> tuple[int, int]:
    """The inner and the outer `MemoryType`, as ints, of reads of the tables: IRGN and RGN of their TTBR."""
    inner = ((ttbr >> _IRGN_1) & 1) << 1 | (ttbr >> _IRGN_0) & 1
    outer = (ttbr >> _RGN) & 3
    return region_type(inner, inner), region_type(outer, outer)


def walk_type(ttbr: int) -> int:
    """The weaker of `walk_types`."""
    inner, outer = walk_types(ttbr)
    return min(inner, outer)


def input_bits(ttbcr: int, upper: bool) -> int:
    """The number of address bits that the tables translate: 32 for TTBR1, though TTBR0 has part of the range."""
    return 32 if upper else 32 - (ttbcr & _N)


def level_shift(level: int) -> int:
    """log2 of the bytes that one descriptor of `level` covers."""
    return 20 if level == FIRST_LEVEL else 12


def table_base(ttbr: int, bits: int) -> int:
    """The physical address of the first table, for `bits` of input address: aligned to its size."""
    return ttbr & 0xFFFFFFFF & ~((1 << (bits - 18)) - 1)


def is_valid(descriptor: int) -> bool:
    """Whether a descriptor maps or points to anything."""
    return descriptor & _TYPE != _FAULT


def is_table(descriptor: int, level: int) -> bool:
    """Whether a descriptor points to a table of the second level."""
    return level == FIRST_LEVEL and descriptor & _TYPE == _TABLE


def is_leaf(descriptor: int, level: int) -> bool:
    """Whether a descriptor maps memory: a section or supersection, a large or a small page."""
    return bool(descriptor & _LEAF) if level == FIRST_LEVEL else descriptor & _TYPE != _FAULT


def next_table(descriptor: int) -> int:
    """The physical address of the table that a descriptor points to."""
    return descriptor & _TABLE_ADDRESS


def output_base(descriptor: int, level: int, address: int) -> int:
    """The physical address of the first byte that a leaf maps; it is the descriptor of virtual `address`."""
    if level == FIRST_LEVEL:
        if not descriptor & _SUPERSECTION:
            return descriptor & _SECTION_ADDRESS
        high = ((descriptor >> _39_36_LSB) & 0xF) << 4 | (descriptor >> _35_32_LSB) & 0xF
        return high << 32 | descriptor & _SUPERSECTION_ADDRESS | address & _WITHIN_SUPERSECTION
    if descriptor & _TYPE == _LARGE_PAGE:
        return descriptor & _LARGE_ADDRESS | address & _WITHIN_LARGE
    return descriptor & _SMALL_ADDRESS


def _tex_shift(descriptor: int, level: int) -> int:
    if level == FIRST_LEVEL:
        return _FIRST_TEX
    return _LARGE_TEX if descriptor & _TYPE == _LARGE_PAGE else _SMALL_TEX


def leaf_type(descriptor: int, level: int, sctlr: int, prrr: int, nmrr: int) -> int:
    """The `MemoryType`, as an int, of a leaf: by TEX, C and B, or remapped by PRRR and NMRR where SCTLR.TRE is set.

    Reserved and IMPLEMENTATION DEFINED values are taken as Device.
    """
    tex = (descriptor >> _tex_shift(descriptor, level)) & 7
    c, b = 1 if descriptor & _C else 0, 1 if descriptor & _B else 0
    if sctlr & _TRE:
        return remapped_type((tex & 1) << 2 | c << 1 | b, prrr, nmrr)
    return tex_type(tex, c, b)


def tex_type(tex: int, c: int, b: int) -> int:
    """The type that TEX, C and B name without remap (B3.8.2)."""
    if tex & 4:
        return region_type(c << 1 | b, tex & 3)
    if tex == 0 and c:
        return NORMAL_WB if b else NORMAL_WT
    if tex == 1 and c == b:
        return NORMAL_WB if c else NORMAL_NC
    return DEVICE


def remapped_type(n: int, prrr: int, nmrr: int) -> int:
    """The type of remap region `n`, {TEX[0], C, B}: PRRR's TRn, and NMRR's IRn and ORn for Normal memory.

    Region 6 is IMPLEMENTATION DEFINED; here its fields decide, as for the others.
    """
    if (prrr >> (2 * n)) & 3 != 2:
        return DEVICE
    return region_type((nmrr >> (2 * n)) & 3, (nmrr >> (_FIRST_OUTER + 2 * n)) & 3)


def leaf_never(descriptor: int, level: int) -> int:
    """A leaf's execute-never bits: 1 for PXN, 2 for XN. A page's PXN is in the table descriptor above it."""
    if level == FIRST_LEVEL:
        return ((descriptor >> _FIRST_XN) & 1) << 1 | (descriptor >> _PXN) & 1
    if descriptor & _TYPE == _LARGE_PAGE:
        return ((descriptor >> _LARGE_XN) & 1) << 1
    return ((descriptor >> _SMALL_XN) & 1) << 1


def table_never(descriptor: int) -> int:
    """The execute-never bits that a first-level table descriptor imposes on the pages below it: PXN."""
    return (descriptor >> _TABLE_PXN) & 1


def domain(descriptor: int, level: int) -> int:
    """The domain of a first-level descriptor and all below it; a supersection is in domain 0."""
    if not is_table(descriptor, level) and descriptor & _SUPERSECTION:
        return 0
    return (descriptor >> _DOMAIN) & 0xF


def domain_access(dacr: int, number: int) -> int:
    """`NO_ACCESS`, `CLIENT` (permissions and XN count) or `MANAGER` (they do not)."""
    return (dacr >> (2 * number)) & 3


def is_accessed(descriptor: int, level: int, sctlr: int) -> bool:
    """Whether a leaf's access flag allows its use: if SCTLR.AFE is set, AP[0] is that flag; else always."""
    return not sctlr & _AFE or bool(descriptor & (_FIRST_AF if level == FIRST_LEVEL else _SECOND_AF))


def executable(never: int) -> bool:
    """Whether any code may be fetched there: Armv7's XN forbids it at both privilege levels, PXN at one.

    This holds for long descriptors, too.
    """
    return not never & 2
