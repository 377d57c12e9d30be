# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls Python before and after the accesses of a vCPU to a range of RAM, whatever their memory types."""

import ctypes
from collections.abc import Callable, Iterable
from typing import Any, Final

import unicorn
from unicorn import unicorn_const as const
from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.frontends.unicorn.state import DATA_TAG, TAGS
from coldline.frontends.unicorn.vcpu import Vcpu
from coldline.mmu.view import ADDRESS_MASK, TAG_SHIFT

LONGEST_ACCESS: Final = 64
"""Bytes: no access is longer, so none that starts farther below a range reaches it."""

ALL_TAGS: Final = (*range(TAGS), *(tag | DATA_TAG for tag in range(1, TAGS)))

BEFORE_READ, AFTER_READ, BEFORE_WRITE = (
    const.UC_HOOK_MEM_READ,
    const.UC_HOOK_MEM_READ_AFTER,
    const.UC_HOOK_MEM_WRITE,
)

_CALLBACK: Final = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
"""The emulator's ``uc_cb_hookmem_t``: the engine, the kind, the address, the size, the value, the user's pointer."""

Access = Callable[[int, int], None]
"""Takes the first and one past the last physical address of the part of an access that is in the range."""


def tags_of(vcpu: Vcpu, agent: int) -> list[int]:
    """The tags of the accesses that one of a vCPU's agents makes."""
    return [tag for tag in ALL_TAGS if vcpu.state.item("agent_of_tag", tag) == agent]


class LineHooks:
    """The calls that accesses to a range of physical addresses make; `remove` ends them.

    They come after the callbacks that make the events of accesses.

    Parameters
    ----------
    vcpu : Vcpu
        The vCPU whose accesses they are.
    kind : int
        `BEFORE_READ`, `AFTER_READ` or `BEFORE_WRITE`.
    start, end : int
        The range.
    call : callable
        Called with each access.
    tags : iterable of int
        The tags of the accesses that count.
    """

    def __init__(
        self, vcpu: Vcpu, kind: int, start: int, end: int, call: Access, tags: Iterable[int] = ALL_TAGS
    ) -> None:
        def on_access(_: Any, __: int, tagged: int, size: int, *___: Any) -> None:
            address = tagged & ADDRESS_MASK
            low, high = max(address, start), min(address + size, end)
            if low < high:
                call(low, high)

        self._emulator = vcpu.emulator
        self._callback = _CALLBACK(on_access)
        self._handles = [
            self._add(kind, max(start - LONGEST_ACCESS, 0) | tag << TAG_SHIFT, end - 1 | tag << TAG_SHIFT)
            for tag in tags
        ]

    def _add(self, kind: int, begin: int, end: int) -> ctypes.c_size_t:
        """Add a hook; the emulator's own binding has none after a load."""
        handle = ctypes.c_size_t()
        status = unicorn_module.uclib.uc_hook_add(
            self._emulator._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            self._callback,
            None,
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
        )
        if status != const.UC_ERR_OK:
            raise unicorn.UcError(status)
        return handle

    def remove(self) -> None:
        """End the calls."""
        for handle in self._handles:
            unicorn_module.uclib.uc_hook_del(self._emulator._uch, handle)
        self._handles.clear()
