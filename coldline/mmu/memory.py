# SPDX-License-Identifier: GPL-2.0-or-later
"""RAM for compiled functions: banks of physical addresses, and pages numbered across all banks.

`s` is a record with the fields of `coldline.mmu.view`. Imported only to compile.
"""

from typing import Any

from coldline.jit.intrinsics import compiled, int64, uint64

PAGE_SHIFT = 12
PAGE_MASK = (1 << PAGE_SHIFT) - 1


@compiled
def page_index(s: Any, address: int) -> int:
    """Return the number of the RAM page at a physical address, counted over all banks, or -1 outside of RAM."""
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            return int64(s.bank_page[bank] + (offset >> uint64(PAGE_SHIFT)))
    return -1


@compiled
def page_address(s: Any, index: int) -> int:
    """Return the physical address of a RAM page."""
    address = uint64(0)
    for bank in range(s.banks):
        if uint64(index) >= s.bank_page[bank]:
            address = s.bank_base[bank] + ((uint64(index) - s.bank_page[bank]) << uint64(PAGE_SHIFT))
    return int64(address)
