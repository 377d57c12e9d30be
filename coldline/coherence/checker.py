# SPDX-License-Identifier: GPL-2.0-or-later
"""The check: takes events in any number, and says what they may have done to memory."""

from collections.abc import Iterator

import numpy as np

from coldline.coherence.follow import Follower, gaps
from coldline.coherence.lines import Badness
from coldline.coherence.rules import Letter, Setting
from coldline.trace import PAGE_SIZE
from coldline.trace.columns import Batch

STREAM_FROM = 20_000
"""Events in a batch from which loading machine code pays."""


class Checker(Follower):
    """Follows memory through a trace; see `Follower` for what it is made with and what it finds."""

    def feed(self, batch: Batch) -> None:
        """Take the events of `batch`.

        Raises
        ------
        TraceError
            If an event cannot be: ``where`` is its line in a text, or its number.
        """
        if len(batch) >= STREAM_FROM:
            from coldline.coherence.stream import feed_stream

            feed_stream(self, batch)
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
        rows = self.memory.dense_rows(first, end)
        rows = rows[np.argsort(self.memory.page_of[rows])]
        covered = self.memory.page_of[rows].tolist()
        shapes = self.memory.lines[rows]
        present = np.flatnonzero(np.bincount(shapes.ravel(), minlength=1)).tolist() if shapes.size else []
        wrong = {shape: bad for shape in present if (bad := self._would_read(shape))}
        is_wrong = np.zeros(len(self.lines.shapes), bool)
        is_wrong[list(wrong)] = True
        found = []
        mask = is_wrong[shapes]
        for row, index in np.argwhere(mask).tolist():
            base = covered[row] * PAGE_SIZE + index * self.profile.line
            found.append((base, 1, wrong[int(shapes[row, index])]))
        for known in self.memory.ranges(first, end):
            badness = self._would_read(known.shape)
            if badness:
                for gap_first, gap_end in gaps(covered, known.first, known.end):
                    lines = (gap_end - gap_first) * shapes.shape[1]
                    found.append((gap_first * PAGE_SIZE, lines, badness))
        yield from _join(sorted(found), self.profile.line)

    def _would_read(self, shape: int) -> tuple[Badness, ...]:
        live = self.lines.step(shape, Letter.of_setting(Setting(data=True, fetch=False)))
        return self.lines.badness(live, Letter.READ_WB)


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
