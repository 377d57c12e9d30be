# SPDX-License-Identifier: GPL-2.0-or-later
"""The fewest spontaneous cache steps that lead to each microstate of a byte.

What is known of a byte is here a *cost* for each of its microstates: how many steps (`line_rules.STEPS`) a way there
takes at the least. The microstates that have one are the set that the automaton follows, so that bytes with the
same costs are alike in all that may become of them, and in how it is told. Few such lists of costs turn up, and
what an event makes of each is worked out once.
"""

from functools import lru_cache
from typing import NamedTuple

from coldline.rules import line_rules
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.line_rules import EFFECTS, STEPS
from coldline.rules.microstate import COLD, Microstate
from coldline.rules.profile import Profile

MICROSTATES = tuple(line_rules.microstates())
MICROSTATE_NUMBERS = {m: number for number, m in enumerate(MICROSTATES)}

UNREACHABLE = 255
"""The cost of a microstate that cannot be reached."""

REMEMBERED = 1 << 14
"""Effects on lists of costs that are kept, some 500 bytes each."""

Costs = bytes
"""The cost of each of `MICROSTATES`."""

_NOWHERE = bytes([UNREACHABLE]) * len(MICROSTATES)


class Taken(NamedTuple):
    """What an event makes of a byte's costs: just before it, just after it, and once caches have acted again."""

    ready: Costs
    done: Costs
    after: Costs


class CacheStep(NamedTuple):
    """A spontaneous step of a cache, and the microstate that it led to."""

    name: str
    state: Microstate


class Back(NamedTuple):
    """The last part of a shortest way: from the microstate `start` through one event.

    Attributes
    ----------
    start : Microstate
        Where it begins, before the steps that only the event at hand allows.
    before : tuple of CacheStep
        Those steps.
    state : Microstate
        Just after the event.
    after : tuple of CacheStep
        The steps from there.
    """

    start: Microstate
    before: tuple[CacheStep, ...]
    state: Microstate
    after: tuple[CacheStep, ...]


class LeastCosts:
    """The costs of a byte's microstates, event by event.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.

    Attributes
    ----------
    start : bytes
        The costs of a byte that nothing has touched.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._effects: dict[Letter, list[list[int]]] = {}
        self._settled: dict[tuple[Costs, Setting], Costs] = {}
        self._steps: dict[Setting, list[list[int]]] = {}
        self._steps_back: dict[Setting, list[list[tuple[str, int]]]] = {}
        self.start: Costs = bytes(0 if m == COLD else UNREACHABLE for m in MICROSTATES)
        self.take = lru_cache(REMEMBERED)(self._take)
        self.back = lru_cache(REMEMBERED)(self._back)

    def _take(self, costs: Costs, letter: Letter | None, setting: Setting) -> Taken:
        """What becomes of `costs` by an event after which speculation may do what `setting` says."""
        if letter is None:
            return Taken(costs, costs, self._settle(costs, setting))
        # What the event itself allows (a prefetch that reaches this page) it allows before it, too.
        ready = self._settle(costs, setting)
        reached = bytearray(_NOWHERE)
        for cost, targets in zip(ready, self._effects_of(letter), strict=True):
            if cost != UNREACHABLE:
                for target in targets:
                    if cost < reached[target]:
                        reached[target] = cost
        done = bytes(reached)
        return Taken(ready, done, self._settle(done, setting))

    def _back(self, costs: Costs, letter: Letter | None, setting: Setting, last: Microstate) -> Back:
        """A shortest way through one event that ends in `last`, from one of the microstates with `costs`.

        It takes each step as early as it can.
        """
        ready, done, after = self.take(costs, letter, setting)
        late, landed = self.retrace(after, done, setting, MICROSTATE_NUMBERS[last])
        origin = landed
        if letter is not None:
            effects = self._effects_of(letter)
            origins = (landed, *range(len(effects)))  # nothing line_event is told first
            origin = next(each for each in origins if landed in effects[each] and ready[each] == done[landed])
        early, start = self.retrace(ready, costs, setting, origin)
        return Back(MICROSTATES[start], early, MICROSTATES[landed], late)

    def retrace(
        self, settled: Costs, costs: Costs, setting: Setting, last: int
    ) -> tuple[tuple[CacheStep, ...], int]:
        """The fewest steps that lead to a microstate from one with `costs`, and that one.

        Parameters
        ----------
        settled : bytes
            What `costs` are once caches have acted.
        costs : bytes
            Before.
        setting : Setting
            What speculation may do.
        last : int
            The microstate, one of `MICROSTATES`.
        """
        steps = []
        while settled[last] != costs[last]:
            name, origin = next(
                each for each in self._steps_to(setting)[last] if settled[each[1]] == settled[last] - 1
            )
            steps.append(CacheStep(name, MICROSTATES[last]))
            last = origin
        return tuple(reversed(steps)), last

    def _settle(self, costs: Costs, setting: Setting) -> Costs:
        """Add what caches may do on their own."""
        key = (costs, setting)
        settled = self._settled.get(key)
        if settled is None:
            if len(self._settled) >= REMEMBERED:
                self._settled.clear()
            settled = self._settled[key] = self._with_steps(costs, setting)
            self._settled[settled, setting] = settled
        return settled

    def _with_steps(self, costs: Costs, setting: Setting) -> Costs:
        """Dijkstra's algorithm, as each step costs one."""
        settled = bytearray(costs)
        steps = self._steps_from(setting)
        waiting: dict[int, list[int]] = {}
        for number, cost in enumerate(costs):
            if cost != UNREACHABLE:
                waiting.setdefault(cost, []).append(number)
        cost = 0
        while waiting:
            farther = waiting.setdefault(cost + 1, [])
            for number in waiting.pop(cost, ()):
                if settled[number] == cost:
                    for target in steps[number]:
                        if settled[target] > cost + 1:
                            settled[target] = cost + 1
                            farther.append(target)
            cost += 1
            if not farther:
                del waiting[cost]
        return bytes(settled)

    def _effects_of(self, letter: Letter) -> list[list[int]]:
        if letter not in self._effects:
            self._effects[letter] = [
                [MICROSTATE_NUMBERS[target] for target in EFFECTS[letter](m, self.profile)]
                for m in MICROSTATES
            ]
        return self._effects[letter]

    def _steps_from(self, setting: Setting) -> list[list[int]]:
        """Where a step leads from each microstate."""
        if setting not in self._steps:
            leads: list[list[int]] = [[] for _ in MICROSTATES]
            for target, steps in enumerate(self._steps_to(setting)):
                for _, origin in steps:
                    leads[origin].append(target)
            self._steps[setting] = leads
        return self._steps[setting]

    def _steps_to(self, setting: Setting) -> list[list[tuple[str, int]]]:
        """The steps that lead to each microstate, by name, and where from."""
        if setting not in self._steps_back:
            back: list[list[tuple[str, int]]] = [[] for _ in MICROSTATES]
            for name, step in STEPS.items():
                for origin, m in enumerate(MICROSTATES):
                    for target in step(m, setting, self.profile):
                        back[MICROSTATE_NUMBERS[target]].append((name, origin))
            self._steps_back[setting] = back
        return self._steps_back[setting]
