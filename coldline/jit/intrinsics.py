# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations for compiled code that Python lacks: memory accesses by address, comparisons of 32 bytes, and counts of
leading and trailing zeros.

Imported only to compile.
"""

import inspect
from collections.abc import Callable
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


_BYTES = 32


def _load_bytes(builder: Any, address: Any) -> Any:
    """Load 32 bytes."""
    loaded = builder.load(builder.inttoptr(address, ir.VectorType(ir.IntType(8), _BYTES).as_pointer()))
    loaded.align = 1
    return loaded


def _each_byte(builder: Any, byte: Any) -> Any:
    """Repeat the lowest byte of a number in 32 bytes."""
    kind, word = ir.VectorType(ir.IntType(8), _BYTES), ir.IntType(32)
    one = builder.insert_element(
        ir.Constant(kind, ir.Undefined), builder.trunc(byte, ir.IntType(8)), ir.Constant(word, 0)
    )
    return builder.shuffle_vector(
        one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(word, _BYTES), [0] * _BYTES)
    )


def _mask(comparison: str, second: Callable[[Any, Any], Any], kind: Any) -> Any:
    @intrinsic
    def mask(context: Any, address: Any, other: Any) -> Any:
        def code(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            found = builder.icmp_unsigned(
                comparison, _load_bytes(builder, arguments[0]), second(builder, arguments[1])
            )
            return builder.zext(builder.bitcast(found, ir.IntType(_BYTES)), ir.IntType(64))

        return types.uint64(types.uintp, kind), code

    return mask


mask_equal, mask_below = _mask("==", _each_byte, types.uint64), _mask("<", _each_byte, types.uint64)
"""Which of the 32 bytes at an address are a byte, or are below it: the first is the lowest bit."""

mask_same = _mask("==", _load_bytes, types.uintp)
"""Which of the 32 bytes at one address are those at another address."""

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
