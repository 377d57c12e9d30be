# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows writes of the registers that control a core's translations and caches, by calls of compiled code."""

import ctypes
from collections.abc import Mapping

from coldline.arm.fields import Sctlr
from coldline.jit.shared_record import SharedRecord
from coldline.mmu.view import ADDRESS_MASK, NOWHERE, WAITS_FOR_DSB, WAITS_FOR_ISB, View

Changes = dict[str, tuple[int, int]]
"""Registers that have changed, by their names in `view.REGISTERS`: the old and the new value."""

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64


class TableCode:
    """The functions of `coldline.mmu.entries`, to be called from Python.

    Parameters
    ----------
    record : int
        The address of the record that they work on.
    addresses : mapping of str to int
        The address of each function.

    Attributes
    ----------
    unpack : callable
        Unpacks a number of events from words at an address into rows at another, and marks their memory at a third,
        which may be 0 (`coldline.events.appending.unpack`).
    """

    def __init__(self, record: int, addresses: Mapping[str, int]) -> None:
        self._record = record
        self.unpack = ctypes.CFUNCTYPE(None, _POINTER, _NUMBER, _POINTER, _POINTER)(addresses["unpack"])
        self._settle = ctypes.CFUNCTYPE(None, _POINTER)(addresses["settle"])
        self._recount = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_bool)(addresses["recount"])
        self._add_root = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_bool)(addresses["add_root"])
        self._locate = ctypes.CFUNCTYPE(_NUMBER, _POINTER, _NUMBER)(addresses["locate"])
        self._switch = ctypes.CFUNCTYPE(None, _POINTER, _NUMBER, _NUMBER)(addresses["switch_sctlr"])

    def locate(self, address: int) -> int | None:
        """Return the physical address of a virtual one by the present tables, without events; None for a fault."""
        tagged = int(self._locate(self._record, address))
        return tagged & ADDRESS_MASK if tagged >= 0 else None

    def settle(self) -> None:
        """Append the alias change that is held back."""
        self._settle(self._record)

    def rescan(self, *, keeps: bool = False) -> None:
        """Count all leaves again from the present roots, and announce changes.

        With `keeps`, leaves that were removed last until the next TLB invalidation.
        """
        self._recount(self._record, keeps)

    def add_root(self, *, upper: bool) -> None:
        """Register the tables of TTBR0 (or TTBR1, where `upper`) as live."""
        self._add_root(self._record, upper)

    def switch(self, sctlr: int, before: int) -> None:
        """Announce that SCTLR changes from `before` to `sctlr`."""
        self._switch(self._record, sctlr, before)


def follow_registers(
    record: SharedRecord, view: View, code: TableCode, changes: Changes, *, remaps: int
) -> bool:
    """Follow a write that has changed registers of the core's exception level; `view` has the new values.

    Parameters
    ----------
    changes : dict
        The registers that have changed.
    remaps : int
        The bits of SCTLR that change the types of leaves.

    Returns
    -------
    bool
        Whether the write turned the MMU on.
    """
    sctlr = view.register("sctlr", record["el"])
    before = changes.get("sctlr", (sctlr, sctlr))[0]
    on, was_on = bool(Sctlr.M.get(sctlr)), bool(Sctlr.M.get(before))
    if on and (not was_on or (sctlr ^ before) & remaps or "tcr" in changes or "mair" in changes):
        code.rescan()
    elif on and ("ttbr0" in changes or "ttbr1" in changes):
        # The old root's mappings can be used until a TLB invalidation.
        code.add_root(upper="ttbr1" in changes)
        record["rescan"] = record["unseen"] = 1
        record["rescan_waits"] = record["rescan_waits"] & WAITS_FOR_DSB | WAITS_FOR_ISB
        record["rescan_low"], record["rescan_high"] = 0, NOWHERE
    record["virtual"] = on
    code.switch(sctlr, before)
    view.forget_translations()
    return on and not was_on
