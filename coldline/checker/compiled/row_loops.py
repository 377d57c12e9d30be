# SPDX-License-Identifier: GPL-2.0-or-later
"""The loops that apply one letter to all lines of some rows; compiled."""

from typing import Any

from numba import carray, cfunc, from_dtype, types

from coldline.checker.compiled import frame
from coldline.checker.compiled.pages import through, through_known
from coldline.jit.intrinsics import load64, store64, uint64

_0, _1, _3 = (uint64(number) for number in (0, 1, 3))
_DONE = uint64(frame.DONE)
_POINTER = types.CPointer(from_dtype(frame.FRAME))


@cfunc(types.void(_POINTER, types.uintp, types.uintp, types.uint64, types.uint64, types.uint64))
def step_rows(frame_at: Any, rows: int, lines: int, count: int, letter: int, is_fetch: int) -> None:
    """Apply `letter` to all lines of `count` rows, of each from the line on that is in `lines`, if that is not 0.

    `f.row_at` is the row to continue at.
    """
    f = carray(frame_at, (1,))[0]
    f.status = _DONE
    while f.row_at < uint64(count):
        if lines and f.done == _0:
            f.done = load64(uint64(lines) + (f.row_at << _3))
        if not through(f, load64(uint64(rows) + (f.row_at << _3)), uint64(letter), is_fetch != 0):
            return
        f.row_at += _1


@cfunc(types.void(_POINTER, types.uintp, types.uintp, types.uint64, types.uint64))
def step_known(frame_at: Any, rows: int, lines: int, count: int, letter: int) -> None:
    """Apply `letter` to the lines of `count` rows whose new values are known: see `through_known`.

    `lines` gets the first line of each row that is left.
    """
    f = carray(frame_at, (1,))[0]
    for number in range(count):
        at = uint64(number) << _3
        store64(uint64(lines) + at, through_known(f, load64(uint64(rows) + at), uint64(letter)))
