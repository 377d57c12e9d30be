# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled program of `coldline.mmu.follower`, for a record with only this package's fields.

Imported only to compile.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.mmu import stores, translation
from coldline.mmu.entries import entries_for
from coldline.mmu.follower import FollowerRecord
from coldline.mmu.memory import page_index

_RECORD = types.CPointer(from_dtype(np.dtype(FollowerRecord)))


@cfunc(types.void(_RECORD, types.int64, types.int64, types.int64))
def store(user: Any, address: int, size: int, value: int) -> None:
    """Follow a store within one page, before memory has the new value."""
    s = carray(user, (1,))[0]
    page = page_index(s, address)
    if s.virtual and page >= 0:
        stores.table_write(s, address, size, value, page)


@cfunc(types.void(_RECORD))
def settle_half(user: Any) -> None:
    """Follow the store of the lower half of a descriptor that waits for its upper half."""
    stores.settle_half(carray(user, (1,))[0])


@cfunc(types.boolean(_RECORD, types.boolean, types.int64, types.int64))
def invalidate_tlb(user: Any, everything: bool, first: int, last: int) -> bool:
    """Follow a TLB invalidation."""
    s = carray(user, (1,))[0]
    blocks = stores.tlb_invalidated(s, everything, first, last, True)
    translation.forget_translations(s)
    return blocks


@cfunc(types.int64(_RECORD, types.int64))
def translate(user: Any, address: int) -> int:
    """Translate a virtual address."""
    return translation.translate(carray(user, (1,))[0], address)


EXPORTS = {
    **entries_for(_RECORD),
    **{each.__name__: each for each in (store, settle_half, invalidate_tlb, translate)},
}
