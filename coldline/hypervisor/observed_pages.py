# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the guests of a watched machine, and takes the events of pages that a builder has loaded for them."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from coldline.arm import MemoryType
from coldline.events.agent_names import agents_of
from coldline.events.op import Op

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from coldline.events.batch import Batch

PAGES_OF_GUEST: Final = 128
"""How many pages of each guest are looked at."""

_SHIFT: Final = 12
HYPERVISOR: Final = "el2"
_OTHERS: Final = ("el1", "el3", "loader")
_BY_SUFFIX: Final = {
    name.removeprefix("x"): memory_type
    for name, memory_type in zip(
        agents_of("x"),
        (MemoryType.NORMAL_WB, MemoryType.DEVICE, MemoryType.NORMAL_NC, MemoryType.NORMAL_WT),
        strict=True,
    )
}
INVALIDATIONS: Final = (Op.IC_IALLU, Op.IC_IALLUIS)
_USES: Final = (Op.READ, Op.WRITE, Op.FETCH)
_KEPT: Final = (Op.WRITE, Op.DC_ZVA, Op.DC_CIVAC, Op.MAP, Op.UNMAP)


class WatchedAgent(NamedTuple):
    """An agent of a watched machine: whose it is, and the type of its accesses."""

    who: str
    memory_type: MemoryType


class SeenOnPage(NamedTuple):
    """An event on a page, or an instruction cache operation on all."""

    number: int
    op: Op
    agent: WatchedAgent


class LoadedGuest(NamedTuple):
    """A guest: its name; the numbers of its first event, first access and last one; the pages that are looked at."""

    name: str
    begins: int
    uses: int
    ends: int
    pages: "NDArray[np.int64]"


def who_of(agent: str) -> WatchedAgent:
    """Whose an agent is: ``cpu0.dom1-nc`` is of ``dom1``."""
    regime = agent.partition(".")[2] or agent
    who, dash, suffix = regime.partition("-")
    return WatchedAgent(who, _BY_SUFFIX.get(dash + suffix, MemoryType.NORMAL_WB))


class GuestFinder:
    """Finds the guests, and pages that the builder wrote before they used them."""

    def __init__(self, builder: str) -> None:
        self._builder = builder
        self._begins: dict[str, int] = {}
        self._uses: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._used: dict[str, set[int]] = {}
        self._written: set[int] = set()
        self._written_before: dict[str, set[int]] = {}
        self._number = 0

    def take(self, batch: "Batch") -> None:
        """Take the next events."""
        rows = batch.rows
        pages = (rows["address"] >> np.uint64(_SHIFT)).astype(np.int64)
        agents = [who_of(agent).who for agent in batch.agents]
        begin: list[tuple[int, str]] = []
        for who in dict.fromkeys(agents):
            if who in (HYPERVISOR, self._builder, *_OTHERS):
                continue
            mine = np.isin(rows["agent"], [index for index, each in enumerate(agents) if each == who])
            if not mine.any():
                continue
            if who not in self._begins:
                begin.append((int(np.flatnonzero(mine)[0]), who))
            mine &= np.isin(rows["op"], _USES)
            if mine.any():
                used = np.flatnonzero(mine)
                self._uses.setdefault(who, self._number + int(used[0]))
                self._ends[who] = self._number + int(used[-1])
            self._used.setdefault(who, set()).update(np.unique(pages[mine]).tolist())
        writers = [index for index, each in enumerate(agents) if each == self._builder]
        writes = np.flatnonzero(np.isin(rows["agent"], writers) & (rows["op"] == Op.WRITE))
        for index, who in sorted(begin):
            before, writes = writes[writes < index], writes[writes > index]
            self._written.update(np.unique(pages[before]).tolist())
            self._begins[who] = self._number + index
            self._written_before[who], self._written = self._written, set()
        self._written.update(np.unique(pages[writes]).tolist())
        self._number += len(batch)

    def guests(self) -> list[LoadedGuest]:
        """The guests that use what was written for them."""
        found = []
        for who, uses in self._uses.items():
            loaded = sorted(self._used[who] & self._written_before[who])
            step = -(-len(loaded) // PAGES_OF_GUEST)
            if loaded:
                pages = np.array(loaded[::step], np.int64)
                found.append(LoadedGuest(who, self._begins[who], uses, self._ends[who], pages))
        return found


class PageEvents:
    """Takes the events of a guest's pages before it begins, from the last one of an earlier guest on.

    An invalidation of instruction caches may be told as late as the guest's first access: see
    `coldline.frontends.qemu.accesses`.

    Attributes
    ----------
    found : list of list of SeenOnPage
        The events of each page.
    later : list of list of SeenOnPage
        What the hypervisor then did to caches, until the guest's last access.
    """

    def __init__(self, guest: LoadedGuest, builder: str) -> None:
        self.found: list[list[SeenOnPage]] = [[] for _ in guest.pages]
        self.later: list[list[SeenOnPage]] = [[] for _ in guest.pages]
        self._guest, self._known = guest, (HYPERVISOR, builder, *_OTHERS)
        self._alive: list[dict[WatchedAgent, SeenOnPage]] = [{} for _ in guest.pages]
        self._looked_at = np.zeros(int(guest.pages[-1]) + 2, bool)
        self._looked_at[guest.pages] = True
        self._number = 0

    def take(self, batch: "Batch") -> None:
        """Take the next events."""
        number, self._number = self._number, self._number + len(batch)
        if number > self._guest.ends:
            return
        rows, agents, pages = batch.rows, [who_of(agent) for agent in batch.agents], self._guest.pages
        operations = rows["op"]
        everywhere = np.isin(operations, INVALIDATIONS)
        begin = (rows["address"] >> np.uint64(_SHIFT)).astype(np.int64)
        touched = self._looked_at[np.minimum(begin, len(self._looked_at) - 1)]
        touched &= np.isin(operations, _KEPT)
        touched |= np.isin(operations, (Op.MAP, Op.UNMAP)) | everywhere
        # what an earlier guest did to a page, once for each batch
        others = [index for index, each in enumerate(agents) if each.who not in self._known]
        touched |= (
            np.isin(rows["agent"], others) & self._looked_at[np.minimum(begin, len(self._looked_at) - 1)]
        )
        for index in np.flatnonzero(touched).tolist():
            agent = agents[rows["agent"][index]]
            seen = SeenOnPage(number + index, Op(int(operations[index])), agent)
            if seen.number > self._guest.ends:
                return
            first, end = 0, len(pages)
            if not everywhere[index]:
                last = (int(rows["address"][index]) + int(rows["size"][index]) - 1) >> _SHIFT
                first, end = map(int, np.searchsorted(pages, (int(begin[index]), last + 1)))
            if seen.number > self._guest.uses:
                if agent.who == HYPERVISOR and (everywhere[index] or seen.op is Op.DC_CIVAC):
                    self._add_later(seen, first, end)
            elif seen.number < self._guest.begins or (everywhere[index] and agent.who == HYPERVISOR):
                self._add(seen, first, end)

    def _add_later(self, seen: SeenOnPage, first: int, end: int) -> None:
        """Note maintenance once for each time: of lines one after another, the first."""
        for at in range(first, end):
            if not self.later[at] or self.later[at][-1].op is not seen.op:
                self.later[at].append(seen)

    def _add(self, seen: SeenOnPage, first: int, end: int) -> None:
        for at in range(first, end):
            if seen.op is Op.MAP:
                self._alive[at][seen.agent] = seen
            elif seen.op is Op.UNMAP:
                self._alive[at].pop(seen.agent, None)
            if seen.agent.who in self._known:
                self.found[at].append(seen)
            elif seen.op not in INVALIDATIONS:
                # The page was an earlier guest's: what is alive beside it goes on.
                self.found[at] = [each for each in self._alive[at].values() if each.agent.who == HYPERVISOR]
