# SPDX-License-Identifier: GPL-2.0-or-later
"""Entry points into compiled code for every user of this package, compiled for the user's record.

Imported only to compile.
"""

from typing import Any

from numba import carray, cfunc, types

from coldline.events import appending
from coldline.mmu import tables, translation
from coldline.mmu.switch_events import switch


def entries_for(record: Any) -> dict[str, Any]:
    """Compile the entries for a kind of record.

    Parameters
    ----------
    record : numba type
        A pointer to a record that has the fields of `coldline.events.words` and `coldline.mmu.view`.
    """

    @cfunc(types.void(record))
    def settle(user: Any) -> None:
        appending.append_held_change(carray(user, (1,))[0])

    @cfunc(types.void(types.uintp, types.int64, types.uintp, types.uintp))
    def unpack(words: int, events: int, rows: int, marks: int) -> None:
        appending.unpack(words, events, rows, marks)

    @cfunc(types.void(record, types.boolean))
    def recount(user: Any, keeps: bool) -> None:
        tables.recount(carray(user, (1,))[0], keeps, False)

    @cfunc(types.void(record, types.boolean))
    def add_root(user: Any, upper: bool) -> None:
        tables.register_root(carray(user, (1,))[0], upper)

    @cfunc(types.void(record, types.int64, types.int64))
    def switch_sctlr(user: Any, sctlr: int, before: int) -> None:
        switch(carray(user, (1,))[0], sctlr, before)

    @cfunc(types.int64(record, types.int64))
    def locate(user: Any, address: int) -> int:
        return translation.locate(carray(user, (1,))[0], address)

    return {each.__name__: each for each in (settle, unpack, recount, add_root, switch_sctlr, locate)}
