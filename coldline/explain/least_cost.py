# SPDX-License-Identifier: GPL-2.0-or-later
"""Computes the fewest spontaneous cache steps that lead to each microstate of a byte.

Each microstate of a byte has a *cost*: the least number of spontaneous steps (`line_rules.STEPS`) that lead to it.
The microstates with a finite cost are the set that the automaton follows, so bytes with equal costs have the same
future hazards, and the same stories. Few different lists of costs occur, and the effect of an event on each list is
computed once.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from coldline.explain.paths import OUTCOMES, Back, CacheStep, CoreView, Taken
from coldline.rules import line_rules
from coldline.rules.alphabet import Letter, Setting
from coldline.rules.line_rules import COPIES_READ, EFFECTS, STEPS, Hazard
from coldline.rules.microstate import COLD, Microstate
from coldline.rules.profile import Profile

if TYPE_CHECKING:
    from coldline.checker.state.vocabulary import AnyLetter

MICROSTATES = tuple(line_rules.microstates())
MICROSTATE_NUMBERS = {m: number for number, m in enumerate(MICROSTATES)}

UNREACHABLE = 255
"""The cost of a microstate that cannot be reached."""

REMEMBERED = 1 << 14
"""How many effects on lists of costs are cached, some 500 bytes each."""

Costs = bytes
"""The cost of each of `MICROSTATES`."""

_NOWHERE = bytes([UNREACHABLE]) * len(MICROSTATES)


class LeastCosts:
    """The costs of a byte's microstates, event by event.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.

    Attributes
    ----------
    start : bytes
        The costs of a byte before any event.
    agent : str
        Empty: see `CoreCosts`.
    """

    agent = ""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        # An effective set/way operation has the letter of that by address: the others are those that are not sure.
        self._rules = replace(profile, setway_effective=False)
        self._effects: dict[Letter, list[list[int]]] = {}
        self._settled: dict[tuple[Costs, Setting], Costs] = {}
        self._steps: dict[Setting, list[list[int]]] = {}
        self._steps_back: dict[Setting, list[list[tuple[str, int]]]] = {}
        self.start: Costs = bytes(0 if m == COLD else UNREACHABLE for m in MICROSTATES)
        self.take = lru_cache(REMEMBERED)(self._take)
        self.back = lru_cache(REMEMBERED)(self._back)

    def views(self, letter: "AnyLetter", wanted: Hazard) -> Iterator[CoreView]:
        """The costs by which a read may be explained: these."""
        yield CoreView(self)

    def microstate(self, number: int) -> Microstate:
        """The microstate of a number."""
        return MICROSTATES[number]

    def core_of(self, letter: "AnyLetter | None") -> str:
        """The name of the core of an event: there is none."""
        return ""

    def pending(self, number: int) -> tuple[tuple[str, str], ...]:
        """What cores have pending in a microstate: nothing."""
        return ()

    def cheapest_bad(self, ready: Costs, letter: Letter, wanted: Hazard) -> int | None:
        """The number of the microstate with the least cost in which a read is wrong in the wanted way, if any."""
        bad = [
            number
            for number in _bad_microstates(letter, wanted, self.profile)
            if ready[number] != UNREACHABLE
        ]
        return min(bad, key=ready.__getitem__, default=None)

    def copy_read(self, number: int, letter: Letter) -> str:
        """The copy that a bad read returns, if it could return one of several."""
        m = MICROSTATES[number]
        copies = list(COPIES_READ[letter](m, self.profile))
        if len(copies) == 1:
            return ""
        names = ["memory", *(["level 1"] if m.level1 else []), *(["level 2"] if m.level2 else [])]
        return names[copies.index(False)]

    def outcome(self, letter: Letter | None, origin: int, landed: int) -> str:
        """Which of several possible outcomes an event had, in a word of `OUTCOMES`; empty if it has one."""
        if letter not in OUTCOMES:
            return ""
        return OUTCOMES[letter][self._effects_of(letter)[origin].index(landed)]

    def _take(self, costs: Costs, letter: Letter | None, setting: Setting) -> Taken:
        """The effect of an event on `costs`; `setting` is what speculation may do after it."""
        if letter is None:
            return Taken(costs, costs, self._settle(costs, setting))
        # Speculation that the event itself allows (a prefetch that reaches this page) may come before it, too.
        ready = self._settle(costs, setting)
        reached = bytearray(_NOWHERE)
        for cost, targets in zip(ready, self._effects_of(letter), strict=True):
            if cost != UNREACHABLE:
                for target in targets:
                    if cost < reached[target]:
                        reached[target] = cost
        done = bytes(reached)
        return Taken(ready, done, self._settle(done, setting))

    def _back(self, costs: Costs, letter: Letter | None, setting: Setting, last: int) -> Back:
        """A shortest path through one event that ends in `last`, from one of the microstates with `costs`.

        Each step comes as early as possible.
        """
        ready, done, after = self.take(costs, letter, setting)
        late, landed = self.retrace(after, done, setting, last)
        origin = landed
        if letter is not None:
            effects = self._effects_of(letter)
            origins = (landed, *range(len(effects)))  # an effect that changes nothing comes first
            origin = next(each for each in origins if landed in effects[each] and ready[each] == done[landed])
        early, start = self.retrace(ready, costs, setting, origin)
        return Back(start, early, origin, landed, late)

    def retrace(
        self, settled: Costs, costs: Costs, setting: Setting, last: int
    ) -> tuple[tuple[CacheStep, ...], int]:
        """The fewest steps that lead to a microstate from one with `costs`, and the microstate they start from.

        Parameters
        ----------
        settled : bytes
            The costs once caches have acted.
        costs : bytes
            The costs before that.
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
        """Add the steps that caches may take on their own."""
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
                [MICROSTATE_NUMBERS[target] for target in EFFECTS[letter](m, self._rules)]
                for m in MICROSTATES
            ]
        return self._effects[letter]

    def _steps_from(self, setting: Setting) -> list[list[int]]:
        """The microstates that a step leads to, from each microstate."""
        if setting not in self._steps:
            leads: list[list[int]] = [[] for _ in MICROSTATES]
            for target, steps in enumerate(self._steps_to(setting)):
                for _, origin in steps:
                    leads[origin].append(target)
            self._steps[setting] = leads
        return self._steps[setting]

    def _steps_to(self, setting: Setting) -> list[list[tuple[str, int]]]:
        """The steps that lead to each microstate: their names, and the microstates they start from."""
        if setting not in self._steps_back:
            back: list[list[tuple[str, int]]] = [[] for _ in MICROSTATES]
            for name, step in STEPS.items():
                for origin, m in enumerate(MICROSTATES):
                    for target in step(m, setting, self.profile):
                        back[MICROSTATE_NUMBERS[target]].append((name, origin))
            self._steps_back[setting] = back
        return self._steps_back[setting]


@cache  # letters and profiles are few
def _bad_microstates(letter: Letter, wanted: Hazard, profile: Profile) -> list[int]:
    """The microstates in which a read is wrong: with no fresh copy left, or despite one."""
    return [
        number for number, m in enumerate(MICROSTATES) if line_rules.hazards(m, letter, profile) is wanted
    ]
