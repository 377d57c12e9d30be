# SPDX-License-Identifier: GPL-2.0-or-later
"""What compiled callbacks need besides `coldline.native`: C functions at an address, and what tables mean.

Imported only to compile.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from coldline.arm import vmsa
from coldline.boot.state import agent_of
from coldline.native import (
    compiled,
    int64,
    load8,
    load16,
    load32,
    load64,
    store8,
    store16,
    store32,
    store64,
    stream64,
    uint64,
)

__all__ = [
    "call_control",
    "call_register",
    "call_stop",
    "compiled",
    "int64",
    "load8",
    "load16",
    "load32",
    "load64",
    "store8",
    "store16",
    "store32",
    "store64",
    "stream64",
    "uint64",
]


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


for _function in (
    vmsa.nibble_type,
    vmsa.attribute_type,
    vmsa.walk_type,
    vmsa.granule_bits,
    vmsa.input_bits,
    vmsa.in_range,
    vmsa.walks_disabled,
    vmsa.start_level,
    vmsa.level_shift,
    vmsa.table_base,
    vmsa.is_valid,
    vmsa.is_table,
    vmsa.is_leaf,
    vmsa.next_table,
    vmsa.output_base,
    vmsa.attribute_index,
    vmsa.leaf_never,
    vmsa.table_never,
    vmsa.executable,
    agent_of,
):
    register_jitable(_function)
