# SPDX-License-Identifier: GPL-2.0-or-later
"""The type of a fuzz target."""

from collections.abc import Callable
from typing import NamedTuple

from .bounds import Run

MOST_BYTES = 1 << 14
"""The most bytes of an input, unless a target sets another limit."""


class Target(NamedTuple):
    """A fuzzed function, its seeds and its limits.

    Attributes
    ----------
    run : callable
        Takes an input. It may raise a `ColdlineError`, and nothing else.
    seeds : callable
        Returns inputs to start from.
    words : tuple of bytes
        Parts of inputs that random changes hardly produce.
    most_bytes : int
        The most bytes of an input.
    weight : int
        Its share of many runs, less for a slow target.
    round : int
        The most runs of one process.
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
