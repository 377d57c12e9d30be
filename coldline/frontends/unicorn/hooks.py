# SPDX-License-Identifier: GPL-2.0-or-later
"""The callbacks that both instruction sets share, compiled: every access of the guest becomes an event.

The emulator asks for each translation (UC_TLB_VIRTUAL), so the callbacks do every table walk. The physical address
that they return has the access's memory type in a tag, which the memory callbacks then get.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.events.op import Op
from coldline.frontends.unicorn.accesses import access, leave_it, note_peers_tables, pass_barriers
from coldline.frontends.unicorn.added_events import reach
from coldline.frontends.unicorn.barriers import append_barrier, append_barriers
from coldline.frontends.unicorn.state import CallbackRecord
from coldline.jit.intrinsics import int64, load8, uint64
from coldline.mmu.entries import entries_for
from coldline.mmu.memory import PAGE_MASK, PAGE_SHIFT, page_index
from coldline.mmu.stores import table_write
from coldline.mmu.view import ADDRESS_MASK, NOWHERE

STATE = types.CPointer(from_dtype(np.dtype(CallbackRecord)))
"""The type of the state that the emulator passes to a callback."""

_READ, _WRITE, _ISB = int(Op.READ), int(Op.WRITE), int(Op.ISB)
_PAGE_SIZE = 1 << PAGE_SHIFT


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, STATE))
def on_read(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """Called before a load."""
    s = carray(user, (1,))[0]
    leave_it(uc, s)
    pass_barriers(uc, s)
    if page_index(s, int64(tagged & uint64(ADDRESS_MASK))) >= 0:
        access(uc, s, tagged, size, _READ)


@cfunc(types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, STATE))
def on_write(uc: Any, kind: int, tagged: int, size: int, value: int, user: Any) -> None:
    """Called before a store."""
    s = carray(user, (1,))[0]
    leave_it(uc, s)
    pass_barriers(uc, s)
    s.effects += uint64(1)
    address = int64(tagged & uint64(ADDRESS_MASK))
    page = page_index(s, address)
    if page >= int64(s.flash_pages):
        if s.virtual and load8(s.marks + uint64(page)):
            table_write(s, address, min(size, _PAGE_SIZE - (address & PAGE_MASK)), value, page)
        if s.peers:
            note_peers_tables(s, page)
        s.sweep = uint64(0)
        access(uc, s, tagged, size, _WRITE)


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, STATE))
def on_place(uc: Any, at: int, size: int, user: Any) -> None:
    """Called before an instruction at which operations are added, or whose executions are counted."""
    reach(carray(user, (1,))[0], at)


@cfunc(types.void(STATE, types.boolean))
def leave_block(user: Any, synchronises: bool) -> None:
    """Append the barriers of the block that was executed; and an ISB, if an exception is taken after it."""
    s = carray(user, (1,))[0]
    append_barriers(s, uint64(NOWHERE))
    if synchronises and s.orders:
        append_barrier(s, _ISB)


EXPORTS = {
    "on_read": on_read,
    "on_write": on_write,
    "on_place": on_place,
    "leave_block": leave_block,
    **entries_for(STATE),
}
