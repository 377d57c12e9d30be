# SPDX-License-Identifier: GPL-2.0-or-later
"""What changes who has a page mapped, and what that makes of its lines."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakMethod

import numpy as np

from coldline.checker.state.lines import Lines
from coldline.checker.state.memory import Range, distinct, first_missing
from coldline.checker.state.page_classes import Alias, Pages
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op
from coldline.rules.letters import Letter

if TYPE_CHECKING:
    from numpy.typing import NDArray

AliasChange = Callable[[Alias, int], Alias]
"""What becomes of an agent's alias of a page, given it and the page's address; raises `TraceError`."""


class Aliases:
    """Takes the events that change aliases: ``map``, ``unmap``, the switches, and fetches with the MMU off.

    Parameters
    ----------
    pages : Pages
        The classes of pages.
    lines : Lines
        The states of all lines.
    put_off : method
        Lets a letter that checks nothing befall all lines of some rows, when they are next touched.
    """

    def __init__(
        self, pages: Pages, lines: Lines, put_off: "Callable[[NDArray[np.intp], Letter], None]"
    ) -> None:
        self._pages = pages
        self._lines = lines
        self._memory = lines.memory
        self._put_off_by = WeakMethod(put_off)  # its owner has this: it must be free to go at once

    def map(self, event: Event, agent: int) -> None:
        """Take a ``map``."""

        def mapped(alias: Alias, address: int) -> Alias:
            if alias.memory_type is not None:
                raise TraceError("", f"{event.agent} has {address:#x} mapped already")
            return alias._replace(memory_type=event.memory_type, executable=event.executable)

        self._change_aliases(event, agent, mapped)

    def unmap(self, event: Event, agent: int) -> None:
        """Take an ``unmap``."""

        def unmapped(alias: Alias, address: int) -> Alias:
            if alias.memory_type is None:
                raise TraceError("", f"{event.agent} has not mapped {address:#x}")
            return alias._replace(memory_type=None, executable=False)

        self._change_aliases(event, agent, unmapped)

    def mark_prefetched(self, event: Event, agent: int) -> None:
        """A fetch with the MMU off lets a prefetch reach its pages and the one after each."""
        first = event.address // PAGE_SIZE
        end = (event.address + event.size - 1) // PAGE_SIZE + 1
        after = min(end + 1, ADDRESS_LIMIT // PAGE_SIZE)
        self._change_pages(first, end, agent, lambda alias, _: alias._replace(fetched=True, prefetched=True))
        self._change_pages(end, after, agent, lambda alias, _: alias._replace(prefetched=True))

    def _change_aliases(self, event: Event, agent: int, change: "AliasChange") -> None:
        first = event.address // PAGE_SIZE
        self._change_pages(first, first + event.size // PAGE_SIZE, agent, change)

    def _change_pages(self, first: int, end: int, agent: int, change: "AliasChange") -> None:
        rows, covered = self._memory.dense_rows(first, end)
        new_classes: dict[int, int] = {}

        def changed(page_class: int, page: int) -> int:
            if page_class not in new_classes:
                alias = change(self._pages.alias(page_class, agent), page * PAGE_SIZE)
                new_classes[page_class] = self._pages.with_alias(page_class, agent, alias)
            return new_classes[page_class]

        old_classes = self._memory.classes[rows]
        groups = distinct(old_classes)
        for old in groups:
            changed(old, int(covered[np.argmax(old_classes == old)]))
        ranges = []
        for known in self._memory.ranges(first, end):
            sparse = first_missing(covered, known.first, known.end)
            if sparse is not None:
                new = changed(known.page_class, sparse)
                ranges.append(known._replace(page_class=new, state=self._resettle(known, new)))
            else:
                ranges.append(known)
        self._memory.set_ranges(ranges)
        for old in groups:
            self._move_rows(rows[old_classes == old], old, new_classes[old])

    def _move_rows(self, rows: "NDArray[np.intp]", old: int, new: int) -> None:
        """Dense pages of class `old` are of class `new` from now on."""
        self._memory.classes[rows] = new
        if self._pages.settings[old] != self._pages.settings[new]:
            self._put_off(rows, Letter.of_setting(self._pages.settings[new]))

    def _put_off(self, rows: "NDArray[np.intp]", letter: Letter) -> None:
        put_off = self._put_off_by()
        assert put_off is not None
        put_off(rows, letter)

    def _resettle(self, known: Range, new_class: int) -> int:
        setting = self._pages.settings[new_class]
        if self._pages.settings[known.page_class] == setting:
            return known.state
        return self._lines.step(known.state, Letter.of_setting(setting))

    def switch(self, op: Op, agent: int) -> None:
        """Take ``mmu on`` and its like."""
        who = self._pages.agents[agent]
        if op is Op.MMU_ON and not who.mmu:
            self._forget_prefetches(agent)
        who.switch(op)
        self._settle(self._pages.refresh_settings(agent))

    def _forget_prefetches(self, agent: int) -> None:
        """The MMU goes on: what was fetched with it off no longer lets anything be prefetched.

        The switch itself settles the lines, so only classes change here.
        """
        moved = {}
        for page_class in list(self._pages.classes_of(agent)):
            alias = self._pages.alias(page_class, agent)
            if alias.prefetched:
                moved[page_class] = self._pages.with_alias(
                    page_class, agent, alias._replace(fetched=False, prefetched=False)
                )
        if not moved:
            return
        # Settled by hand: the old class may prefetch and the new one may not.
        ranges = [
            known._replace(
                page_class=moved.get(known.page_class, known.page_class),
                state=self._resettle(known, moved.get(known.page_class, known.page_class)),
            )
            for known in self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE)
        ]
        self._memory.set_ranges(ranges)
        classes = self._memory.classes[: self._memory.rows]
        for old, new in moved.items():
            self._move_rows(np.flatnonzero(classes == old), old, new)

    def _settle(self, letters: dict[int, Letter]) -> None:
        """Let each class's lines feel that their setting changed."""
        if not letters:
            return
        after: dict[tuple[int, int], int] = {}
        ranges = []
        for first, end, page_class, state in self._memory.ranges(0, ADDRESS_LIMIT // PAGE_SIZE):
            if page_class in letters and (page_class, state) not in after:
                after[page_class, state] = self._lines.step(state, letters[page_class])
            ranges.append(Range(first, end, page_class, after.get((page_class, state), state)))
        self._memory.set_ranges(ranges)
        classes = self._memory.classes[: self._memory.rows]
        for page_class, letter in letters.items():
            rows = np.flatnonzero(classes == page_class)
            if rows.size:
                self._put_off(rows, letter)
