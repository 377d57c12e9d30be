# SPDX-License-Identifier: GPL-2.0-or-later
"""Armv7's long-descriptor stage 1 (LPAE), where it differs from VMSAv8-64 with a 4 KiB granule.

The descriptors, the levels, the cacheability of walks (TTBCR's IRGN and ORGN) and EPD0 and EPD1 are those of
`coldline.arm.vmsa`, to be called with `GRANULE`. Functions on plain integers, as there. Source: Arm ARM
DDI 0406C B3.6.
"""

from coldline.arm.fields import Ttbcr

GRANULE = 12
"""log2 of the translation granule in bytes."""

_SIZE = Ttbcr.T0SZ.mask
_UPPER = Ttbcr.T1SZ.lsb
_ADDRESSES = 1 << 32

NEITHER = -1


def half(ttbcr: int, address: int) -> int:
    """The TTBR whose tables translate an address: 0, 1, or `NEITHER` for a translation fault (B3.6.4)."""
    size0, size1 = ttbcr & _SIZE, (ttbcr >> _UPPER) & _SIZE
    address &= _ADDRESSES - 1
    if size1 == 0 and size0 == 0:
        return 0
    if size0 and size1 == 0:
        return 0 if address < _ADDRESSES >> size0 else 1
    if address >= _ADDRESSES - (_ADDRESSES >> size1):
        return 1
    return 0 if address < _ADDRESSES >> size0 else NEITHER


def input_bits(ttbcr: int, upper: bool) -> int:
    """The number of address bits that the tables translate: 32 - TxSZ."""
    return 32 - ((ttbcr >> _UPPER if upper else ttbcr) & _SIZE)


def lowest_address(ttbcr: int, upper: bool) -> int:
    """The virtual address that the first descriptor of a half's tables translates.

    TTBR1's tables cover the whole address space where T1SZ is 0, though TTBR0 has part of it.
    """
    return _ADDRESSES - (1 << input_bits(ttbcr, True)) if upper else 0


def mair(mair0: int, mair1: int) -> int:
    """MAIR0 and MAIR1 as the one register of eight attributes that `vmsa.attribute_type` takes."""
    return mair1 << 32 | mair0
