# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine that takes one event at a time. It knows every event; the compiled loops know the common ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from coldline.checker.alias_tracker import AliasTracker
from coldline.checker.broken_mappings import add_broken, broken_by
from coldline.checker.dense_rows import Rows
from coldline.checker.marked_rows import step_marked
from coldline.checker.page_runs import PageRun, pieces
from coldline.checker.state.access_letters import Refusal
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.extents import extent_of
from coldline.checker.state.letters import OF_MASTERS
from coldline.checker.state.lines import Badness
from coldline.checker.state.marks import INVALIDATION_BIT, barrier_bit
from coldline.checker.state.memory import PageRange
from coldline.checker.state.page_sets import distinct, first_missing, gaps, those_of
from coldline.checker.state.transitions import NO_LETTER
from coldline.checker.state.vocabulary import AnyLetter
from coldline.checker.validation import validate
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.events.beginning import begins
from coldline.events.op import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


_INVALIDATIONS: Final = (Op.IC_IALLU, Op.IC_IALLUIS)

_LetterOf = Callable[[int], int | Refusal]
"""The row of an event's letter for the pages of a class, or why the event cannot be there."""


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
        self._has_marks_of_invalidations = state.lines.transitions.orders and not state.profile.has_barriers
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
            validate(event)
            self._apply(event, where)
        except TraceError as error:
            raise TraceError(str(where or f"event {self._state.events}"), error.reason) from None
        self._state.events += 1

    def _apply(self, event: Event, where: int) -> None:
        if event.op is Op.GIVE:
            self._give(event, where)
            return
        if event.op is Op.POWER_OFF:
            letter = self._number(self._classes.vocabulary.power_off())
            self._touch(event, where, lambda page_class: letter, *extent_of(event, self._profile))
            return
        if event.outer_type is not None and self._profile.ordering is None:
            raise TraceError("", "two memory types in a trace without 'version 2'")
        agent = self._classes.agent(event.agent)
        if self._classes.vocabulary.is_master(agent) and event.op not in OF_MASTERS:
            raise TraceError(
                "",
                f"'{event.op.words}' by {event.agent}, which is a master: it reads, writes, polls and walks tables",
            )
        if begins(event.op):
            self._classes.agents[agent].begun = True
        if event.op.kind is Kind.MAINTENANCE:
            self._maintain(event, where, agent)
        elif event.op is Op.WALK:
            self._walk(event, where, agent)
        elif event.op.kind is Kind.BARRIER:
            self._barrier(event, where, agent)
        elif event.op.kind is Kind.TLB:
            self._aliases.invalidate(event, agent)
        elif event.op.kind is Kind.ALIAS:
            broken = broken_by(self._state, event, agent) if event.op is Op.DESCRIPTOR else []
            self._aliases.change(event, agent)
            add_broken(self._state, event, where, broken)
        elif event.op.kind is Kind.SWITCH:
            self._aliases.switch(event.op, agent)
        else:
            if event.op is Op.FETCH:
                self._aliases.change(event, agent)
            self._access(event, where, self._letter_of(event.op, agent))

    def _give(self, event: Event, where: int) -> None:
        """Give pages to owners; those that have just these owners already stay as they are."""
        owners = frozenset(map(self._classes.agent, event.agent.split(" ")))
        self._classes.has_owners = True
        gift = self._number(self._classes.vocabulary.gift())

        def letter_of(page_class: int) -> int:
            return NO_LETTER if self._classes.owners(page_class) == owners else gift

        self._touch(event, where, letter_of, event.address, event.address + event.size)
        self._aliases.give(event, owners)

    def _walk(self, event: Event, where: int, number: int) -> None:
        agent = self._classes.agents[number]
        if not any(each.mmu for each in agent.settings):
            raise TraceError("", f"walk while {agent.name}'s MMU is off")

        def letter_of(page_class: int) -> int:
            return self._number(self._classes.walk(event, number, page_class))

        self._access(event, where, letter_of)
        self._aliases.walk(event, number)
        if any(each.cacheable for each in event.types) and not any(each.dcache for each in agent.settings):
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
        ends = event.op is Op.DSB and self._classes.has_endings
        if ends:
            self._aliases.complete(agent)
        if event.op is Op.ISB:
            self._aliases.synchronise(agent)
        letter = self._classes.maintenance(event.op, agent)
        assert letter is not None
        step_marked(self._state, self._rows, event, where, self._number(letter), barrier_bit(event.op))
        if ends:
            self._aliases.mark_endings()

    # Accesses and maintenance -------------------------------------------------------------------------------

    def _maintain(self, event: Event, where: int, agent: int) -> None:
        letter_of = self._letter_of(event.op, agent)
        letter = self._classes.maintenance(event.op, agent)
        if letter is not None:
            number = self._number(letter)
            if event.op in _INVALIDATIONS and self._has_marks_of_invalidations:
                step_marked(self._state, self._rows, event, where, number, INVALIDATION_BIT)
                return

            def letter_of(page_class: int) -> int:
                return number

        if event.op.has_range:
            start, end = extent_of(event, self._profile)
        else:
            start, end = 0, ADDRESS_LIMIT
        self._touch(event, where, letter_of, start, end)
        self._count(letter_of, end)

    def _access(self, event: Event, where: int, letter_of: _LetterOf) -> None:
        start, end = extent_of(event, self._profile)
        self._refuse_impossible(event, letter_of, start, end)
        self._touch(event, where, letter_of, start, end)
        self._count(letter_of, end)

    def _count(self, letter_of: _LetterOf, end: int) -> None:
        """Count an event by what it was to its last line."""
        letter = letter_of(self._memory.page_class((end - 1) // PAGE_SIZE))
        assert not isinstance(letter, Refusal)
        self._state.by_letter[letter] += 1

    def _refuse_impossible(self, event: Event, letter_of: _LetterOf, start: int, end: int) -> None:
        """Raise an error if an access is invalid at any of its pages, before any page has changed."""
        first, stop = start // PAGE_SIZE, (end - 1) // PAGE_SIZE + 1
        rows, covered = self._memory.dense_rows(first, stop)
        classes = self._memory.classes[rows]
        firsts = [int(covered[np.argmax(classes == page_class)]) for page_class in distinct(classes)]
        for page in sorted(firsts):
            _refuse(event.op, letter_of(self._memory.page_class(page)), max(start, page * PAGE_SIZE))
        asked: set[int] = set()
        for piece in self._memory.ranges(first, stop):
            if piece.page_class in asked:
                continue
            sparse = first_missing(covered, piece.first, piece.end)
            if sparse is not None:
                _refuse(event.op, letter_of(piece.page_class), max(start, sparse * PAGE_SIZE))
                asked.add(piece.page_class)

    def _letter_of(self, op: Op, agent: int) -> _LetterOf:
        """The row of an agent's operation on pages of a class."""

        def letter_of(page_class: int) -> int | Refusal:
            letter = self._classes.letter(page_class, agent, op)
            return letter if isinstance(letter, Refusal) else self._number(letter)

        return letter_of

    def _number(self, letter: AnyLetter) -> int:
        """The letter's row in the tables."""
        return self._lines.transitions.number(letter)

    def _touch(self, event: Event, where: int, letter_of: _LetterOf, start: int, end: int) -> None:
        """Apply an event's letter, by each page's class, to bytes `start` to `end`."""
        for piece in pieces(start, end):
            if piece.end - piece.start < PAGE_SIZE:
                row = self._memory.make_dense(piece.page)
                letter = letter_of(int(self._memory.classes[row]))
                assert not isinstance(letter, Refusal)
                self._touch_page(event, where, letter, row, piece)
            else:
                self._touch_pages(event, where, letter_of, piece)

    def _touch_page(self, event: Event, where: int, letter: int, row: int, piece: PageRun) -> None:
        size = self._profile.line
        for index in range(piece.start // size, (piece.end - 1) // size + 1):
            base = index * size
            start, end = max(piece.start - base, 0), min(piece.end - base, size)
            bad = self._lines.touch(row, index, letter, start, end)
            if bad and self._findings.is_new(row, index, event.op, bad):
                self._add(event, where, piece.page * PAGE_SIZE + base, 1, bad)
        if self._lines.partitions.crowded:
            self._rows.share_equal_records()

    def _touch_pages(self, event: Event, where: int, letter_of: _LetterOf, piece: PageRun) -> None:
        """Apply an event to whole pages: to ranges where all lines are equal, else to rows."""
        first, stop = piece.page, piece.page + piece.pages
        rows, covered = self._memory.dense_rows(first, stop)
        changed = []
        effects: dict[tuple[int, int], tuple[tuple[Badness, ...], int]] = {}
        for known in self._memory.ranges(first, stop):
            key = known.page_class, known.state
            if key not in effects:
                effects[key] = self._effect(known.state, letter_of(known.page_class))
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
            letter = letter_of(page_class)
            assert not isinstance(letter, Refusal)
            if letter != NO_LETTER:
                self._touch_rows(event, where, letter, those_of(rows, classes, page_class))

    def _effect(self, state: int, letter: int | Refusal) -> tuple[tuple[Badness, ...], int]:
        """The hazards of whole pages, all of whose bytes are in one state; and their next state."""
        if isinstance(letter, Refusal):
            return (), state  # every page of that range is dense, and dense pages have been checked
        return self._lines.wrong(state, letter), self._lines.step(state, letter)

    def _touch_rows(self, event: Event, where: int, letter: int, rows: "NDArray[np.intp]") -> None:
        if event.op.traits.reads or self._lines.transitions.orders:
            self._rows.read(event, where, letter, rows)
        else:
            self._rows.defer(rows, letter)

    def _add(self, event: Event, where: int, address: int, lines: int, bad: tuple[Badness, ...]) -> None:
        self._findings.add(self._state.events, where, event, address, lines, bad)


def _refuse(op: Op, letter: int | Refusal, address: int) -> None:
    if isinstance(letter, Refusal):
        raise TraceError("", f"{op.words} at {address:#x}: {letter.reason}")
