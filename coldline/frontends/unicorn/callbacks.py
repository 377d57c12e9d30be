# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled callbacks as a loaded program: their addresses for the emulator, and some to call from here."""

import ctypes

from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.frontends.unicorn.state import ENGINE_CALLS, State
from coldline.jit import code_cache


def module(package: str) -> str:
    """The module of the callbacks in a folder of `coldline.frontends.unicorn`."""
    return f"coldline.frontends.unicorn.{package}.hooks"


class Code:
    """The callbacks of one instruction set, bound to a state.

    Parameters
    ----------
    state : State
        What they work on.
    package : str
        The folder that they are in: ``aarch64`` or ``aarch32``.

    Attributes
    ----------
    addresses : dict of str to int
        Where each function is.
    unpack : callable
        Spreads events from words at an address, so many, into columns at an address: `emit.unpack`.
    """

    def __init__(self, state: State, package: str) -> None:
        for name in ENGINE_CALLS:
            state[name] = ctypes.cast(getattr(unicorn_module.uclib, name), ctypes.c_void_p).value or 0
        self.addresses = code_cache.load_code(module(package))
        self._state = state.pointer
        self.unpack = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(
            self.addresses["unpack_events"]
        )
        self._settle = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.addresses["settle_held"])
        self._rescan = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.addresses["rescan_tables"])
        self._add_root = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_bool)(self.addresses["add_root"])
        self._switch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
            self.addresses["switch_sctlr"]
        )

    def settle(self) -> None:
        """Append the alias change that is held back."""
        self._settle(self._state)

    def rescan(self) -> None:
        """Count all leaves of the guest's tables anew, and say what has changed."""
        self._rescan(self._state)

    def add_root(self, *, upper: bool) -> None:
        """Take the tables of TTBR0 (or TTBR1, where `upper`) as live."""
        self._add_root(self._state, upper)

    def switch(self, sctlr: int, before: int) -> None:
        """Say that the guest's SCTLR was `before` and is `sctlr`."""
        self._switch(self._state, sctlr, before)
