# SPDX-License-Identifier: GPL-2.0-or-later
"""The callbacks that both instruction sets share, compiled: every access of the guest becomes an event.

The emulator asks us for each translation (UC_TLB_VIRTUAL), so every table walk is ours to see, and the
physical address that we answer with carries the access's memory type in a tag that memory callbacks get back.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.events.op import Op
from coldline.frontends.unicorn.accesses import access, leave_it
from coldline.frontends.unicorn.emit import page_index, settle, switch, unpack
from coldline.frontends.unicorn.intrinsics import int64, load8, uint64
from coldline.frontends.unicorn.state import ADDRESS_MASK, Record
from coldline.mmu.tables import register_root, rescan, table_write
from coldline.mmu.translation import PAGE_MASK

STATE = types.CPointer(from_dtype(np.dtype(Record)))
"""The type of what the emulator hands to a callback."""

_READ, _WRITE = int(Op.READ), int(Op.WRITE)


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, STATE))
def on_read(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """A load is about to happen."""
    s = carray(user, (1,))[0]
    leave_it(uc, s)
    if page_index(s, int64(tagged & uint64(ADDRESS_MASK))) >= 0:
        access(uc, s, tagged, size, _READ)


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, STATE))
def on_write(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """A store is about to happen."""
    s = carray(user, (1,))[0]
    leave_it(uc, s)
    address = int64(tagged & uint64(ADDRESS_MASK))
    page = page_index(s, address)
    if page >= int64(s.flash_pages):
        if s.virtual and load8(s.marks + uint64(page)):
            table_write(s, address, min(size, 4096 - (address & PAGE_MASK)), value, page)
        s.sweep = uint64(0)
        access(uc, s, tagged, size, _WRITE)


# What the driver calls between runs -------------------------------------------------------------------------


@cfunc(types.void(STATE))
def settle_held(user: Any) -> None:
    """See `tables.settle`."""
    settle(carray(user, (1,))[0])


@cfunc(types.void(STATE))
def rescan_tables(user: Any) -> None:
    """See `tables.rescan`."""
    rescan(carray(user, (1,))[0])


@cfunc(types.void(STATE, types.boolean))
def add_root(user: Any, upper: bool) -> None:
    """See `tables.register_root`."""
    register_root(carray(user, (1,))[0], upper)


@cfunc(types.void(STATE, types.int64, types.int64))
def switch_sctlr(user: Any, sctlr: int, before: int) -> None:
    """See `tables.switch`."""
    switch(carray(user, (1,))[0], sctlr, before)


@cfunc(types.void(types.uintp, types.int64, types.uintp))
def unpack_events(words: int, events: int, rows: int) -> None:
    """See `emit.unpack`."""
    unpack(words, events, rows)


EXPORTS = {
    function.__name__: function
    for function in (
        on_read,
        on_write,
        settle_held,
        rescan_tables,
        add_root,
        switch_sctlr,
        unpack_events,
    )
}
