# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows stores: in the tables of every view and of every stage 2, and in the copy of RAM.

`m` is the record of a machine, `s` that of a view: see `coldline.frontends.qemu.state`. Imported only to compile.
"""

from typing import Any

import numpy as np

from coldline.frontends.qemu.state import REGIMES
from coldline.frontends.qemu.views import gather_from, leave_view, view_of
from coldline.jit.intrinsics import (
    compiled,
    int64,
    load8,
    load64,
    store8,
    store16,
    store32,
    store64,
    uint64,
)
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index
from coldline.mmu.stores import table_write
from coldline.mmu.tables import recount
from coldline.mmu.translation import translate
from coldline.mmu.view import ADDRESS_MASK, STAGE2

_PAGE_SIZE = 1 << PAGE_SHIFT


@compiled
def gather_users(m: Any, t: Any) -> None:
    """Move the events of the views below which a stage 2 is, after a change of it.

    For intermediate addresses that it did not map before, and for tables of a view that are in another page now,
    leaves of the views are counted anew. A stage 2 that maps nothing any more is that of a guest that is gone.
    """
    for index in range(t.user_count):
        view = view_of(load64(t.users + uint64(8 * index)))
        if t.grown and view.virtual:
            recount(view, True, False)
        gather_from(m, view)
        if t.emptied:
            view.virtual = uint64(0)
            known = m.views + uint64(8) * (view.vcpu * uint64(REGIMES) + uint64(1))
            if load64(known) == load64(t.users + uint64(8 * index)):
                store64(known, uint64(0))
    t.grown = uint64(0)
    if t.emptied:
        t.virtual = uint64(0)


@compiled
def _other_tables(m: Any, current: Any, address: int, size: int, value: int, page: int) -> None:
    """Follow a store to tables in every view; the present one comes last, and may hold a change back."""
    for index in range(m.view_count):
        at = load64(m.all_views + uint64(8 * index))
        if at != current:
            other = view_of(at)
            if other.virtual and load8(other.marks + uint64(page)):
                leave_view(m)
                table_write(other, address, size, value, page)
                if other.format == uint64(STAGE2):
                    gather_users(m, other)
                else:
                    gather_from(m, other)


@compiled
def _remember(s: Any, address: int, size: int, value: Any) -> None:
    """Store into the copy of RAM."""
    for bank in range(s.banks):
        offset = uint64(address) - s.bank_base[bank]
        if offset < s.bank_size[bank]:
            at = s.bank_pointer[bank] + offset
            if size == 8:
                store64(at, value)
            elif size == 4:
                store32(at, np.uint32(value))
            elif size == 2:
                store16(at, np.uint16(value))
            else:
                store8(at, np.uint8(value))


@compiled
def physical_of(s: Any, virtual: int) -> int:
    """The physical address that the tables of a view give; -1 if none."""
    tagged = translate(s, virtual)
    return tagged & ADDRESS_MASK if tagged >= 0 else -1


@compiled
def follow_store(m: Any, s: Any, virtual: int, address: int, size: int, value: Any) -> None:
    """Follow a store: in tables, and in the copy of RAM."""
    inside = _PAGE_SIZE - (address & PAGE_MASK)
    if size <= inside:
        follow_store_in_page(m, s, address, size, value)
        return
    following = translate(s, virtual + inside)
    for index in range(size):
        byte = (value >> uint64(8 * index)) & uint64(0xFF)
        if index < inside:
            follow_store_in_page(m, s, address + index, 1, byte)
        elif following >= 0:
            follow_store_in_page(m, s, (following & ADDRESS_MASK) + index - inside, 1, byte)


@compiled
def follow_store_in_page(m: Any, s: Any, address: int, size: int, value: Any) -> None:
    """Follow a store within a page."""
    page = page_index(s, address)
    if page < 0:
        return
    _other_tables(m, m.current, address, size, int64(value), page)
    if s.virtual and load8(s.marks + uint64(page)):
        table_write(s, address, size, int64(value), page)
    _remember(s, address, size, value)
