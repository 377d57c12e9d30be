# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies changes of aliases to memory: to the classes of pages, and to what speculation may do to their lines."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from coldline.checker.dense_rows import Rows
from coldline.checker.state.aliases import AliasChange, alias_changes, gift, walked
from coldline.checker.state.check_state import CheckState
from coldline.checker.state.marks import barrier_bit
from coldline.checker.state.memory import PageRange
from coldline.checker.state.page_sets import distinct, first_missing, those_of
from coldline.checker.state.vocabulary import AnySetting
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AliasTracker:
    """Applies the events that change aliases: ``map``, ``unmap``, the switches, and fetches with the MMU off.

    Parameters
    ----------
    state : CheckState
        The check's state.
    rows : Rows
        The operations on rows, of the same state.
    """

    def __init__(self, state: CheckState, rows: Rows) -> None:
        self._classes = state.page_classes
        self._lines = state.lines
        self._memory = state.memory
        self._rows = rows
        self._owners: frozenset[int] = frozenset()

    def change(self, event: Event, agent: int) -> None:
        """Apply a ``map``, an ``unmap``, a ``descriptor`` or a fetch."""
        for each in alias_changes(self._classes, event, agent):
            self._change_pages(each, agent)
        if event.op is Op.DESCRIPTOR:
            self._classes.has_endings = True
            self.mark_endings()

    def walk(self, event: Event, agent: int) -> None:
        """Apply a walk that may come again, to its pages."""
        for each in walked(self._classes, event, agent):
            self._change_pages(each, agent)

    def switch(self, op: Op, agent: int) -> None:
        """Apply an operation that sets a switch, such as ``mmu on``."""
        who = self._classes.agents[agent]
        waits = self._classes.vocabulary.barriers and who.begun
        if op is Op.MMU_ON and not who.mmu and not waits:
            self._move_classes(self._classes.forget_prefetches(agent))
        self._take_settings(self._classes.switch(op, agent))
        self._move_classes(self._classes.after_switch(agent))

    def synchronise(self, agent: int) -> None:
        """Let the last switches of an agent's core be the only ones in force, as after an ISB."""
        for each in self._classes.vocabulary.core_mates(agent):
            if self._classes.agents[each].earlier:
                self._move_classes(self._classes.synchronise(each))
                self._take_settings(self._classes.take_switches(each))

    def invalidate(self, event: Event, agent: int) -> None:
        """Apply a TLBI: to the mappings in its range that are ending, and to walks of its pages."""
        core = self._classes.vocabulary.core_of(agent)
        first, end = 0, ADDRESS_LIMIT // PAGE_SIZE
        if event.op.has_range:
            first, end = event.address // PAGE_SIZE, (event.address + event.size) // PAGE_SIZE
        moved = self._classes.translations_after(lambda alias: alias.after_tlbi(core), self._used())
        if moved:
            self._classes.has_endings = True
            self._change_classes(first, end, lambda page_class, _: moved.get(page_class, page_class))
            self.mark_endings()

    def complete(self, agent: int) -> None:
        """Apply a DSB to the mappings that are ending, and to walks."""
        core = self._classes.vocabulary.core_of(agent)
        self._move_classes(
            self._classes.translations_after(lambda alias: alias.after_dsb(core), self._used())
        )

    def mark_endings(self) -> None:
        """Mark the dense pages of which a DSB may end something: their classes may change."""
        classes = self._memory.classes[: self._memory.rows]
        for page_class in distinct(classes):
            if self._classes.waits(page_class):
                self._memory.marks.add(np.flatnonzero(classes == page_class), barrier_bit(Op.DSB))

    def _used(self) -> list[int]:
        """The classes that any page is of."""
        everything = self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE)
        classes = self._memory.classes[: self._memory.rows]
        return sorted({known.page_class for known in everything} | set(distinct(classes)))

    def give(self, event: Event, owners: frozenset[int]) -> None:
        """Make agents the owners of some pages."""
        self._owners |= owners
        for agent in sorted(self._owners):
            for each in gift(event, owns=agent in owners):
                self._change_pages(each, agent)

    def _change_pages(self, wanted: AliasChange, agent: int) -> None:
        first, end, change = wanted

        def changed(page_class: int, page: int) -> int:
            alias = change(self._classes.alias(page_class, agent), page * PAGE_SIZE)
            return self._classes.with_alias(page_class, agent, alias)

        self._change_classes(first, end, changed)

    def _change_classes(self, first: int, end: int, change: Callable[[int, int], int]) -> None:
        """Change the class of pages `first` to `end`; `change` takes the class and a page of it."""
        rows, covered = self._memory.dense_rows(first, end)
        new_classes: dict[int, int] = {}

        def changed(page_class: int, page: int) -> int:
            if page_class not in new_classes:
                new_classes[page_class] = change(page_class, page)
            return new_classes[page_class]

        old_classes = self._memory.classes[rows]
        groups = distinct(old_classes)
        for old in groups:
            changed(old, int(covered[np.argmax(old_classes == old)]))
        ranges = []
        for known in self._memory.ranges(first, end):
            sparse = first_missing(covered, known.first, known.end)
            if sparse is not None:
                ranges.append(self._moved(known, changed(known.page_class, sparse)))
            else:
                ranges.append(known)
        self._memory.set_ranges(ranges)
        for old in groups:
            self._move_rows(those_of(rows, old_classes, old), old, new_classes[old])

    def _move_classes(self, moved: dict[int, int]) -> None:
        """Change the class of all pages: each class in `moved` becomes another one."""
        if not moved:
            return
        everything = self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE)
        self._memory.set_ranges(
            [self._moved(known, moved.get(known.page_class, known.page_class)) for known in everything]
        )
        classes = self._memory.classes[: self._memory.rows]
        for old, new in moved.items():
            self._move_rows(np.flatnonzero(classes == old), old, new)

    def _move_rows(self, rows: "NDArray[np.intp]", old: int, new: int) -> None:
        """Change the class of dense pages from `old` to `new`."""
        self._memory.classes[rows] = new
        if self._classes.settings[old] != self._classes.settings[new]:
            self._rows.defer(rows, self._lines.transitions.number(self._classes.settings[new]))

    def _moved(self, known: PageRange, new_class: int) -> PageRange:
        """The range after a change of its pages' class."""
        setting, state = self._classes.settings[new_class], known.state
        if self._classes.settings[known.page_class] != setting:
            state = self._lines.step(state, self._lines.transitions.number(setting))
        return known._replace(page_class=new_class, state=state)

    def _take_settings(self, settings: dict[int, AnySetting]) -> None:
        """Apply to the lines of each class the letter of its new setting."""
        if not settings:
            return
        letters = {
            page_class: self._lines.transitions.number(setting) for page_class, setting in settings.items()
        }
        after: dict[tuple[int, int], int] = {}
        ranges = []
        for first, end, page_class, state in self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE):
            if page_class in letters and (page_class, state) not in after:
                after[page_class, state] = self._lines.step(state, letters[page_class])
            ranges.append(PageRange(first, end, page_class, after.get((page_class, state), state)))
        self._memory.set_ranges(ranges)
        classes = self._memory.classes[: self._memory.rows]
        for page_class, letter in letters.items():
            rows = np.flatnonzero(classes == page_class)
            if rows.size:
                self._rows.defer(rows, letter)
