# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations on rows, with compiled loops: see `coldline.checker.dense_rows`."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.compiled import frame
from coldline.checker.loops import Loops
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.found_runs import FoundRuns, ranges_of
from coldline.checker.state.lines import Badness
from coldline.checker.state.partitions import BLOCKS, OWN
from coldline.checker.state.transitions import NO_LETTER, NOTHING_DEFERRED
from coldline.events import Event, Op
from coldline.events.batch import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray


AT_ONCE_ROWS = 1 << 13
"""Rows from which several threads step them."""

STEPPED_BEFORE = 1 << 8
"""Rows that one thread steps before, from which the others know the new values of lines."""


class CompiledRows:
    """Applies letters to all lines of some rows, with compiled loops.

    Parameters
    ----------
    state : CheckState
        The state that has the rows.

    Attributes
    ----------
    loops : Loops
        The loops.
    """

    def __init__(self, state: CheckState) -> None:
        self._state = state
        self.loops = Loops(state)

    def read(self, event: Event, where: int, letter: int, rows: "NDArray[np.intp]") -> None:
        """Apply a checked letter of an event to all lines of some rows."""
        state = self._state
        for taken in self._step_rows(rows, letter, is_fetch=event.op is Op.FETCH):
            found = FoundRuns(taken, Batch.of([event], [where]), state.events)
            state.findings.add_found(found.counts(), found.findings)

    def would_read(
        self, rows: "NDArray[np.intp]", letter: int
    ) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """The hazards of `letter` in all lines of some rows, whose deferred letters are then cleared.

        It yields the same as `Rows.would_read`.
        """
        findings, deferred = self._state.findings, self._state.memory.deferred
        hazards = findings.hazards
        self.loops.registers["asking"] = 1
        try:
            for found in self._step_rows(rows, letter, is_fetch=False):
                yield from ranges_of(found)
        finally:
            self.loops.registers["asking"] = 0
            deferred[rows] = NOTHING_DEFERRED
            findings.hazards = hazards

    def flush(self, rows: "NDArray[np.intp]") -> None:
        """Apply the deferred letters of some rows."""
        for _ in self._step_rows(rows, NO_LETTER, is_fetch=False):
            raise AssertionError("no letter finds nothing")

    def share_equal_records(self) -> None:
        """Let lines with equal parts share a record.

        Raises
        ------
        TraceError
            If too many lines are unlike any other.
        """
        loops, partitions = self.loops, self._state.lines.partitions
        loops.update()
        if partitions.out_of_numbers:
            counts = np.zeros(OWN + 1, np.uint64)
            loops.call("count_lines", counts.ctypes.data)
            partitions.forget_unused(counts)
        blocks = int(partitions.pool[BLOCKS])
        loops.call("join")
        partitions.make_room(blocks, int(loops.registers["joined"]), int(loops.registers["made"]))

    def make_room(self, status: int) -> None:
        """Make the room that a loop lacked when it stopped with `status`."""
        if status == frame.CROWDED:
            self.share_equal_records()
        elif status == frame.GROW:
            self._state.memory.grow()
        elif status == frame.LEARN:
            registers = self.loops.registers
            row, index = int(registers["learn_row"]), int(registers["learn_index"])
            self._state.lines.learn(row, index, int(registers["learn_letter"]))

    def _step_rows(
        self, rows: "NDArray[np.intp]", letter: int, *, is_fetch: bool
    ) -> "Iterator[NDArray[np.void]]":
        """Apply a letter to all lines of some rows; yields what is found, as `Loops.take_found` gives it."""
        wanted = rows.astype(np.uint64)
        threads = len(os.sched_getaffinity(0))
        if threads > 1 and len(wanted) >= AT_ONCE_ROWS and self._remembers:
            yield from self._step_lines(wanted[:STEPPED_BEFORE], None, letter, is_fetch=is_fetch)
            wanted = wanted[STEPPED_BEFORE:]
            lines = self._step_known(wanted, letter, threads)
            left = lines < self._state.memory.lines_per_page
            yield from self._step_lines(wanted[left], lines[left], letter, is_fetch=is_fetch)
        else:
            yield from self._step_lines(wanted, None, letter, is_fetch=is_fetch)
        self.loops.forget_pages()

    @property
    def _remembers(self) -> bool:
        """Whether the loops remember lines' new values by their old ones."""
        registers = self.loops.registers
        return not registers["orders"] and not registers["asking"]

    def _step_known(self, rows: "NDArray[np.uint64]", letter: int, threads: int) -> "NDArray[np.uint64]":
        """Apply a letter to the lines whose new values are known, in several threads; return the first line left.

        The loops remember the values of lines without a hazard alone. So no hazard is found here, and those that
        are left are found in the order of their addresses.
        """
        lines = np.empty(len(rows), np.uint64)
        each = [
            (part.ctypes.data, of_part.ctypes.data, len(part), int(letter))
            for part, of_part in zip(
                np.array_split(rows, threads), np.array_split(lines, threads), strict=True
            )
        ]
        self.loops.call_at_once("step_known", each)
        return lines

    def _step_lines(
        self, rows: "NDArray[np.uint64]", lines: "NDArray[np.uint64] | None", letter: int, *, is_fetch: bool
    ) -> "Iterator[NDArray[np.void]]":
        """Apply a letter to all lines of some rows, or to those from the number in `lines` on."""
        loops = self.loops
        registers = loops.registers
        registers["row_at"], registers["done"], registers["at"] = 0, 0, 0
        first = 0 if lines is None else lines.ctypes.data
        while True:
            loops.update()
            loops.call("step_rows", rows.ctypes.data, first, len(rows), int(letter), is_fetch)
            found = loops.take_found()
            if len(found):
                yield found
            status = int(registers["status"])
            if status == frame.DONE:
                break
            self.make_room(status)
