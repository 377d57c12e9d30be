# SPDX-License-Identifier: GPL-2.0-or-later
"""Computes the fewest steps that lead to each microstate of a byte, by the rules of order.

As `coldline.explain.least_cost`, but for each core's view of the byte, and with the steps by which pending
operations take effect. There are too many microstates for a list of all, so costs are kept for those that can be
reached.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from coldline.checker.state.vocabulary import AnyLetter, AnySetting
from coldline.explain.paths import OUTCOMES, Back, CacheStep, CoreView, Taken
from coldline.explain.remembered import Remembered
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import FETCH_ACTS, NON_CACHEABLE, Act, OrderedLetter, Possible
from coldline.rules.order.cores import NO_CORE, CoreEvent, Speculation, possible_for, seen_by
from coldline.rules.order.effects import MAINTENANCE_OF
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.reads import copies_read, leaks, ordered_hazards
from coldline.rules.order.start import starting_microstates
from coldline.rules.order.steps import OrderedStep, steps
from coldline.rules.profile import Profile


class ReachedCosts(tuple[tuple[int, int], ...]):
    """The microstates that can be reached, by their numbers in ascending order, and the cost of each.

    There may be hundreds, and each event of a line looks such a tuple up; so its hash is worked out once.
    """

    _hash: int

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = super().__hash__()
            return self._hash


_MOST_REMEMBERED = 1 << 20
"""The most costs that are remembered of what events do, and of what caches do by themselves; each takes 64 bytes."""

_PERHAPS = {Act.DC_IVAC_OTHER}
_SETWAY = {Act.DC_CSW, Act.DC_CISW, Act.DC_ISW}


class OrderedCosts:
    """The costs of a byte's microstates as each core sees it.

    Parameters
    ----------
    profile : Profile
        The implementation's promises, and the cores.
    cores : sequence of str
        The names of all cores of the trace, the declared ones first.
    owners : bool
        Whether leaks are to be explained, too.
    """

    def __init__(self, profile: Profile, cores: Sequence[str], *, owners: bool = False) -> None:
        assert profile.ordering is not None
        self.profile = profile
        self._cores = max(len(cores), 1)
        self._views = [CoreCosts(profile, core, cores) for core in range(self._cores)]
        if owners:
            self._views += [CoreCosts(profile, core, cores, owners=True) for core in range(self._cores)]
        self.start = tuple(view.start for view in self._views)

    def take(self, costs: Any, letter: AnyLetter | None, setting: AnySetting) -> Taken:
        """See `LeastCosts.take`; costs are a tuple, with those of each core."""
        taken = [view.take(part, letter, setting) for view, part in zip(self._views, costs, strict=True)]
        return Taken(*(tuple(parts) for parts in zip(*taken, strict=True)))

    def views(self, letter: AnyLetter, wanted: Hazard) -> Iterator[CoreView]:
        """The cores by whose view a read may be explained: its own core's first, and for a fetch no other."""
        assert isinstance(letter, CoreEvent)
        cores = [letter.core] if letter.core != NO_CORE else []
        if letter.act not in FETCH_ACTS:
            cores += [core for core in range(self._cores) if core != letter.core]
        first = self._cores if wanted is Hazard.LEAK else 0
        if first == len(self._views):
            return iter(())
        return (CoreView(self._views[first + core], first + core) for core in cores)


class CoreCosts:
    """The costs of a byte's microstates as one core sees it.

    Parameters
    ----------
    profile, cores : Profile, sequence of str
        See `OrderedCosts`.
    core : int
        The core.
    owners : bool
        Whether a copy is fresh if it was written since its page was given to its owner.

    Attributes
    ----------
    agent : str
        The agent whose core it is, if the trace names no core of it; else empty.
    """

    def __init__(self, profile: Profile, core: int, cores: Sequence[str], *, owners: bool = False) -> None:
        assert profile.ordering is not None
        self.profile = profile
        self._core, self._names = core, cores
        self._barriers = profile.ordering.barriers
        self._hazards = leaks if owners else ordered_hazards
        self._owners = owners
        self._ordering = profile.ordering
        self.agent = cores[core] if len(profile.ordering.cores) <= core < len(cores) else ""
        self._microstates: list[OrderedMicrostate] = []
        self._numbers: dict[OrderedMicrostate, int] = {}
        self._steps: dict[tuple[Possible, int], list[tuple[CacheStep, int]]] = {}
        self._effects: dict[tuple[OrderedLetter, int], list[int]] = {}
        self.start = ReachedCosts(sorted((self._number(m), 0) for m in starting_microstates(profile, core)))
        self.take = Remembered(self._take, lambda taken: sum(map(len, taken)), _MOST_REMEMBERED)
        self._settle = Remembered(self._with_steps, len, _MOST_REMEMBERED)

    def _take(self, costs: ReachedCosts, letter: AnyLetter | None, setting: AnySetting) -> Taken:
        possible = self._possible(setting)
        if letter is None:
            return Taken(costs, costs, self._settle(costs, possible))
        ready = self._settle(costs, possible)
        reached: dict[int, int] = {}
        for number, cost in ready:
            for target in self._effects_of(letter, number):
                if cost < reached.get(target, cost + 1):
                    reached[target] = cost
        done = ReachedCosts(sorted(reached.items()))
        return Taken(ready, done, self._settle(done, possible))

    def back(self, costs: ReachedCosts, letter: AnyLetter | None, setting: AnySetting, last: int) -> Back:
        """See `LeastCosts.back`."""
        ready, done, after = self.take(costs, letter, setting)
        late, landed = self.retrace(after, done, setting, last)
        origin = landed
        if letter is not None:
            cost = dict(done)[landed]
            same = [number for number, known in ready if known == cost]
            # an effect that changes nothing comes first
            origin = next(
                number
                for number in sorted(same, key=lambda number: number != landed)
                if landed in self._effects_of(letter, number)
            )
        early, start = self.retrace(ready, costs, setting, origin)
        return Back(start, early, origin, landed, late)

    def retrace(
        self, settled: ReachedCosts, costs: ReachedCosts, setting: AnySetting, last: int
    ) -> tuple[tuple[CacheStep, ...], int]:
        """See `LeastCosts.retrace`."""
        possible, before, after = self._possible(setting), dict(costs), dict(settled)
        told: list[CacheStep] = []
        while after[last] != before.get(last):
            step, origin = next(
                (step, number)
                for number, cost in settled
                if cost == after[last] - 1
                for step, target in self._steps_of(possible, number)
                if target == last
            )
            told.append(step)
            last = origin
        return tuple(reversed(told)), last

    def microstate(self, number: int) -> OrderedMicrostate:
        """The microstate of a number."""
        return self._microstates[number]

    def cheapest_bad(self, ready: ReachedCosts, letter: AnyLetter, wanted: Hazard) -> int | None:
        """See `LeastCosts.cheapest_bad`."""
        seen = self._seen(letter)
        bad = [
            (cost, number)
            for number, cost in ready
            if any(
                self._hazards(self._microstates[number], each, self.profile) is wanted for each in seen.each
            )
        ]
        return min(bad)[1] if bad else None

    def copy_read(self, number: int, letter: AnyLetter) -> str:
        """See `LeastCosts.copy_read`."""
        m, seen = self._microstates[number], self._seen(letter)
        copies = [copy for each in seen.each for copy in copies_read(m, each, self.profile)]
        if len(copies) == 1:
            return ""
        return next(name for name, fresh in copies if not fresh)

    def outcome(self, letter: AnyLetter | None, origin: int, landed: int) -> str:
        """See `LeastCosts.outcome`."""
        if not isinstance(letter, CoreEvent):
            return ""
        words: tuple[str, ...]
        if letter.or_acts:
            return self._kind(letter, origin, landed)
        if letter.act in (Act.SNOOPING_WRITE, Act.SNOOPING_WRITE_OTHER):
            words = ("update", "allocate")
        elif letter.act in (Act.FETCH_NC_HELD, Act.FETCH_NC_HELD_BY):
            words = ("nothing", "held")[: len(self._effects_of(letter, origin))]
        elif self._barriers:
            words = ("nothing", "issued") if letter.act in _SETWAY | _PERHAPS else ()
        else:
            words = OUTCOMES.get(MAINTENANCE_OF.get(letter.act, Letter.IC), ())
        if letter.act in _SETWAY and self.profile.setway_effective:
            words = words[1:]
        return words[self._effects_of(letter, origin).index(landed)] if len(words) > 1 else ""

    def _kind(self, letter: CoreEvent, origin: int, landed: int) -> str:
        """Which of the acts that it may be an access was."""
        m = self._microstates[origin]
        for each in self._seen(letter).each:
            if landed in map(self._number, self._outcomes(m, each)):
                return "non-cacheable" if each.act in NON_CACHEABLE else "cacheable"
        raise AssertionError(landed)

    def _with_steps(self, costs: ReachedCosts, possible: Possible) -> ReachedCosts:
        """Add the steps that may happen at any time: Dijkstra's algorithm, as each costs one."""
        settled = dict(costs)
        waiting: dict[int, list[int]] = {}
        for number, cost in costs:
            waiting.setdefault(cost, []).append(number)
        cost = 0
        while waiting:
            for number in waiting.pop(cost, ()):
                if settled[number] == cost:
                    for _, target in self._steps_of(possible, number):
                        if settled.get(target, cost + 2) > cost + 1:
                            settled[target] = cost + 1
                            waiting.setdefault(cost + 1, []).append(target)
            cost += 1
        return ReachedCosts(sorted(settled.items()))

    def _steps_of(self, possible: Possible, number: int) -> list[tuple[CacheStep, int]]:
        key = possible, number
        if key not in self._steps:
            found = steps(self._microstates[number], possible, self.profile)
            self._steps[key] = [(self._told(step, m), self._number(m)) for step, m in found]
        return self._steps[key]

    def _told(self, step: OrderedStep, m: OrderedMicrostate) -> CacheStep:
        pending = self.pending(self._number(m))
        return CacheStep(step.name, m, self._name(step.core), _words(step.operation), step.outcome, pending)

    def _outcomes(self, m: OrderedMicrostate, letter: OrderedLetter) -> Iterator[OrderedMicrostate]:
        return outcomes(m, letter, self.profile, barriers=self._barriers, owners=self._owners)

    def _effects_of(self, letter: AnyLetter, number: int) -> list[int]:
        seen = self._seen(letter)
        key = seen, number
        if key not in self._effects:
            m = self._microstates[number]
            self._effects[key] = [
                self._number(after) for each in seen.each for after in self._outcomes(m, each)
            ]
        return self._effects[key]

    def _seen(self, letter: AnyLetter) -> OrderedLetter:
        assert isinstance(letter, CoreEvent)
        return seen_by(self._core, letter)

    def _possible(self, setting: AnySetting) -> Possible:
        assert isinstance(setting, Speculation)
        return possible_for(self._core, setting, self._ordering)

    def core_of(self, letter: AnyLetter | None) -> str:
        """The name of the core of an event, if it is known."""
        return self._names[letter.core] if isinstance(letter, CoreEvent) and letter.core != NO_CORE else ""

    def pending(self, number: int) -> tuple[tuple[str, str], ...]:
        """What each core has pending in a microstate, in words."""
        return tuple((self._name(core), str(each)) for core, each in self._microstates[number].pending)

    def _name(self, core: int | None) -> str:
        """The name of a core, by its number as this core counts: see `seen_by`."""
        if core is None:
            return ""
        return self._names[self._core if core == 0 else core - 1]

    def _number(self, m: OrderedMicrostate) -> int:
        number = self._numbers.setdefault(m, len(self._microstates))
        if number == len(self._microstates):
            self._microstates.append(m)
        return number


def _words(operation: Letter | None) -> str:
    return "" if operation is None else operation.name.lower().replace("_", " ")
