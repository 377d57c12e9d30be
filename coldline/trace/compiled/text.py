# SPDX-License-Identifier: GPL-2.0-or-later
"""The loops over text that Python calls; compiled."""

from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from coldline.jit.intrinsics import uint64
from coldline.jit.shared_record import record_of
from coldline.trace.compiled import frame, reading, writing

_READING = types.CPointer(from_dtype(np.dtype(record_of(frame.READING))))

_WRITING = types.CPointer(from_dtype(np.dtype(record_of(frame.WRITING))))


@cfunc(types.void(_READING))
def take_lines(frame_at: Any) -> None:
    """Make events of lines: see `reading.make_events`."""
    reading.make_events(carray(frame_at, (1,))[0])


@cfunc(types.void(_READING, types.uintp, types.uintp, types.uint64, types.uint64))
def learn_shape(frame_at: Any, head: int, tail: int, lengths: int, word: int) -> None:
    """Keep a shape: see `reading.put_shape`."""
    reading.put_shape(carray(frame_at, (1,))[0], uint64(head), uint64(tail), uint64(lengths), uint64(word))


@cfunc(types.void(_WRITING))
def write_events(frame_at: Any) -> None:
    """Write events: see `writing.write_text`."""
    writing.write_text(carray(frame_at, (1,))[0])


@cfunc(types.void(_WRITING, types.uint64, types.uint64, types.uint64))
def learn_kind(frame_at: Any, kind: int, place: int, lengths: int) -> None:
    """Keep a kind of events: see `writing.put_kind`."""
    writing.put_kind(carray(frame_at, (1,))[0], uint64(kind), uint64(place), uint64(lengths))


EXPORTS = {each.__name__: each for each in (take_lines, learn_shape, write_events, learn_kind)}
