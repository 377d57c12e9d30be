# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache maintenance instructions of A64 and their encodings (Arm ARM DDI 0487 C5.3)."""

from coldline.arm.fields import SystemRegister

MAINTENANCE: dict[str, SystemRegister] = {
    "ic ialluis": SystemRegister(1, 0, 7, 1, 0),
    "ic iallu": SystemRegister(1, 0, 7, 5, 0),
    "ic ivau": SystemRegister(1, 3, 7, 5, 1),
    "dc zva": SystemRegister(1, 3, 7, 4, 1),
    "dc ivac": SystemRegister(1, 0, 7, 6, 1),
    "dc isw": SystemRegister(1, 0, 7, 6, 2),
    "dc csw": SystemRegister(1, 0, 7, 10, 2),
    "dc cisw": SystemRegister(1, 0, 7, 14, 2),
    "dc cvac": SystemRegister(1, 3, 7, 10, 1),
    "dc cvau": SystemRegister(1, 3, 7, 11, 1),
    "dc civac": SystemRegister(1, 3, 7, 14, 1),
}
"""Each operation by its name in a trace."""

BEYOND_COHERENCY = {
    "dc cvap": SystemRegister(1, 3, 7, 12, 1),
    "dc cvadp": SystemRegister(1, 3, 7, 13, 1),
}
"""Cleans to a point of persistence, which is past the point of coherency: for the caches, each is a ``dc cvac``."""

TLBI_CRN = 8
"""The CRn of every TLB invalidation (op0 is 1)."""
