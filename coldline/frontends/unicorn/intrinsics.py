# SPDX-License-Identifier: GPL-2.0-or-later
"""What compiled callbacks need besides `coldline.jit.intrinsics`: calls of the emulator's C functions by address.

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
    """Calls a C function that takes `kinds` and returns an int; `variadic` where more could follow in C."""

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
"""uc_emu_stop at an address."""

call_register = _call(types.voidptr, types.int32, types.uintp)
"""uc_reg_read or uc_reg_write at an address."""

call_control = _call(types.voidptr, types.int32, variadic=True)
"""uc_ctl at an address, with a control that takes nothing."""
