# SPDX-License-Identifier: GPL-2.0-or-later
"""The letters of events by the rules of order, where each event is one of its core's."""

from collections.abc import Callable, Iterable

from coldline.checker.state.access_letters import Letters
from coldline.checker.state.letters import (
    ACCESS_ACTS,
    CLEANING_OPS,
    LABELLED_ACTS,
    MAINTENANCE_LETTERS,
    MAY_HIT_ACTS,
    OF_MASTERS,
    OPERATION_ACTS,
    WALK_ACTS,
)
from coldline.checker.state.vocabulary import AnyLetter, AnySetting, AtOnce, Vocabulary
from coldline.errors import TraceError
from coldline.events import Op
from coldline.rules.alphabet import Letter
from coldline.rules.order.alphabet import DATA_OPERATIONS, POLLS, Act
from coldline.rules.order.cores import NO_CORE, UNPLACED, CoreEvent, Speculation
from coldline.rules.order.ordering import COLD_START, Ordering
from coldline.rules.order.virtual_caches import LABELLED
from coldline.rules.profile import Profile


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
        self._masters = dict(ordering.masters)
        self._snoops: list[bool | None] = []
        self.core_names = [core.name for core in ordering.cores]
        self._next = self._declared

    def add_agent(self, name: str) -> None:
        """See `Vocabulary.add_agent`."""
        self._snoops.append(self._masters.get(name))
        self._may_hit.append(name in self._ordering.nc_may_hit)
        self._ivac_cleans.append(name in self._ordering.ivac_cleans)
        self._labels.append(self._labels_of.setdefault(name, len(self._labels_of)))
        if name in self._masters:
            self._cores.append(NO_CORE)
            return
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

    def access(
        self, letters: Letters, agent: int, op: Op, *, owner: bool = False, pou: bool = False
    ) -> CoreEvent:
        """See `Vocabulary.access`."""
        acts = [self._act(letter, agent, op, pou=pou) for letter in letters]
        return CoreEvent(acts[0], self._cores[agent], owner, tuple(acts[1:]), self._label(acts, agent))

    def _act(self, letter: Letter, agent: int, op: Op, *, pou: bool) -> Act:
        """What an access is, by what its agent may do."""
        act = WALK_ACTS[letter] if op is Op.WALK else ACCESS_ACTS[letter]
        if pou and act is Act.WALK:
            act = Act.WALK_POU
        if self._may_hit[agent]:
            act = MAY_HIT_ACTS.get(act, act)
        if act is Act.FETCH_NC and self._ordering.nc_fetch_held:
            act = Act.FETCH_NC_HELD
        if self._ordering.vipt:
            act = LABELLED_ACTS.get(act, act)
        return POLLS[act] if op is Op.POLL else act

    def _label(self, acts: list[Act], agent: int) -> int:
        """The agent's label, where it matters for one of some acts."""
        return self._labels[agent] if LABELLED.keys() & set(acts) else 0

    def core_of(self, agent: int) -> int:
        """See `Vocabulary.core_of`."""
        return self._cores[agent]

    def core_mates(self, agent: int) -> list[int]:
        """See `Vocabulary.core_mates`."""
        core = self._cores[agent]
        return [number for number, each in enumerate(self._cores) if each == core]

    def of_master(self, agent: int, op: Op, *, owner: bool) -> CoreEvent | None:
        """See `Vocabulary.of_master`."""
        snoops = self._snoops[agent]
        acts = OF_MASTERS.get(op)
        if snoops is None or acts is None:
            return None
        act = acts[snoops]
        return CoreEvent(POLLS[act] if op is Op.POLL else act, NO_CORE, owner)

    def gift(self) -> CoreEvent:
        """See `Vocabulary.gift`."""
        return CoreEvent(Act.GIVE, NO_CORE)

    def power_off(self) -> CoreEvent:
        """See `Vocabulary.power_off`."""
        return CoreEvent(Act.POWER_OFF, NO_CORE)

    def access_by_first_core(self, letter: Letter) -> CoreEvent:
        """See `Vocabulary.access_by_first_core`."""
        act = ACCESS_ACTS[letter]
        return CoreEvent(LABELLED_ACTS.get(act, act) if self._ordering.vipt else act, 0)

    def maintenance(self, op: Op, agent: int, *, cacheable: bool) -> CoreEvent | None:
        """See `Vocabulary.maintenance`."""
        if self._ivac_cleans[agent]:
            op = CLEANING_OPS.get(op, op)
        letter = MAINTENANCE_LETTERS.get(op)
        act = DATA_OPERATIONS[letter][cacheable] if letter in DATA_OPERATIONS else OPERATION_ACTS.get(op)
        if op is Op.IC_IVAU and self._ordering.vipt:
            return CoreEvent(Act.IC_BY, self._cores[agent], label=self._labels[agent])
        return CoreEvent(act, self._cores[agent]) if act is not None else None

    def is_master(self, agent: int) -> bool:
        """See `Vocabulary.is_master`."""
        return self._snoops[agent] is not None

    def setting(
        self, data: bool, fetch: Iterable[int], fetch_past: Iterable[int], *, level2: bool = False
    ) -> Speculation:
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
        fetchers, past_fetchers = frozenset(map(self._fetcher, cached)), frozenset(map(self._fetcher, past))
        fills = level2 and not data and not fetchers
        return Speculation(data, fetchers, past_fetchers, by, past_by, fills)

    def _fetcher(self, agent: int) -> int:
        core = self._cores[agent]
        return core if core < self._declared else UNPLACED


def vocabulary_of(profile: Profile, new_core: Callable[[], object] = lambda: None) -> Vocabulary:
    """The letters of events by the rules that a profile asks for; `new_core` is as for `ByCore`."""
    return AtOnce(profile) if profile.ordering is None else ByCore(profile.ordering, new_core)
