# SPDX-License-Identifier: GPL-2.0-or-later
"""The order in which a machine's vCPUs run: one at a time, for some instructions each."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

END_OF_TIME: Final = 0xFFFF_FFFF_FFFF_FFFF
"""More instructions than any run executes."""

Turns = Callable[[int], Iterator[tuple[int, int]]]
"""A schedule: takes the number of vCPUs and yields, without end, the next vCPU and its number of instructions.

A turn ends with the first block of code past this many.
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
