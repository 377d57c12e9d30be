# SPDX-License-Identifier: GPL-2.0-or-later
"""The loops over text that Python calls; compiled."""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.jit.intrinsics import uint64
from coldline.jit.shared_record import record_of
from coldline.trace.compiled import frame, reading

_READING = types.CPointer(from_dtype(np.dtype(record_of(frame.READING))))


@cfunc(types.void(_READING))
def take_lines(frame_at: Any) -> None:
    """Make events of lines: see `reading.make_events`."""
    reading.make_events(carray(frame_at, (1,))[0])


@cfunc(types.void(_READING, types.uintp, types.uintp, types.uint64, types.uint64))
def learn_shape(frame_at: Any, head: int, tail: int, lengths: int, word: int) -> None:
    """Keep a shape: see `reading.put_shape`."""
    reading.put_shape(carray(frame_at, (1,))[0], uint64(head), uint64(tail), uint64(lengths), uint64(word))


EXPORTS = {"take_lines": take_lines, "learn_shape": learn_shape}
