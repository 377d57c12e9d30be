# SPDX-License-Identifier: GPL-2.0-or-later
"""Operations for compiled code that compare 32 bytes at once.

Imported only to compile.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

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
