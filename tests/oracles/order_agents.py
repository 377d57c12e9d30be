# SPDX-License-Identifier: GPL-2.0-or-later
"""
The state of an agent of a version 2 trace, for ``order_reading.py``: its switches, its mappings and its walks.

With ``option order`` an agent may have several settings of its switches at once: the one that was synchronised
last, and those that its switch events made since. And a page may have several mappings, or be mapped with two types.
Whatever one of the settings with one type of one mapping allows, the agent may do; so it is looked at as one agent
of version 1 for each of them. For each setting there is a *view*, which has such an agent for each type of a page's
mappings. They share the window of fetches.
"""

from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.order_mappings import CoreName, Kind, Mapping, Page

WALKED = ("walk wb", "walk pou")
"""The kinds of walks after which the walker may come again."""


class Setting(NamedTuple):
    """The switches of an agent: ``icache`` is None until the trace sets it."""

    mmu: bool = True
    dcache: bool = True
    icache: bool | None = None


class View(explorer.Agent):
    """An agent with one setting, and several aliases of a page."""

    def __init__(self, setting: Setting, mapped: dict[int, Page], fetched: set[int]) -> None:
        super().__init__()
        self.mmu, self.dcache, self.icache = setting
        self.fetched = fetched
        self._mapped = mapped

    def choices(self, page: int) -> list[explorer.Agent]:
        """Give an agent for each type of each alias of a page; one without where there is none."""
        kinds = self._mapped[page].kinds() if page in self._mapped else []
        aliases = [(word, kind.executable) for kind in kinds for word in kind.types]
        found = []
        for pages in [{page: alias} for alias in dict.fromkeys(aliases)] or [{}]:
            one = explorer.Agent()
            one.mmu, one.dcache, one.icache = self.mmu, self.dcache, self.icache
            one.fetched, one.pages = self.fetched, pages
            found.append(one)
        return found


class Agent:
    """
    One agent's settings, mappings, fetches and walks so far.

    ``settings`` has the newest last. ``acted`` says whether there was an event of it other than a switch, a ``map``
    and an ``unmap``. ``mapped`` has the pages of which it has a mapping. ``walked`` has, for each kind of walk, the
    pages where the walker may come again, each with the cores whose ``tlbi`` is pending since the last walk.
    """

    def __init__(self) -> None:
        self.settings = [Setting()]
        self.acted = False
        self.mapped: dict[int, Page] = {}
        self.fetched: set[int] = set()
        self.walked: dict[str, dict[int, set[CoreName]]] = {kind: {} for kind in WALKED}
        self._views: list[View] = []

    # -- its switches ------------------------------------------------------------------------------------------

    def switch(self, switch: str, *, on: bool, pending: bool) -> None:
        """Set a switch: the old settings stay beside the new one while it is pending, and are gone if not."""
        if switch == "mmu" and not on and all(setting.mmu for setting in self.settings):
            self.fetched.clear()
        new = self.settings[-1]._replace(**{switch: on})
        if not pending:
            self._set([new])
        elif new != self.settings[-1]:
            self._set([*(setting for setting in self.settings if setting != new), new])

    def synchronise(self) -> None:
        """Do an ``isb`` of its core: only the newest setting stays."""
        self._set(self.settings[-1:])
        if self.settings[0].mmu:
            self.fetched.clear()

    def _set(self, settings: list[Setting]) -> None:
        self.settings = settings
        self._views = []
        if self.mmu_may_be_on:
            for mapping in (mapping for page in self.mapped.values() for mapping in page.all()):
                mapping.held = True
        else:
            self.walked = {kind: {} for kind in WALKED}

    @property
    def mmu_may_be_on(self) -> bool:
        """Whether it is in at least one of the settings that may be in force."""
        return any(setting.mmu for setting in self.settings)

    @property
    def views(self) -> list[View]:
        """What the agent may be taken for, the newest setting last."""
        if not self._views:
            self._views = [View(setting, self.mapped, self.fetched) for setting in self.settings]
        return self._views

    # -- its mappings ------------------------------------------------------------------------------------------

    def map(self, pages: range, kind: Kind) -> None:
        """Map pages of which it has no mapping."""
        self.mapped.update({page: Page(Mapping(kind, held=self.mmu_may_be_on)) for page in pages})

    def change(self, pages: range, kind: Kind) -> list[int]:
        """Write valid descriptors of mapped pages, and give those of them that needed break-before-make."""
        on = self.mmu_may_be_on
        broken = [page for page in pages if on and self.mapped[page].needs_break_before_make(kind)]
        for page in pages:
            self.mapped[page].change(kind, held=on)
        return broken

    @property
    def endings(self) -> list[Mapping]:
        """Every mapping that is ending."""
        return [ending for page in self.mapped.values() for ending in page.endings]

    def invalidate(self, core: CoreName, pages: range) -> None:
        """Do a ``tlbi`` by a core: it is pending for walked pages, and for ending mappings that the core has seen."""
        for page in (page for number, page in self.mapped.items() if number in pages):
            for ending in page.endings:
                if core in ending.seen:
                    ending.invalidated.add(core)
        for walked in self.walked.values():
            for cores in (cores for number, cores in walked.items() if number in pages):
                cores.add(core)

    def complete(self, core: CoreName) -> None:
        """Do a ``dsb`` by a core: what its ``tlbi`` concern ends, and it has seen that other mappings are ending."""
        for number, page in list(self.mapped.items()):
            page.complete(core)
            if not page.all():
                del self.mapped[number]
        for kind, walked in self.walked.items():
            self.walked[kind] = {number: cores for number, cores in walked.items() if core not in cores}

    # -- what it may do ----------------------------------------------------------------------------------------

    def walk(self, kind: str, page: int) -> None:
        """Begin that the walker may come again: its ``tlbi`` before that concern it no more."""
        self.walked[kind][page] = set()

    def walks_again(self, kind: str, page: int) -> bool:
        """Return whether a walk of the kind may come again, to the lines of a page."""
        return page in self.walked[kind] and any(setting.mmu and setting.dcache for setting in self.settings)

    def keeps_alias_live(self, page: int) -> bool:
        """Return whether it may make "a cacheable alias is live" true for the lines of a page."""
        return any(each.keeps_alias_live(page) for each in self._each(page))

    def is_cacheable(self, page: int) -> bool:
        """Return whether whatever holds for the agent, its alias of a page is a live cacheable one."""
        return all(each.keeps_alias_live(page) for each in self._each(page))

    def may_fetch(self, page: int) -> bool:
        """Return whether it may make "a cacheable fetch is possible" true for the lines of a page."""
        return any(each.may_fetch(page) for each in self._each(page))

    def may_fetch_memory(self, page: int) -> bool:
        """Return whether it may fetch from a page not cacheably."""
        return any(_fetches_memory(each, page) for each in self._each(page))

    def _each(self, page: int) -> list[explorer.Agent]:
        return [each for view in self.views for each in view.choices(page)]


def _fetches_memory(view: explorer.Agent, page: int) -> bool:
    if view.mmu:
        executable = page in view.pages and view.pages[page][1]
    else:
        executable = page in view.fetched or page - 1 in view.fetched
    return executable and not view.may_fetch(page)
