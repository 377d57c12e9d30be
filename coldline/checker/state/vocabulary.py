# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of events: by the rules where everything takes effect at once, or by those of order.

Which letter an access has is decided in `coldline.checker.state.page_classes`; here it gets the form of the rules.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from coldline.errors import TraceError
from coldline.events import Op
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.order.alphabet import DATA_OPERATIONS, Act
from coldline.rules.order.cores import UNPLACED, CoreEvent, Speculation
from coldline.rules.order.ordering import COLD_START, Ordering
from coldline.rules.profile import Profile

AnyLetter = Letter | CoreEvent
"""An event as it affects a byte."""

AnySetting = Setting | Speculation
"""What speculation may do to a page's lines."""

_MAINTENANCE = {
    Op.DC_IVAC: Letter.DC_IVAC,
    Op.DC_CVAC: Letter.DC_CVAC,
    Op.DC_CIVAC: Letter.DC_CIVAC,
    Op.DC_CVAU: Letter.DC_CVAU,
    Op.DC_ISW: Letter.DC_ISW,
    Op.DC_CSW: Letter.DC_CSW,
    Op.DC_CISW: Letter.DC_CISW,
    Op.IC_IVAU: Letter.IC,
    Op.IC_IALLU: Letter.IC,
    Op.IC_IALLUIS: Letter.IC,
}
_EFFECTIVE_SETWAY = {
    Letter.DC_ISW: Letter.DC_IVAC,
    Letter.DC_CSW: Letter.DC_CVAC,
    Letter.DC_CISW: Letter.DC_CIVAC,
}

_ACCESSES = {
    Letter.READ_WB: Act.READ,
    Letter.READ_NC: Act.READ_NC,
    Letter.WRITE_WB: Act.WRITE,
    Letter.WRITE_WT: Act.WRITE_WT,
    Letter.WRITE_NC: Act.WRITE_NC,
    Letter.FETCH_WB: Act.FETCH,
    Letter.FETCH_NC: Act.FETCH_NC,
}
_WALKS = {Letter.READ_WB: Act.WALK, Letter.READ_NC: Act.WALK_NC}
_MAY_HIT = {Act.READ_NC: Act.READ_NC_MAY_HIT, Act.WALK_NC: Act.WALK_NC_MAY_HIT}
_BY_LABEL = {Act.FETCH: Act.FETCH_BY, Act.FETCH_NC_HELD: Act.FETCH_NC_HELD_BY}
_CLEANING = {Op.DC_IVAC: Op.DC_CIVAC, Op.DC_ISW: Op.DC_CISW}
_OTHER_OPERATIONS = {
    Op.DC_CSW: Act.DC_CSW,
    Op.DC_CISW: Act.DC_CISW,
    Op.DC_ISW: Act.DC_ISW,
    Op.IC_IVAU: Act.IC,
    Op.IC_IALLUIS: Act.IC,
    Op.IC_IALLU: Act.IC_LOCAL,
    Op.DSB: Act.DSB,
    Op.DMB: Act.DMB,
    Op.ISB: Act.ISB,
}


class Vocabulary(Protocol):
    """Gives events their letters, and pages their settings.

    Attributes
    ----------
    by_alias : bool
        Whether the letter of maintenance by address depends on the issuing agent's alias.
    barriers : bool
        Whether operations complete at barriers.
    look : tuple of (AnySetting, AnyLetter)
        A setting with a live cacheable alias, and a read through it that sees no core's stores in flight.
    """

    by_alias: bool
    barriers: bool
    look: tuple[AnySetting, AnyLetter]

    def add_agent(self, name: str) -> None:
        """Note the next agent; agents are numbered as they are added."""

    def access(self, letter: Letter, agent: int) -> AnyLetter:
        """The letter of an access."""

    def access_by_first_core(self, letter: Letter) -> AnyLetter:
        """The letter of an access by core 0."""

    def walk(self, letter: Letter, agent: int, *, pou: bool) -> AnyLetter:
        """The letter of a translation-table read; `pou` is as in `Event`."""

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> AnyLetter | None:
        """The letter of cache maintenance or of a barrier; None for other operations.

        `cacheable` says whether it is issued through a cacheable alias.
        """

    def setting(self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int]) -> AnySetting:
        """The setting of pages: whether data caches may be filled, and the agents that may fetch cacheably, and past
        the caches.
        """


class AtOnce:
    """The letters of `coldline.rules.alphabet`: everything takes effect at once, and there is one instruction cache.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    """

    by_alias = False
    barriers = False
    look: tuple[AnySetting, AnyLetter] = (Setting(data=True, fetch=False), Letter.READ_WB)

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def add_agent(self, name: str) -> None:
        """See `Vocabulary.add_agent`."""

    def access(self, letter: Letter, agent: int) -> Letter:
        """See `Vocabulary.access`."""
        return letter

    def walk(self, letter: Letter, agent: int, *, pou: bool) -> Letter:
        """See `Vocabulary.walk`."""
        return letter

    def access_by_first_core(self, letter: Letter) -> Letter:
        """See `Vocabulary.access_by_first_core`."""
        return letter

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> Letter | None:
        """See `Vocabulary.maintenance`.

        Maintenance acts on the physical line, whatever the attributes of the alias that it was issued through (Arm
        ARM DDI 0487 D7.5.9.14, 'Boundary conditions for cache maintenance instructions').
        """
        letter = _MAINTENANCE.get(op)
        if letter is not None and self._profile.setway_effective:
            return _EFFECTIVE_SETWAY.get(letter, letter)
        return letter

    def setting(self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int]) -> Setting:
        """See `Vocabulary.setting`."""
        return Setting(data, any(True for _ in fetch))


class ByCore:
    """The letters of `coldline.rules.order`: each event is one of its core's.

    Parameters
    ----------
    ordering : Ordering
        The cores that are known, whether operations complete at barriers, and what agents may do.
    new_core : callable
        Called for each core that is not in `ordering`: that of an agent of which nothing is said.

    Attributes
    ----------
    core_names : list of str
        The names of the cores by their numbers; a core that is not in `ordering` has its agent's name.
    """

    by_alias = True
    look: tuple[AnySetting, AnyLetter] = (Speculation(data=True), CoreEvent(Act.WALK, 0))

    def __init__(self, ordering: Ordering, new_core: Callable[[], object]) -> None:
        self._core_of = {agent: number for number, core in enumerate(ordering.cores) for agent in core.agents}
        self._declared = len(ordering.cores)
        self.barriers = ordering.barriers
        self._new_core = new_core
        self._cores: list[int] = []
        self._may_hit: list[bool] = []
        declared = [agent for core in ordering.cores for agent in core.agents]
        self._labels_of = {agent: label for label, agent in enumerate(declared)}
        self._labels: list[int] = []
        self._ivac_cleans: list[bool] = []
        self._ordering = ordering
        self.core_names = [core.name for core in ordering.cores]
        self._next = self._declared

    def add_agent(self, name: str) -> None:
        """See `Vocabulary.add_agent`."""
        core = self._core_of.get(name)
        if core is None:
            core, self._next = self._next, self._next + 1
            if self._ordering.vipt and self._ordering.start != COLD_START:
                raise TraceError(
                    "", f"{name} is on no core, so that 'option vipt' needs 'option start {COLD_START}'"
                )
            self._new_core()
            self.core_names.append(name)
        self._cores.append(core)
        self._labels.append(self._labels_of.setdefault(name, len(self._labels_of)))
        self._may_hit.append(name in self._ordering.nc_may_hit)
        self._ivac_cleans.append(name in self._ordering.ivac_cleans)

    def access(self, letter: Letter, agent: int) -> CoreEvent:
        """See `Vocabulary.access`."""
        return self._by(_ACCESSES[letter], agent)

    def access_by_first_core(self, letter: Letter) -> CoreEvent:
        """See `Vocabulary.access_by_first_core`."""
        act = _ACCESSES[letter]
        return CoreEvent(_BY_LABEL.get(act, act) if self._ordering.vipt else act, 0)

    def walk(self, letter: Letter, agent: int, *, pou: bool) -> CoreEvent:
        """See `Vocabulary.walk`."""
        act = _WALKS[letter]
        return self._by(Act.WALK_POU if pou and act is Act.WALK else act, agent)

    def _by(self, act: Act, agent: int) -> CoreEvent:
        """An access by an agent, with what the agent may do."""
        if self._may_hit[agent]:
            act = _MAY_HIT.get(act, act)
        if act is Act.FETCH_NC and self._ordering.nc_fetch_held:
            act = Act.FETCH_NC_HELD
        return self._labelled(act, agent)

    def _labelled(self, act: Act, agent: int) -> CoreEvent:
        """An event, with the agent's label where that matters."""
        core = self._cores[agent]
        if self._ordering.vipt and act in _BY_LABEL:
            return CoreEvent(_BY_LABEL[act], core, label=self._labels[agent])
        return CoreEvent(act, core)

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> CoreEvent | None:
        """See `Vocabulary.maintenance`."""
        if self._ivac_cleans[agent]:
            op = _CLEANING.get(op, op)
        letter = _MAINTENANCE.get(op)
        act = DATA_OPERATIONS[letter][cacheable] if letter in DATA_OPERATIONS else _OTHER_OPERATIONS.get(op)
        if op is Op.IC_IVAU and self._ordering.vipt:
            return CoreEvent(Act.IC_BY, self._cores[agent], label=self._labels[agent])
        return CoreEvent(act, self._cores[agent]) if act is not None else None

    def setting(self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int]) -> Speculation:
        """See `Vocabulary.setting`."""
        cached, past = list(fetch), list(fetch_past)
        if not self.barriers and not self._ordering.nc_fetch_held:
            past = []
        by, past_by = (
            frozenset((self._fetcher(agent), self._labels[agent]) for agent in agents)
            if self._ordering.vipt
            else frozenset()
            for agents in (cached, past)
        )
        return Speculation(
            data, frozenset(map(self._fetcher, cached)), frozenset(map(self._fetcher, past)), by, past_by
        )

    def _fetcher(self, agent: int) -> int:
        core = self._cores[agent]
        return core if core < self._declared else UNPLACED


def vocabulary_of(profile: Profile, new_core: Callable[[], object] = lambda: None) -> Vocabulary:
    """The letters of events by the rules that a profile asks for; `new_core` is as for `ByCore`."""
    return AtOnce(profile) if profile.ordering is None else ByCore(profile.ordering, new_core)
