# SPDX-License-Identifier: GPL-2.0-or-later
"""The check: takes events one by one or in batches, and reports the reads that may go wrong."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.coverage import Coverage
from coldline.checker.dense_rows import Rows
from coldline.checker.interpreter import Interpreter
from coldline.checker.line_runs import joined_lines
from coldline.checker.polls import Polls
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.findings import Finding
from coldline.checker.state.lines import Badness, runs_of
from coldline.checker.state.page_sets import gaps
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event
from coldline.events.batch import Batch
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.profile import Profile
from coldline.rules.subsets import READS

if TYPE_CHECKING:
    from coldline.checker.fast_path import FastPath
    from coldline.events.batch_footprints import Footprints


class StateRun(NamedTuple):
    """A run of bytes that are all in one state.

    Attributes
    ----------
    address, size : int
        The run, in bytes.
    state : int
        The automaton's state, which ``coldline rules`` describes.
    reads : dict of Letter to Hazard
        The hazards of each kind of read of them now.
    """

    address: int
    size: int
    state: int
    reads: dict[Letter, Hazard]


class Checker:
    """Follows memory through a trace and finds the reads that may go wrong.

    It combines a state and two engines: the interpreter takes single events, the fast path many. The fast path is
    made once there are enough events.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    distinct : bool
        Whether each kind of hazard of a line is a finding once, and not at each event.
    most : int or None
        How many hazards to keep as findings, rounded up to whole events; None keeps all.
    """

    footprints: "Footprints | None" = None
    """Which memory its events concern, if that is noted beside the check."""

    def __init__(
        self, profile: Profile | None = None, *, distinct: bool = False, most: int | None = None
    ) -> None:
        self.state = CheckState(profile or Profile(), distinct=distinct, most=most)
        self._rows = Rows(self.state)
        self._interpreter = Interpreter(self.state, self._rows)
        self._fast_path: FastPath | None = None
        self._polls = Polls()

    @property
    def profile(self) -> Profile:
        """The implementation's promises."""
        return self.state.profile

    @property
    def findings(self) -> list[Finding]:
        """The hazards so far, by runs of lines with the same hazards."""
        return self.state.findings.kept

    @property
    def kinds(self) -> dict[str, int]:
        """The number of hazards of each kind, including those that were not kept as findings."""
        return self.state.findings.kinds

    @property
    def hazards(self) -> int:
        """The number of times that an event may go wrong at a line, distinct or not."""
        return self.state.findings.hazards

    @property
    def events(self) -> int:
        """The number of events taken."""
        return self.state.events

    @property
    def warnings(self) -> list[str]:
        """What the events say that cannot be, or that breaks a promise of the profile."""
        agents = [agent.name for agent in self.state.page_classes.agents]
        warnings = [*self.state.warnings, *self._polls.warnings]
        if not self.profile.setway_effective or len(agents) < 2:
            return warnings
        broken = (
            "setway-effective promises one processor and no system cache, but there are "
            f"{len(agents)} agents, {agents[0]} and {agents[1]}{' first' if len(agents) > 2 else ''}: "
            "it holds only if they are all on that processor"
        )
        return [broken, *warnings]

    @property
    def coverage(self) -> Coverage:
        """The accesses that were judged so far."""
        taken_as = self.state.taken_as
        return Coverage(
            cacheable_reads=taken_as(Letter.READ_WB),
            other_reads=taken_as(Letter.READ_NC),
            cacheable_fetches=taken_as(Letter.FETCH_WB),
            other_fetches=taken_as(Letter.FETCH_NC),
        )

    def expect(self, events: int) -> None:
        """Announce that so many more events will come: if they are many, the compiled loops are loaded at once."""
        self._fast(events)

    def event(self, event: Event, where: int = 0) -> None:
        """Apply one event.

        Parameters
        ----------
        event : Event
            The event.
        where : int
            Its line in a text, or 0.

        Raises
        ------
        TraceError
            If the event cannot be: ``where`` is its line in a text, or its number.
        """
        self._polls.event(event, where or self.state.events)
        self._interpreter.event(event, where)

    def feed(self, batch: Batch) -> None:
        """Apply the events of `batch`.

        Raises
        ------
        TraceError
            If an event cannot be: ``where`` is its line in a text, or its number.
        """
        if batch.begins_guest:
            self.state.findings.begin_anew()
        fast_path = self._fast(len(batch))
        if fast_path is not None:
            first = self.state.events
            fast_path.feed(batch)
            if fast_path.has_polls or self._polls.open:
                self._polls.feed(batch, first)
        else:
            for index in range(len(batch)):
                self.event(batch.event(index), int(batch.rows["where"][index]))

    def _fast(self, events: int) -> "FastPath | None":
        """The engine for many events, once there have been enough."""
        rows = self._rows.compiled(events)
        if rows is not None and self._fast_path is None:
            from coldline.checker.fast_path import FastPath

            self._fast_path = FastPath(self.state, self._interpreter, rows)
        return self._fast_path

    def would_read(self, address: int, size: int) -> Iterator[tuple[int, int, tuple[Badness, ...]]]:
        """The hazards that a read of some pages through a cacheable alias would have now; changes no state.

        Parameters
        ----------
        address, size : int
            Whole pages, in bytes.

        Yields
        ------
        address : int
            The first line of a run of lines with the same hazards.
        lines : int
            The number of lines.
        badness : tuple of Badness
            The hazards of each of them.
        """
        first, end = address // PAGE_SIZE, (address + size) // PAGE_SIZE
        rows, covered = self.state.memory.dense_rows(first, end)
        live, read = self._look()
        found = list(self._rows.would_read(rows, live, read))
        for known in self.state.memory.ranges(first, end):
            badness = self.state.lines.wrong(self.state.lines.step(known.state, live), read)
            if badness:
                for gap_first, gap_end in gaps(covered, known.first, known.end):
                    lines = (gap_end - gap_first) * self.state.memory.lines_per_page
                    found.append((gap_first * PAGE_SIZE, lines, badness))
        yield from joined_lines(sorted(found), self.profile.line)

    def would_read_bytes(self, address: int, size: int) -> Iterator[tuple[int, int, Hazard]]:
        """As `would_read`, by runs of bytes in one line that are wrong in the same ways: start, end and hazards."""
        transitions = self.state.lines.transitions
        live, read = self._look()
        for start, stop, state in self._runs(address, address + size):
            hazard = Hazard(int(transitions.bad[read, transitions.after(state, live)]))
            if hazard:
                yield from ((low, high, hazard) for low, high in self._lines_of(start, stop))

    def _look(self) -> tuple[int, int]:
        """The letters by which to look through a cacheable alias: its setting, and the read."""
        setting, read = self.state.page_classes.vocabulary.look
        number = self.state.lines.transitions.number
        return number(setting), number(read)

    def _lines_of(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Split a range of bytes at the borders of lines."""
        line = self.profile.line
        while start < stop:
            end = min(start - start % line + line, stop)
            yield start, end
            start = end

    def states(self, address: int, size: int) -> Iterator[StateRun]:
        """The states of the bytes from `address` on, by runs of bytes in one state.

        Parameters
        ----------
        address, size : int
            In bytes; any.

        Raises
        ------
        ValueError
            If they reach past the end of physical memory.
        """
        end = address + size
        if address < 0 or size < 0 or end > ADDRESS_LIMIT:
            raise ValueError(f"{address:#x} + {size:#x} reaches out of physical memory")
        held: StateRun | None = None
        table, vocabulary = self.state.lines.transitions, self.state.page_classes.vocabulary
        rows = {letter: table.number(vocabulary.access_by_first_core(letter)) for letter in READS}
        for start, stop, state in self._runs(address, end):
            start, stop = max(start, address), min(stop, end)
            if start >= stop:
                continue
            if held is not None and held.state == state:
                held = held._replace(size=stop - held.address)
                continue
            if held is not None:
                yield held
            reads = {letter: Hazard(int(table.bad[row, state])) for letter, row in rows.items()}
            held = StateRun(start, stop - start, state, reads)
        if held is not None:
            yield held

    def _runs(self, address: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The states of the pages that hold bytes `address` to `end`, as (start, end, state)."""
        first, stop = address // PAGE_SIZE, -(-end // PAGE_SIZE)
        rows, covered = self.state.memory.dense_rows(first, stop)
        for known in self.state.memory.ranges(first, stop):
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
        for index in range(self.state.memory.lines_per_page):
            start = base + index * self.profile.line
            runs = sorted(
                (low, high, state)
                for state, mask in self.state.lines.parts(row, index).items()
                for low, high in runs_of(mask)
            )
            for low, high, state in runs:
                yield start + low, start + high, state
