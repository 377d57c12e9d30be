# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of the emulator's C functions by their addresses, for compiled callbacks.

Imported only to compile.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from coldline.arm import cp15
from coldline.jit.intrinsics import make_known

make_known(cp15)


def _call(*kinds: Any, variadic: bool = False) -> Any:
    """Call a C function that takes `kinds` and returns an int; `variadic` if it takes further arguments in C."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of_kinds = [context.get_value_type(kind) for kind in kinds]
        function = ir.FunctionType(ir.IntType(32), of_kinds, var_arg=variadic)
        return builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])

    signature = types.int32(types.uintp, *kinds)
    if len(kinds) == 1:
        return intrinsic(lambda context, at, engine: (signature, code))
    if len(kinds) == 2:
        return intrinsic(lambda context, at, engine, control: (signature, code))
    return intrinsic(lambda context, at, engine, register, value: (signature, code))


call_stop = _call(types.voidptr)
"""Calls uc_emu_stop, by its address."""

call_register = _call(types.voidptr, types.int32, types.uintp)
"""Calls uc_reg_read or uc_reg_write, by its address."""

call_control = _call(types.voidptr, types.int32, variadic=True)
"""Calls uc_ctl, by its address, with a control that has no arguments."""
