# SPDX-License-Identifier: GPL-2.0-or-later
"""
The state of an agent of a version 2 trace, for ``order_reading.py``: its switches and its aliases.

With ``option order`` an agent may have several settings of its switches at once: the one that was synchronised
last, and those that its switch events made since. And a page may be mapped with two types. Whatever one of the
settings with one of the types allows, the agent may do; so it is looked at as one agent of version 1 for each
setting with all inner types and with all outer types, its *views*. They share the pages and the window of fetches.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.oracles import explorer


class Setting(NamedTuple):
    """The switches of an agent: ``icache`` is None until the trace sets it."""

    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None


class Ending:
    """An alias whose descriptor is invalid: the cores that have seen that, and those whose ``tlbi`` is pending."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.invalidated: set[tuple[str, str]] = set()


class Agent:
    """
    One agent's settings, mappings and fetches so far.

    ``settings`` has the newest last. ``acted`` says whether there was an event of it other than a switch, a ``map``
    and an ``unmap``. ``pages`` has the inner types and ``outer`` the outer ones. ``endings`` has the pages whose
    alias is ending.
    """

    def __init__(self) -> None:
        self.settings = [Setting()]
        self.acted = False
        self.pages: dict[int, tuple[str, bool]] = {}
        self.outer: dict[int, tuple[str, bool]] = {}
        self.fetched: set[int] = set()
        self.endings: dict[int, Ending] = {}
        self._mixed = False
        self._views: list[explorer.Agent] = []

    def switch(self, switch: str, *, on: bool, pending: bool) -> None:
        """Set a switch: the old settings stay beside the new one while it is pending, and are gone if not."""
        if switch == "mmu" and not on and all(setting.mmu for setting in self.settings):
            self.fetched.clear()
        new = self.settings[-1]._replace(**{switch: on})
        if not pending:
            self.settings = [new]
        elif new != self.settings[-1]:
            self.settings = [*(setting for setting in self.settings if setting != new), new]
        self._views = []

    def synchronise(self) -> None:
        """Do an ``isb`` of its core: only the newest setting stays."""
        self.settings = self.settings[-1:]
        if self.settings[0].mmu:
            self.fetched.clear()
        self._views = []

    @property
    def views(self) -> list[explorer.Agent]:
        """What the agent may be taken for, the newest setting last."""
        if not self._views:
            self._views = list(self._seen())
        return self._views

    def _seen(self) -> Iterator[explorer.Agent]:
        types = [self.pages, self.outer] if self._mixed else [self.pages]
        for setting, pages in product(self.settings, types):
            view = explorer.Agent()
            view.mmu, view.dcache, view.icache = setting
            view.pages, view.fetched = pages, self.fetched
            yield view

    def map(self, pages: range, types: tuple[str, str], *, executable: bool) -> None:
        """Map pages with an inner and an outer type."""
        for where, kind in zip((self.pages, self.outer), types, strict=True):
            where.update(dict.fromkeys(pages, (kind, executable)))
        if types[0] != types[1] and not self._mixed:
            self._mixed = True
            self._views = []

    def end(self, page: int) -> None:
        """End an alias, be it ending or not."""
        self.endings.pop(page, None)
        del self.pages[page], self.outer[page]

    def invalidate(self, core: tuple[str, str], pages: range) -> None:
        """Do a ``tlbi`` by a core: it is pending for the ending aliases that the core has seen."""
        for page, ending in self.endings.items():
            if page in pages and core in ending.seen:
                ending.invalidated.add(core)

    def complete(self, core: tuple[str, str]) -> None:
        """Do a ``dsb`` by a core: what its ``tlbi`` concern ends, and it has seen the others."""
        for page, ending in list(self.endings.items()):
            if core in ending.invalidated:
                self.end(page)
            ending.seen.add(core)

    def keeps_alias_live(self, page: int) -> bool:
        """Return whether it may make "a cacheable alias is live" true for the lines of a page."""
        return any(view.keeps_alias_live(page) for view in self.views)

    def is_cacheable(self, page: int) -> bool:
        """Return whether whatever holds for the agent, its alias of a page is a live cacheable one."""
        return all(view.keeps_alias_live(page) for view in self.views)

    def may_fetch(self, page: int) -> bool:
        """Return whether it may make "a cacheable fetch is possible" true for the lines of a page."""
        return any(view.may_fetch(page) for view in self.views)

    def may_fetch_memory(self, page: int) -> bool:
        """Return whether it may fetch from a page not cacheably."""
        return any(_fetches_memory(view, page) for view in self.views)


def _fetches_memory(view: explorer.Agent, page: int) -> bool:
    if view.mmu:
        executable = page in view.pages and view.pages[page][1]
    else:
        executable = page in view.fetched or page - 1 in view.fetched
    return executable and not view.may_fetch(page)
