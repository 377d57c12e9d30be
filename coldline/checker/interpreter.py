# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine that takes one event at a time. It knows every event; the compiled loops know the common ones."""

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.alias_tracker import AliasTracker
from coldline.checker.dense_rows import Rows
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.extents import extent_of
from coldline.checker.state.lines import Badness
from coldline.checker.state.marks import barrier_bit
from coldline.checker.state.memory import PageRange
from coldline.checker.state.page_classes import Refusal
from coldline.checker.state.page_sets import distinct, first_missing, gaps
from coldline.checker.state.vocabulary import AnyLetter
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.events.op import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _PageRun(NamedTuple):
    """Bytes `start` to `end` of a page, or of every page in a row of pages where `pages` is more than 1."""

    page: int
    pages: int
    start: int
    end: int


class Interpreter:
    """Follows every possible state of every line through events, one at a time.

    Parameters
    ----------
    state : CheckState
        The check's state; each event changes it.
    rows : Rows
        The operations on whole rows of dense pages, of the same state.
    """

    def __init__(self, state: CheckState, rows: Rows) -> None:
        self._state = state
        self._profile = state.profile
        self._lines = state.lines
        self._memory = state.memory
        self._classes = state.page_classes
        self._findings = state.findings
        self._rows = rows
        self._aliases = AliasTracker(state, rows)

    def event(self, event: Event, where: int = 0) -> None:
        """Apply one event.

        Raises
        ------
        TraceError
            If the event cannot be: ``where`` is its line in a text, or its number.
        """
        try:
            self._validate(event)
            self._apply(event, where)
        except TraceError as error:
            raise TraceError(str(where or f"event {self._state.events}"), error.reason) from None
        self._state.events += 1

    def _validate(self, event: Event) -> None:
        op, address, size = event.op, event.address, event.size
        if not op.has_range:
            return
        if size <= 0:
            raise TraceError("", f"the size of '{op.words}' is 0")
        if address < 0 or address + size > ADDRESS_LIMIT:
            raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
        if op.traits.whole_pages and (address | size) % PAGE_SIZE:
            raise TraceError("", f"'{op.words}' of a partial page: {address:#x} + {size:#x}")
        if op.has_type and event.memory_type is None:
            raise TraceError("", f"'{op.words}' needs a memory type")

    def _apply(self, event: Event, where: int) -> None:
        agent = self._classes.agent(event.agent)
        if event.op.kind is Kind.MAINTENANCE:
            letter = self._classes.maintenance(event.op, agent)
            self._maintain(event, where, None if letter is None else self._number(letter))
        elif event.op is Op.WALK:
            self._walk(event, where, agent)
        elif event.op.kind is Kind.BARRIER:
            self._barrier(event, where, agent)
        elif event.op.kind is Kind.ALIAS:
            self._aliases.change(event, agent)
        elif event.op.kind is Kind.SWITCH:
            self._aliases.switch(event.op, agent)
        else:
            if event.op is Op.FETCH:
                self._aliases.change(event, agent)
            self._access(event, where, None)

    def _walk(self, event: Event, where: int, number: int) -> None:
        agent = self._classes.agents[number]
        if not agent.mmu:
            raise TraceError("", f"walk while {agent.name}'s MMU is off")
        assert event.memory_type is not None
        self._access(event, where, self._number(self._classes.walk(number, event.memory_type, pou=event.pou)))
        if event.memory_type.cacheable and not agent.dcache:
            place = f"line {where}" if where else f"event {self._state.events}"
            self._state.warn(
                (event.op, agent.name),
                f"{place}: '{event.op.words}' of {event.type_word} while {agent.name}'s dcache is off "
                "(SCTLR.C clear) is taken as normal-nc",
            )

    def _barrier(self, event: Event, where: int, agent: int) -> None:
        """Complete what the agent's core has pending, where anything is."""
        if not self._profile.has_barriers:
            raise TraceError("", "a barrier in a trace without 'option order'")
        letter = self._classes.maintenance(event.op, agent)
        assert letter is not None
        number, unsettled = self._number(letter), self._lines.transitions.unsettled
        bit = barrier_bit(event.op)
        if self._memory.changed:
            states = self._memory.range_states()
            self._memory.ranges_unsettled = reduce(or_, (int(unsettled[state]) for state in states), 0)
            self._memory.changed = False
        if self._memory.ranges_unsettled & bit:
            self._memory.set_ranges(
                [
                    known._replace(state=self._lines.step(known.state, number))
                    for known in self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE)
                ]
            )
        rows = self._memory.marks.take(bit)
        if rows.size:
            self._rows.read(event, where, number, rows)
        self._state.by_letter[number] += 1

    # Accesses and maintenance -------------------------------------------------------------------------------

    def _maintain(self, event: Event, where: int, letter: int | None) -> None:
        if event.op.has_range:
            start, end = extent_of(event, self._profile)
        else:
            start, end = 0, ADDRESS_LIMIT
        self._touch(event, where, letter, start, end)
        self._count(event, letter, end)

    def _access(self, event: Event, where: int, letter: int | None) -> None:
        start, end = extent_of(event, self._profile)
        if letter is None:
            self._refuse_impossible(event, start, end)
        self._touch(event, where, letter, start, end)
        self._count(event, letter, end)

    def _count(self, event: Event, letter: int | None, end: int) -> None:
        """Count an event by what it was to its last line."""
        if letter is None:
            page = (end - 1) // PAGE_SIZE
            agent = self._classes.agent(event.agent)
            letter = self._letter(self._memory.page_class(page), agent, event.op, event.address)
        self._state.by_letter[letter] += 1

    def _refuse_impossible(self, event: Event, start: int, end: int) -> None:
        """Raise an error if an access is invalid at any of its pages, before any page has changed."""
        agent = self._classes.agent(event.agent)
        first, stop = start // PAGE_SIZE, (end - 1) // PAGE_SIZE + 1
        rows, covered = self._memory.dense_rows(first, stop)
        classes = self._memory.classes[rows]
        firsts = [int(covered[np.argmax(classes == page_class)]) for page_class in distinct(classes)]
        for page in sorted(firsts):
            page_class = self._memory.page_class(page)
            self._letter(page_class, agent, event.op, max(start, page * PAGE_SIZE))
        asked: set[int] = set()
        for piece in self._memory.ranges(first, stop):
            if piece.page_class in asked:
                continue
            sparse = first_missing(covered, piece.first, piece.end)
            if sparse is not None:
                self._letter(piece.page_class, agent, event.op, max(start, sparse * PAGE_SIZE))
                asked.add(piece.page_class)

    def _letter(self, page_class: int, agent: int, op: Op, address: int) -> int:
        letter = self._classes.letter(page_class, agent, op)
        if isinstance(letter, Refusal):
            raise TraceError("", f"{op.words} at {address:#x}: {letter.reason}")
        return self._number(letter)

    def _number(self, letter: AnyLetter) -> int:
        """The letter's row in the tables."""
        return self._lines.transitions.number(letter)

    def _touch(self, event: Event, where: int, letter: int | None, start: int, end: int) -> None:
        """Apply `letter`, or the event's letter by the page's class, to bytes `start` to `end`."""
        agent = self._classes.agent(event.agent)
        for piece in _pieces(start, end):
            if piece.end - piece.start < PAGE_SIZE:
                row = self._memory.make_dense(piece.page)
                now = letter if letter is not None else self._row_letter(row, agent, event)
                self._touch_page(event, where, now, row, piece)
            else:
                self._touch_pages(event, where, letter, agent, piece)

    def _row_letter(self, row: int, agent: int, event: Event) -> int:
        return self._letter(int(self._memory.classes[row]), agent, event.op, event.address)

    def _touch_page(self, event: Event, where: int, letter: int, row: int, piece: _PageRun) -> None:
        size = self._profile.line
        for index in range(piece.start // size, (piece.end - 1) // size + 1):
            base = index * size
            start, end = max(piece.start - base, 0), min(piece.end - base, size)
            bad = self._lines.touch(row, index, letter, start, end)
            if bad and self._findings.is_new(row, index, event.op, bad):
                self._add(event, where, piece.page * PAGE_SIZE + base, 1, bad)
        if self._lines.partitions.crowded:
            self._rows.share_equal_records()

    def _touch_pages(self, event: Event, where: int, letter: int | None, agent: int, piece: _PageRun) -> None:
        """Apply a letter to whole pages: to ranges where all lines are equal, else to rows."""
        first, stop = piece.page, piece.page + piece.pages
        rows, covered = self._memory.dense_rows(first, stop)
        changed = []
        effects: dict[tuple[int, int], tuple[tuple[Badness, ...], int]] = {}
        for known in self._memory.ranges(first, stop):
            key = known.page_class, known.state
            if key not in effects:
                effects[key] = self._effect(*key, letter, agent, event.op)
            bad, after = effects[key]
            if bad:
                for gap_first, gap_end in gaps(covered, known.first, known.end):
                    for new_first, new_end in self._findings.new_pages(gap_first, gap_end, event.op, bad):
                        count = (new_end - new_first) * self._memory.lines_per_page
                        self._add(event, where, new_first * PAGE_SIZE, count, bad)
            changed.append(PageRange(known.first, known.end, known.page_class, after))
        self._memory.set_ranges(changed)
        if not rows.size:
            return
        classes = self._memory.classes[rows]
        for page_class in distinct(classes):
            now = letter if letter is not None else self._letter(page_class, agent, event.op, event.address)
            self._touch_rows(event, where, now, rows[classes == page_class])

    def _effect(
        self, page_class: int, state: int, letter: int | None, agent: int, op: Op
    ) -> tuple[tuple[Badness, ...], int]:
        """The hazards of whole pages of a class, all of whose bytes are in one state; and their next state."""
        if letter is None:
            decided = self._classes.letter(page_class, agent, op)
            if isinstance(decided, Refusal):
                return (), state  # every page of that range is dense, and dense pages have been checked
            letter = self._number(decided)
        return self._lines.wrong(state, letter), self._lines.step(state, letter)

    def _touch_rows(self, event: Event, where: int, letter: int, rows: "NDArray[np.intp]") -> None:
        if event.op.traits.reads or self._lines.transitions.orders:
            self._rows.read(event, where, letter, rows)
        else:
            self._rows.defer(rows, letter)

    def _add(self, event: Event, where: int, address: int, lines: int, bad: tuple[Badness, ...]) -> None:
        self._findings.add(self._state.events, where, event, address, lines, bad)


def _pieces(start: int, end: int) -> Iterator[_PageRun]:
    """Cut a range of bytes into a partial page, whole pages, and a partial page."""
    page, offset = divmod(start, PAGE_SIZE)
    last, tail = divmod(end, PAGE_SIZE)
    if page == last:
        yield _PageRun(page, 1, offset, tail)
        return
    if offset:
        yield _PageRun(page, 1, offset, PAGE_SIZE)
        page += 1
    if page < last:
        yield _PageRun(page, last - page, 0, PAGE_SIZE)
    if tail:
        yield _PageRun(last, 1, 0, tail)
