# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows every possible state of every line through a trace, an event at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coldline.checker.findings import Finding, kind_of
from coldline.checker.state.aliases import Aliases
from coldline.checker.state.lines import Badness, Lines
from coldline.checker.state.memory import Range, distinct, first_missing, gaps
from coldline.checker.state.page_classes import Pages, Refusal, maintenance_letter, walk_letter
from coldline.checker.state.transitions import Transitions
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, ZVA_BLOCK, Event, Op
from coldline.rules.automaton import automaton
from coldline.rules.letters import Letter
from coldline.rules.line_rules import SOURCES
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.checker.fast_path import Machine

LOAD_FROM = 20_000
"""Events or lines from which loading machine code pays."""

COMPILE_FROM = 300_000
"""Events or lines from which compiling it pays, where that has not been done."""

FETCH_BITS = 2
"""In `Memory.reported`, how far a fetch's hazards lie above a read's."""


class Piece(NamedTuple):
    """Bytes `start` to `end` of a page, or of every page in a row of pages where `pages` is more than 1."""

    page: int
    pages: int
    start: int
    end: int


class Follower:
    """Follows memory through events and finds the reads that may go wrong.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    distinct : bool
        Whether a line that may go wrong is a finding once for each way, and not at each event.
    most : int or None
        How many hazards to keep as findings, rounded up to whole events; None keeps all.

    Attributes
    ----------
    findings : list of Finding
        What was found so far.
    kinds : dict of str to int
        How many hazards there were of each kind, findings that were not kept among them.
    hazards : int
        How many events may go wrong at a line, told once or not.
    events : int
        How many events were taken.
    """

    def __init__(
        self, profile: Profile | None = None, *, distinct: bool = False, most: int | None = None
    ) -> None:
        self.profile = profile or Profile()
        self.lines = Lines(Transitions(automaton(self.profile)), self.profile.line)
        self.memory = self.lines.memory
        self.pages = Pages()
        self.aliases = Aliases(self.pages, self.lines, self.put_off)
        self.distinct = distinct
        self.findings: list[Finding] = []
        self.kinds: dict[str, int] = {}
        self.hazards = 0
        self.events = 0
        self._room = most
        self._work = 0
        self._machine: Machine | None = None

    def machine(self, work: int) -> "Machine | None":
        """The compiled loops, if `work` events or lines, with those before, are worth having them for."""
        self._work += work
        if self._machine is None and self._work >= LOAD_FROM:
            from coldline.checker.compiled import is_compiled
            from coldline.checker.fast_path import Machine

            if self._work >= COMPILE_FROM or is_compiled():
                self._machine = Machine(self)
        return self._machine

    def join_equals(self) -> None:
        """Let lines whose bytes differ in the same way share a record: there are many of them."""
        machine = self.machine(COMPILE_FROM)
        assert machine is not None
        machine.join_equals()

    def event(self, event: Event, where: int = 0) -> None:
        """Take one event.

        Raises
        ------
        TraceError
            If the event cannot be: ``where`` is its line in a text, or its number.
        """
        try:
            self._validate(event)
            self._apply(event, where)
        except TraceError as error:
            raise TraceError(str(where or f"event {self.events}"), error.reason) from None
        self.events += 1

    def _validate(self, event: Event) -> None:
        op, address, size = event.op, event.address, event.size
        if not op.has_range:
            return
        if size <= 0:
            raise TraceError("", f"the size of '{op.words}' is 0")
        if address < 0 or address + size > ADDRESS_LIMIT:
            raise TraceError("", f"{address:#x} + {size:#x} reaches past 2^52")
        if op in (Op.MAP, Op.UNMAP) and (address | size) % PAGE_SIZE:
            raise TraceError("", f"'{op.words}' of a partial page: {address:#x} + {size:#x}")
        if op.has_type and event.memory_type is None:
            raise TraceError("", f"'{op.words}' needs a memory type")

    def _apply(self, event: Event, where: int) -> None:
        agent = self.pages.agent(event.agent)
        letter = maintenance_letter(event.op, self.profile)
        if letter is not None:
            self._maintain(event, where, letter)
        elif event.op is Op.WALK:
            if not self.pages.agents[agent].mmu:
                raise TraceError("", f"walk while {event.agent}'s MMU is off")
            assert event.memory_type is not None
            self._access(event, where, walk_letter(event.memory_type))
        elif event.op is Op.MAP:
            self.aliases.map(event, agent)
        elif event.op is Op.UNMAP:
            self.aliases.unmap(event, agent)
        elif event.op >= Op.MMU_ON:
            self.aliases.switch(event.op, agent)
        else:
            if event.op is Op.FETCH and not self.pages.agents[agent].mmu:
                self.aliases.mark_prefetched(event, agent)
            self._access(event, where, None)

    # Accesses and maintenance -------------------------------------------------------------------------------

    def _maintain(self, event: Event, where: int, letter: Letter) -> None:
        if event.op.has_range:
            line = self.profile.line
            start = event.address - event.address % line
            end = event.address + event.size
            end += -end % line
        else:
            start, end = 0, ADDRESS_LIMIT
        self._touch(event, where, letter, start, end)

    def _access(self, event: Event, where: int, letter: Letter | None) -> None:
        start, end = event.address, event.address + event.size
        if event.op is Op.DC_ZVA:
            start -= start % ZVA_BLOCK
            end += -end % ZVA_BLOCK
        if letter is None:
            self._refuse_impossible(event, start, end)
        self._touch(event, where, letter, start, end)

    def _refuse_impossible(self, event: Event, start: int, end: int) -> None:
        """Raise where any page of an access refuses it, before any page has changed."""
        agent = self.pages.agent(event.agent)
        first, stop = start // PAGE_SIZE, (end - 1) // PAGE_SIZE + 1
        rows, covered = self.memory.dense_rows(first, stop)
        classes = self.memory.classes[rows]
        firsts = [int(covered[np.argmax(classes == page_class)]) for page_class in distinct(classes)]
        for page in sorted(firsts):
            page_class = self.memory.page_class(page)
            self._letter(page_class, agent, event.op, max(start, page * PAGE_SIZE))
        asked: set[int] = set()
        for piece in self.memory.ranges(first, stop):
            if piece.page_class in asked:
                continue
            sparse = first_missing(covered, piece.first, piece.end)
            if sparse is not None:
                self._letter(piece.page_class, agent, event.op, max(start, sparse * PAGE_SIZE))
                asked.add(piece.page_class)

    def _letter(self, page_class: int, agent: int, op: Op, address: int) -> Letter:
        letter = self.pages.letter(page_class, agent, op)
        if isinstance(letter, Refusal):
            raise TraceError("", f"{op.words} at {address:#x}: {letter.reason}")
        return letter

    def _touch(self, event: Event, where: int, letter: Letter | None, start: int, end: int) -> None:
        """Let `letter`, or what the page's class makes of the event, befall bytes `start` to `end`."""
        agent = self.pages.agent(event.agent)
        for piece in _pieces(start, end):
            if piece.end - piece.start < PAGE_SIZE:
                row = self.memory.make_dense(piece.page)
                now = letter if letter is not None else self._row_letter(row, agent, event)
                self._touch_page(event, where, now, row, piece)
            else:
                self._touch_pages(event, where, letter, agent, piece)

    def _row_letter(self, row: int, agent: int, event: Event) -> Letter:
        return self._letter(int(self.memory.classes[row]), agent, event.op, event.address)

    def _touch_page(self, event: Event, where: int, letter: Letter, row: int, piece: Piece) -> None:
        size = self.profile.line
        for index in range(piece.start // size, (piece.end - 1) // size + 1):
            base = index * size
            start, end = max(piece.start - base, 0), min(piece.end - base, size)
            bad = self.lines.touch(row, index, letter, start, end)
            if bad and self._is_new(row, index, event.op, bad):
                self.found(event, where, piece.page * PAGE_SIZE + base, 1, bad)
        if self.lines.mixtures.crowded:
            self.join_equals()

    def _touch_pages(self, event: Event, where: int, letter: Letter | None, agent: int, piece: Piece) -> None:
        """Whole pages: by range where lines agree, by row where they do not."""
        first, stop = piece.page, piece.page + piece.pages
        rows, covered = self.memory.dense_rows(first, stop)
        changed = []
        effects: dict[tuple[int, int], tuple[tuple[Badness, ...], int]] = {}
        for known in self.memory.ranges(first, stop):
            key = known.page_class, known.state
            if key not in effects:
                effects[key] = self._effect(*key, letter, agent, event.op)
            bad, after = effects[key]
            if bad:
                for gap_first, gap_end in gaps(covered, known.first, known.end):
                    self.hazards += (gap_end - gap_first) * self.memory.lines_per_page
                    for new_first, new_end in self._new_pages(gap_first, gap_end, event.op, bad):
                        count = (new_end - new_first) * self.memory.lines_per_page
                        self.found(event, where, new_first * PAGE_SIZE, count, bad)
            changed.append(Range(known.first, known.end, known.page_class, after))
        self.memory.set_ranges(changed)
        if not rows.size:
            return
        classes = self.memory.classes[rows]
        for page_class in distinct(classes):
            now = letter if letter is not None else self._letter(page_class, agent, event.op, event.address)
            self._touch_rows(event, where, now, rows[classes == page_class])

    def _effect(
        self, page_class: int, state: int, letter: Letter | None, agent: int, op: Op
    ) -> tuple[tuple[Badness, ...], int]:
        """What may be wrong with whole pages of a class whose bytes are all in a state; their state afterwards."""
        decided = letter if letter is not None else self.pages.letter(page_class, agent, op)
        if isinstance(decided, Refusal):  # every page of that range is dense, and those were asked
            return (), state
        return self.lines.wrong(state, decided), self.lines.step(state, decided)

    def _touch_rows(self, event: Event, where: int, letter: Letter, rows: "NDArray[np.intp]") -> None:
        if letter not in SOURCES:
            self.put_off(rows, letter)
            return
        machine = self.machine(rows.size * self.memory.lines_per_page)
        if machine is not None:
            machine.read(event, where, letter, rows)
            return
        for row in rows.tolist():
            for index, bad in self.lines.read(row, letter):
                if self._is_new(row, index, event.op, bad):
                    base = self.memory.page(row) * PAGE_SIZE + index * self.profile.line
                    self.found(event, where, base, 1, bad)

    def put_off(self, rows: "NDArray[np.intp]", letter: Letter) -> None:
        """Let a letter that checks nothing befall all lines of some rows, when they are next touched."""
        if not self.lines.put_off(rows, letter):
            self._settle_all()
            self.lines.put_off(rows, letter)

    def _settle_all(self) -> None:
        rows = np.flatnonzero(self.memory.put_off[: self.memory.rows])
        machine = self.machine(rows.size * self.memory.lines_per_page)
        if machine is not None:
            machine.settle(rows)
        else:
            for row in rows.tolist():
                self.lines.settle(row)
        self.lines.transitions.forget_words()

    def _new_pages(self, first: int, end: int, op: Op, bad: tuple[Badness, ...]) -> list[tuple[int, int]]:
        """The pages of a range, none of them dense, whose hazards are to be findings: see `_is_new`."""
        if not self.distinct:
            return [(first, end)]
        told = self.memory.told.setdefault(_bits(bad, op), [])
        new = [(first, end)]
        for told_first, told_end in told:
            new = [
                (low, high)
                for a, b in new
                for low, high in ((a, min(b, told_first)), (max(a, told_end), b))
                if low < high
            ]
        told += new
        return new

    def _is_new(self, row: int, index: int, op: Op, bad: tuple[Badness, ...]) -> bool:
        """Count a hazard of a dense page's line; whether it is to be a finding."""
        self.hazards += 1
        bits = _bits(bad, op)
        known = int(self.memory.reported[row, index])
        self.memory.reported[row, index] = known | bits
        return not self.distinct or bool(bits & ~known)

    def found(
        self,
        event: Event,
        where: int,
        address: int,
        lines: int,
        badness: tuple[Badness, ...],
        number: int | None = None,
    ) -> None:
        """Note that `event` may find that wrong in each of `lines` lines from `address` on."""
        number = self.events if number is None else number
        for bad in badness:
            kind = kind_of(bad.hazard, event.op)
            self.kinds[kind] = self.kinds.get(kind, 0) + lines
        if self._room is not None:
            if self._room <= 0 and (not self.findings or self.findings[-1].number != number):
                return
            self._room -= lines * len(badness)
        self.findings.append(Finding(number, where, event, address, lines, badness))


def _pieces(start: int, end: int) -> Iterator[Piece]:
    """Cut a range of bytes into a partial page, whole pages, and a partial page."""
    page, offset = divmod(start, PAGE_SIZE)
    last, tail = divmod(end, PAGE_SIZE)
    if page == last:
        yield Piece(page, 1, offset, tail)
        return
    if offset:
        yield Piece(page, 1, offset, PAGE_SIZE)
        page += 1
    if page < last:
        yield Piece(page, last - page, 0, PAGE_SIZE)
    if tail:
        yield Piece(last, 1, 0, tail)


def _bits(bad: tuple[Badness, ...], op: Op) -> int:
    """What was found wrong, as `Memory.reported` has it."""
    return sum(each.hazard for each in bad) << (FETCH_BITS if op is Op.FETCH else 0)
