# SPDX-License-Identifier: GPL-2.0-or-later
"""What compiled callbacks need and Python lacks: memory at an address, and C functions at an address.

Imported only to compile.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from coldline.arm import vmsa
from coldline.boot.state import agent_of


def _load(bits: int) -> Any:
    kind = getattr(types, f"uint{bits}")

    @intrinsic
    def load(context: Any, address: Any) -> Any:
        def code(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))

        return kind(types.uintp), code

    return load


def _store(bits: int) -> Any:
    kind = getattr(types, f"uint{bits}")

    @intrinsic
    def store(context: Any, address: Any, value: Any) -> Any:
        def code(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()))
            return ctx.get_dummy_value()

        return types.void(types.uintp, kind), code

    return store


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


@intrinsic
def stream64(context: Any, address: Any, value: Any) -> Any:
    """Store 8 bytes past the caches."""

    def code(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        store = builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return ctx.get_dummy_value()

    return types.void(types.uintp, types.uint64), code


load8, load16, load32, load64 = (_load(bits) for bits in (8, 16, 32, 64))
store8, store16, store32, store64 = (_store(bits) for bits in (8, 16, 32, 64))

int64: Any = np.int64
uint64: Any = np.uint64
"""Machine integers, in code that is only ever compiled."""

compiled = numba.njit(error_model="numpy", boundscheck=False)
"""Compiles a function for the callbacks."""

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
