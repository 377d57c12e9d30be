# SPDX-License-Identifier: GPL-2.0-or-later
"""VMSAv8-64 stage 2: decodes what its translation tables and their registers have of their own.

Functions on plain integers, as in `coldline.arm.vmsa`, which has what both stages share. A leaf is kept as one
number, an *entry*: `Entry` has its fields. Source: Arm ARM DDI 0487, 'Translation table descriptor formats', and the
register descriptions of VTCR_EL2 and VTTBR_EL2.
"""

from typing import Final

from coldline.arm import vmsa
from coldline.arm.fields import Field


class Hcr:
    """HCR_EL2 (Arm ARM DDI 0487, Hypervisor Configuration Register)."""

    VM: Final = Field(0, 0)
    FB: Final = Field(9, 9)
    DC: Final = Field(12, 12)
    TSW: Final = Field(22, 22)
    TGE: Final = Field(27, 27)
    E2H: Final = Field(34, 34)
    FWB: Final = Field(46, 46)


class Vtcr:
    """VTCR_EL2 (Arm ARM DDI 0487, Virtualization Translation Control Register); the rest is as in `Tcr` and
    `TcrEl2`.
    """

    SL0: Final = Field(7, 6)
    SL2: Final = Field(33, 33)


class Vttbr:
    """VTTBR_EL2 (Arm ARM DDI 0487, Virtualization Translation Table Base Register)."""

    BADDR: Final = Field(47, 1)
    VMID: Final = Field(63, 48)


class Stage2Descriptor:
    """A leaf of stage 2."""

    MEM_ATTR: Final = Field(5, 2)
    XN: Final = Field(54, 53)


class Entry:
    """What a leaf of stage 2 says of one page. 0 stands for no leaf."""

    VALID: Final = Field(0, 0)
    MEM_ATTR: Final = Field(4, 1)
    NEVER: Final = Field(5, 5)
    """Whether nothing may be executed there."""
    SHIFT: Final = Field(11, 6)
    """log2 of the bytes of the leaf."""
    PAGE: Final = Field(51, 12)


_SL0, _SL2 = Vtcr.SL0.lsb, Vtcr.SL2.mask
_MEM_ATTR, _XN = Stage2Descriptor.MEM_ATTR.lsb, Stage2Descriptor.XN.lsb
_NO_CODE = 2
_E_MEM_ATTR, _E_NEVER, _E_SHIFT, _E_PAGE = (
    Entry.MEM_ATTR.lsb,
    Entry.NEVER.lsb,
    Entry.SHIFT.lsb,
    Entry.PAGE.mask,
)
_E_ATTRIBUTES = Entry.MEM_ATTR.mask >> Entry.MEM_ATTR.lsb
_E_SHIFT_ONES = Entry.SHIFT.mask >> Entry.SHIFT.lsb


def first_level(vtcr: int, granule: int) -> int:
    """The level of the first table, by VTCR_EL2.SL0 and SL2, and a granule of 2^`granule` bytes."""
    sl0 = vtcr >> _SL0 & 3
    if granule == 12:
        if vtcr & _SL2:  # with addresses of 52 bits alone
            return -1
        return 3 if sl0 == 3 else 2 - sl0
    return 3 - sl0


def first_table(vttbr: int, entries_bits: int, form: int) -> int:
    """The physical address of the first table, or of those that are concatenated: 2^`entries_bits` descriptors."""
    return vmsa.base_address(vttbr, max(entries_bits + 3, 4), form)


def entry_of(descriptor: int, base: int, shift: int) -> int:
    """The entry of a leaf that maps 2^`shift` bytes from the physical address `base` on.

    XN is one bit (54), or two with FEAT_XNX, of which 0b10 forbids all execution, as the one bit does.
    """
    never = 1 if descriptor >> _XN & 3 == _NO_CODE else 0
    return base | shift << _E_SHIFT | never << _E_NEVER | (descriptor >> _MEM_ATTR & 15) << _E_MEM_ATTR | 1


def page_of_entry(entry: int) -> int:
    """The physical address of an entry's page."""
    return entry & _E_PAGE


def attributes_of_entry(entry: int) -> int:
    """MemAttr[3:0] of an entry."""
    return entry >> _E_MEM_ATTR & _E_ATTRIBUTES


def runs_code(entry: int) -> bool:
    """Whether an entry allows execution."""
    return not entry >> _E_NEVER & 1


def shift_of_entry(entry: int) -> int:
    """log2 of the bytes of an entry's leaf."""
    return entry >> _E_SHIFT & _E_SHIFT_ONES
