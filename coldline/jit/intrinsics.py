# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations for compiled code that Python lacks: memory accesses by address, and counts of leading and trailing
zeros.

Imported only to compile.
"""

import inspect
from types import ModuleType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable


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


def _count(name: str) -> Any:
    @intrinsic
    def count(context: Any, value: Any) -> Any:
        def code(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(arguments[0], ir.Constant(ir.IntType(1), 0))

        return types.uint64(types.uint64), code

    return count


@intrinsic
def record_like(context: Any, record: Any, address: Any) -> Any:
    """The record at an address, of the type of `record`."""

    def code(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[1], ctx.get_value_type(record))

    return record(record, types.uint64), code


@intrinsic
def prefetch(context: Any, address: Any) -> Any:
    """Prefetch the memory at an address into the cache."""

    def code(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, word, word, word]), "llvm.prefetch.p0"
        )
        to_read, often, data = (ir.Constant(word, value) for value in (0, 3, 1))
        builder.call(function, [builder.inttoptr(arguments[0], pointer), to_read, often, data])
        return ctx.get_dummy_value()

    return types.void(types.uintp), code


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

leading_zeros, trailing_zeros = _count("ctlz"), _count("cttz")
"""Count zero bits from one end of 64 bits; 64 if all are zero."""

int64: Any = np.int64
uint64: Any = np.uint64
"""Machine integers, in code that is only ever compiled."""

compiled = numba.njit(error_model="numpy", boundscheck=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles a function that other compiled functions call."""


def make_known(*modules: ModuleType) -> None:
    """Let compiled functions call the plain functions that `modules` define."""
    for module in modules:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                register_jitable(function)
