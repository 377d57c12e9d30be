# SPDX-License-Identifier: GPL-2.0-or-later
"""The type of a fuzz target."""

from collections.abc import Callable
from typing import NamedTuple

from .bounds import Run

MOST_BYTES = 1 << 14
"""Of an input, unless a target says otherwise."""


class Target(NamedTuple):
    """A fuzzed function and what it starts from.

    Attributes
    ----------
    run : callable
        Takes an input. It may raise a `ColdlineError`, and nothing else.
    seeds : callable
        Gives inputs to start from.
    words : tuple of bytes
        What inputs have in them that chance does not write.
    most_bytes : int
        Of an input.
    weight : int
        Its part of many runs: less for one that is slow.
    round : int
        Runs that one process makes at the most.
    reserves : bool
        Whether it reserves address space that it does not use, so that only what it uses can be limited.
    """

    run: Run
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()
    most_bytes: int = MOST_BYTES
    weight: int = 100
    round: int = 1_000_000
    reserves: bool = False
