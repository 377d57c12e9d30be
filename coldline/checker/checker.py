# SPDX-License-Identifier: GPL-2.0-or-later
"""The check: takes events in any number, and says what they may have done to memory."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.interpreter import Follower
from coldline.checker.state.lines import Badness, runs_of
from coldline.checker.state.memory import gaps
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE
from coldline.events.batch import Batch
from coldline.rules.letters import Letter, Setting
from coldline.rules.line_rules import Hazard
from coldline.rules.subsets import READS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIVE = Letter.of_setting(Setting(data=True, fetch=False))


class Known(NamedTuple):
    """Bytes that are all in one state.

    Attributes
    ----------
    address, size : int
        Where they are, in bytes.
    state : int
        The automaton's state: ``coldline rules`` tells what it is.
    reads : dict of Letter to Hazard
        What each way to read them may find wrong now.
    """

    address: int
    size: int
    state: int
    reads: dict[Letter, Hazard]


class Checker(Follower):
    """Follows memory through a trace; see `Follower` for what it is made with and what it finds."""

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`.

        Raises
        ------
        TraceError
            If an event cannot be: ``where`` is its line in a text, or its number.
        """
        machine = self.machine(len(batch))
        if machine is not None:
            machine.feed(batch)
        else:
            for index in range(len(batch)):
                self.event(batch.event(index), int(batch.rows["where"][index]))

    def would_read(self, address: int, size: int) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """What a read of some pages through a cacheable alias could find wrong now; nothing changes by asking.

        Parameters
        ----------
        address, size : int
            Whole pages, in bytes.

        Yields
        ------
        address : int
            Of the first of some lines that lie end to end and may be wrong in the same way.
        lines : int
            How many.
        badness : tuple of Badness
            What is wrong with each of them.
        """
        first, end = address // PAGE_SIZE, (address + size) // PAGE_SIZE
        rows, covered = self.memory.dense_rows(first, end)
        found = list(self._would_read_rows(rows))
        for known in self.memory.ranges(first, end):
            badness = self.lines.wrong(self.lines.step(known.state, _LIVE), Letter.READ_WB)
            if badness:
                for gap_first, gap_end in gaps(covered, known.first, known.end):
                    lines = (gap_end - gap_first) * self.memory.lines_per_page
                    found.append((gap_first * PAGE_SIZE, lines, badness))
        yield from _join(sorted(found), self.profile.line)

    def states(self, address: int, size: int) -> Iterator[Known]:
        """What is known of the bytes from `address` on: each state once for all bytes in a row that are in it.

        Parameters
        ----------
        address, size : int
            In bytes; any.

        Raises
        ------
        ValueError
            If they reach out of physical memory.
        """
        end = address + size
        if address < 0 or size < 0 or end > ADDRESS_LIMIT:
            raise ValueError(f"{address:#x} + {size:#x} reaches out of physical memory")
        held: Known | None = None
        for start, stop, state in self._runs(address, end):
            start, stop = max(start, address), min(stop, end)
            if start >= stop:
                continue
            if held is not None and held.state == state:
                held = held._replace(size=stop - held.address)
                continue
            if held is not None:
                yield held
            reads = {letter: Hazard(int(self.lines.transitions.bad[letter, state])) for letter in READS}
            held = Known(start, stop - start, state, reads)
        if held is not None:
            yield held

    def _runs(self, address: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The states of the pages that hold bytes `address` to `end`, as (start, end, state)."""
        first, stop = address // PAGE_SIZE, -(-end // PAGE_SIZE)
        rows, covered = self.memory.dense_rows(first, stop)
        for known in self.memory.ranges(first, stop):
            at = known.first
            low, high = np.searchsorted(covered, (known.first, known.end))
            for page, row in zip(covered[low:high].tolist(), rows[low:high].tolist(), strict=True):
                if at < page:
                    yield at * PAGE_SIZE, page * PAGE_SIZE, known.state
                yield from self._row_runs(page * PAGE_SIZE, row)
                at = page + 1
            if at < known.end:
                yield at * PAGE_SIZE, known.end * PAGE_SIZE, known.state

    def _row_runs(self, base: int, row: int) -> Iterator[tuple[int, int, int]]:
        for index in range(self.memory.lines_per_page):
            start = base + index * self.profile.line
            runs = sorted(
                (low, high, state)
                for state, mask in self.lines.parts(row, index).items()
                for low, high in runs_of(mask)
            )
            for low, high, state in runs:
                yield start + low, start + high, state

    def _would_read_rows(self, rows: "NDArray[np.intp]") -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        machine = self.machine(rows.size * self.memory.lines_per_page)
        if machine is not None:
            yield from machine.would_read(rows, _LIVE, Letter.READ_WB)
            return
        for row in rows.tolist():
            base = self.memory.page(row) * PAGE_SIZE
            for index, bad in self.lines.would_read(row, _LIVE, Letter.READ_WB):
                yield base + index * self.profile.line, 1, bad


def _join(
    found: list[tuple[int, int, tuple[Badness, ...]]], line: int
) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
    """Join sorted runs of lines that lie end to end and are wrong in the same way."""
    held: tuple[int, int, tuple[Badness, ...]] | None = None
    for address, lines, badness in found:
        if held is not None and held[0] + held[1] * line == address and held[2] == badness:
            held = (held[0], held[1] + lines, badness)
        else:
            if held is not None:
                yield held
            held = (address, lines, badness)
    if held is not None:
        yield held
