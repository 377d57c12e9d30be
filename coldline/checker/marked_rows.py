# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies an event of all memory to what it may change: ranges of pages, and the dense pages that are marked."""

from functools import reduce
from operator import or_

from coldline.checker.dense_rows import Rows
from coldline.checker.state.check_state import CheckState
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event


def step_marked(state: CheckState, rows: Rows, event: Event, where: int, letter: int, bit: int) -> None:
    """Apply the letter of an event that checks nothing.

    Parameters
    ----------
    state : CheckState
        The check's state.
    rows : Rows
        The operations on whole rows of dense pages, of the same state.
    event : Event
        The event.
    where : int
        Its line in a text, or its number.
    letter : int
        The row of its letter.
    bit : int
        Its bit in marks: see `coldline.checker.state.marks`.
    """
    memory, lines = state.memory, state.lines
    if memory.changed:
        unsettled = lines.transitions.unsettled
        memory.ranges_unsettled = reduce(
            or_, (int(unsettled[known]) for _, known in memory.range_values()), 0
        )
        memory.changed = False
    if memory.ranges_unsettled & bit:
        memory.set_ranges(
            [
                known._replace(state=lines.step(known.state, letter))
                for known in memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE)
            ]
        )
    marked = memory.marks.take(bit)
    if marked.size:
        rows.read(event, where, letter, marked)
    state.by_letter[letter] += 1
