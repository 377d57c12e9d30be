# SPDX-License-Identifier: GPL-2.0-or-later
"""The order in which a machine's vCPUs run: one at a time, for some instructions each."""

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

END_OF_TIME: Final = 0xFFFF_FFFF_FFFF_FFFF
"""More instructions than any run executes."""

DEFAULT_QUANTUM: Final = 1000
"""Instructions of a turn."""

Turns = Callable[[int], Iterator[tuple[int, int]]]
"""A schedule: takes the number of vCPUs and yields, without end, the next vCPU and its number of instructions.

A turn ends with the first block of code past this many, or with one that has a barrier or an exclusive access past
the `SYNCHRONISING_PART` of them.
"""

SYNCHRONISING_PART: Final = 2
"""The part of a turn, as its reciprocal, after which a barrier or an exclusive ends it.

So code full of them has at most twice as many turns. Each turn costs the emulator its translated code.
"""


def first_alone(vcpus: int) -> Iterator[tuple[int, int]]:
    """Run the first vCPU alone."""
    while True:
        yield 0, END_OF_TIME


def round_robin(quantum: int) -> Turns:
    """Make a schedule that runs every vCPU for `quantum` instructions in turn, the first one first."""

    def turns(vcpus: int) -> Iterator[tuple[int, int]]:
        return ((number % vcpus, quantum) for number in count())

    return turns


def random_turns(seed: int) -> Turns:
    """Make a schedule of random vCPUs for random numbers of instructions, up to twice `DEFAULT_QUANTUM`."""

    def turns(vcpus: int) -> Iterator[tuple[int, int]]:
        chance = random.Random(seed)
        while True:
            yield chance.randrange(vcpus), chance.randint(1, 2 * DEFAULT_QUANTUM)

    return turns


DEFAULT_TURNS: Final = round_robin(DEFAULT_QUANTUM)
