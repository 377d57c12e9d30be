# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled callbacks as a loaded program: their addresses for the emulator, and some for calls from Python."""

import ctypes

from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.frontends.unicorn.state import ENGINE_CALLS, State
from coldline.jit import code_cache
from coldline.mmu.registers import TableCode


class Callbacks(TableCode):
    """The callbacks of one instruction set, for one core.

    Parameters
    ----------
    state : State
        The core's state.
    program : str
        The program of the callbacks (`coldline.jit.programs`).

    Attributes
    ----------
    addresses : dict of str to int
        The address of each function.
    """

    def __init__(self, state: State, program: str) -> None:
        for name in ENGINE_CALLS:
            state[name] = ctypes.cast(getattr(unicorn_module.uclib, name), ctypes.c_void_p).value or 0
        self.addresses = code_cache.load_code(program)
        super().__init__(state.pointer, self.addresses)
        self._leave_block = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_bool)(
            self.addresses["leave_block"]
        )

    def leave_block(self, *, synchronises: bool = False) -> None:
        """Append the barriers of the block that was executed last, if the run has barriers.

        With `synchronises`, also what the exception that follows it is: an ISB.
        """
        self._leave_block(self._record, synchronises)
