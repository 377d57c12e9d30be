# SPDX-License-Identifier: GPL-2.0-or-later
"""VMSAv8-64 stage 1: decodes translation tables and the registers that control them.

Functions on plain integers, so that Numba can compile them as they are, into an emulator's callbacks.
Source: Arm ARM DDI 0487, 'Translation process', 'Translation table descriptor formats', 'Memory
region attributes', and the register descriptions of MAIR_ELx, TCR_ELx and TTBRn_ELx.
"""

from coldline.arm.fields import Descriptor, Tcr, TcrEl2
from coldline.arm.memory_types import MemoryType

DEVICE = int(MemoryType.DEVICE)
NORMAL_NC = int(MemoryType.NORMAL_NC)
NORMAL_WT = int(MemoryType.NORMAL_WT)
NORMAL_WB = int(MemoryType.NORMAL_WB)

LAST_LEVEL = 3

BITS_48, LPA, LPA2 = range(3)
"""How descriptors and TTBRs hold addresses: of 48 bits; of 52 with pages of 64 KiB (FEAT_LPA), or with smaller ones
(FEAT_LPA2)."""

_VALID = Descriptor.VALID.mask
_TABLE = Descriptor.TABLE.mask
_ADDRESS = Descriptor.ADDRESS.mask
_LPA_LSB, _LPA_ONES = Descriptor.LPA_ADDRESS.lsb, Descriptor.LPA_ADDRESS.get(Descriptor.LPA_ADDRESS.mask)
_LPA2_ADDRESS, _LPA2_TOP = Descriptor.LPA2_ADDRESS.mask, Descriptor.LPA2_TOP.mask
_LPA2_TOP_UP = 50 - Descriptor.LPA2_TOP.lsb
_PXN_LSB = Descriptor.PXN.lsb
_PXN_TABLE_LSB = Descriptor.PXN_TABLE.lsb
_ATTR_LSB = Descriptor.ATTR_INDEX.lsb
_EPD0 = Tcr.EPD0.mask
_EPD1 = Tcr.EPD1.mask
_UPPER_HALF = Tcr.T1SZ.lsb
_IPS_LSB, _PS_LSB = Tcr.IPS.lsb, TcrEl2.PS.lsb
_DS, _DS_EL2 = Tcr.DS.mask, TcrEl2.DS.mask
_SIZE_52 = 0b110
"""TCR's PS and IPS for addresses of 52 bits."""

_ADDRESS_AND_BELOW = (1 << 48) - 1


def nibble_type(nibble: int) -> int:
    """The type that one nibble of a MAIR attribute gives Normal memory (never called for Device).

    0b0100 is non-cacheable, 0b00RW and 0b10RW are write-through, 0b01RW and 0b11RW are write-back.
    """
    if nibble == 4:
        return NORMAL_NC
    return NORMAL_WB if nibble & 4 else NORMAL_WT


def attribute_type(mair: int, index: int) -> int:
    """The `MemoryType`, as an int, of attribute `index` of MAIR_ELx: the weaker of inner and outer."""
    attribute = (mair >> (8 * index)) & 0xFF
    outer, inner = attribute >> 4, attribute & 0xF
    if attribute == 0xF0:  # Tagged Normal memory (FEAT_MTE2)
        return NORMAL_WB
    if attribute == 0xA0:  # write-through with the XS attribute off (FEAT_XS)
        return NORMAL_WT
    if attribute == 0x40:  # non-cacheable with the XS attribute off (FEAT_XS)
        return NORMAL_NC
    if outer == 0 or inner == 0:
        return DEVICE
    return min(nibble_type(outer), nibble_type(inner))


def region_type(inner: int, outer: int) -> int:
    """The `MemoryType`, as an int, that two fields of two bits give Normal memory: the weaker of inner and outer.

    0 is non-cacheable, 2 write-through, 1 and 3 write-back.
    """
    if inner == 0 or outer == 0:
        return NORMAL_NC
    return NORMAL_WT if inner == 2 or outer == 2 else NORMAL_WB


def walk_types(tcr: int, upper: bool) -> tuple[int, int]:
    """The inner and the outer `MemoryType`, as ints, of reads of the tables: TCR's IRGN and ORGN.

    `upper` chooses the half of the address space: TTBR1's if true, else TTBR0's.
    """
    half = tcr >> _UPPER_HALF if upper else tcr
    inner, outer = (half >> 8) & 3, (half >> 10) & 3
    return region_type(inner, inner), region_type(outer, outer)


def walk_type(tcr: int, upper: bool) -> int:
    """The weaker of `walk_types`."""
    inner, outer = walk_types(tcr, upper)
    return min(inner, outer)


def granule_bits(tcr: int, upper: bool) -> int:
    """log2 of the translation granule in bytes; TG0 and TG1 are encoded differently."""
    if upper:
        tg1 = (tcr >> 30) & 3
        return 14 if tg1 == 1 else 16 if tg1 == 3 else 12
    tg0 = (tcr >> 14) & 3
    return 16 if tg0 == 1 else 14 if tg0 == 2 else 12


def address_form(tcr: int, granule: int, like_el1: bool) -> int:
    """How descriptors and TTBRs hold addresses: `BITS_48`, `LPA` or `LPA2`, by TCR's DS, or its PS for 64 KiB.

    `like_el1` is whether the register has these fields where TCR_EL1 has them, as TCR_EL2 with VHE.
    """
    if granule == 16:
        return LPA if tcr >> (_IPS_LSB if like_el1 else _PS_LSB) & 7 == _SIZE_52 else BITS_48
    return LPA2 if tcr & (_DS if like_el1 else _DS_EL2) else BITS_48


def most_input_bits(granule: int, form: int) -> int:
    """The most bits of input address that there can be: 52 with TCR's DS, and with pages of 64 KiB (FEAT_LVA)."""
    return 52 if form == LPA2 or granule == 16 else 48


def input_bits(tcr: int, upper: bool, most: int) -> int:
    """The number of address bits that the tables translate: 64 - TxSZ, from 16 to `most`."""
    size = 64 - ((tcr >> _UPPER_HALF if upper else tcr) & 0x3F)
    return min(max(size, 16), most)


def in_range(address: int, bits: int, upper: bool) -> bool:
    """Whether the tables of that half translate an address at all: bits 54 down to `bits` are all equal."""
    mask = (1 << (55 - bits)) - 1
    return (address >> bits) & mask == (mask if upper else 0)


def walks_disabled(tcr: int, upper: bool) -> bool:
    """TCR_EL1.EPD1 or EPD0: a miss in that half is a translation fault."""
    return bool(tcr & (_EPD1 if upper else _EPD0))


def start_level(bits: int, granule: int) -> int:
    """The level of the first table, -1 to 3, for `bits` of input address and a granule of 2^`granule` bytes."""
    return min(LAST_LEVEL + 1 - (bits - 4) // (granule - 3), LAST_LEVEL)


def level_shift(level: int, granule: int) -> int:
    """log2 of the bytes that one descriptor of `level` covers."""
    return granule + (LAST_LEVEL - level) * (granule - 3)


def base_address(ttbr: int, size_bits: int, form: int) -> int:
    """The physical address that a TTBR or VTTBR holds, of tables of 2^`size_bits` bytes.

    With 52 bits, bits 51:48 are in bits 5:2, and tables of less than 64 bytes are aligned as if they had these.
    """
    if form == BITS_48:
        return ttbr & _ADDRESS_AND_BELOW & ~((1 << size_bits) - 1)
    return (ttbr >> 2 & 15) << 48 | ttbr & _ADDRESS_AND_BELOW & ~((1 << max(size_bits, 6)) - 1)


def table_base(ttbr: int, bits: int, granule: int, form: int) -> int:
    """The physical address of the first table: TTBRx_ELx.BADDR, aligned to that table's size."""
    entries = bits - level_shift(start_level(bits, granule), granule)
    return base_address(ttbr, max(entries + 3, 5), form)


def is_valid(descriptor: int) -> bool:
    """Whether a descriptor maps or points to anything."""
    return bool(descriptor & _VALID)


def is_table(descriptor: int, level: int) -> bool:
    """Whether a valid descriptor points to a table of the next level."""
    return level < LAST_LEVEL and bool(descriptor & _TABLE)


def is_leaf(descriptor: int, level: int, granule: int, form: int) -> bool:
    """Whether a valid descriptor maps a block or a page; a reserved encoding maps nothing.

    With addresses of 52 bits, blocks may be one level higher up.
    """
    if level == LAST_LEVEL:
        return bool(descriptor & _TABLE)
    largest_block = 1 if granule == 12 else 2
    return not descriptor & _TABLE and level >= (largest_block if form == BITS_48 else largest_block - 1)


def _address(descriptor: int, size_bits: int, form: int) -> int:
    """The address that a descriptor holds, of a table or memory of 2^`size_bits` bytes."""
    below = (1 << size_bits) - 1
    if form == LPA2:
        return (descriptor & _LPA2_TOP) << _LPA2_TOP_UP | descriptor & _LPA2_ADDRESS & ~below
    top = (descriptor >> _LPA_LSB & _LPA_ONES) << 48 if form == LPA else 0
    return top | descriptor & _ADDRESS & ~below


def next_table(descriptor: int, granule: int, form: int) -> int:
    """The physical address of the table that a table descriptor points to."""
    return _address(descriptor, granule, form)


def output_base(descriptor: int, level: int, granule: int, form: int) -> int:
    """The physical address of the first byte that a leaf maps."""
    return _address(descriptor, level_shift(level, granule), form)


def attribute_index(descriptor: int) -> int:
    """A leaf's index into MAIR_ELx."""
    return (descriptor >> _ATTR_LSB) & 7


def leaf_never(descriptor: int) -> int:
    """A leaf's execute-never bits: 1 for PXN, 2 for UXN (XN in a regime without EL0)."""
    return (descriptor >> _PXN_LSB) & 3


def table_never(descriptor: int) -> int:
    """The execute-never bits that a table descriptor imposes on all below it: PXNTable, UXNTable."""
    return (descriptor >> _PXN_TABLE_LSB) & 3


def executable(never: int, level: int) -> bool:
    """Whether any code of the regime of exception level `level` may be fetched from there.

    At EL1 that is code of EL1 or EL0. EL2 without VHE and EL3 have one execute-never bit, at the place of UXN.
    """
    return not never & 2 if level >= 2 else never != 3
