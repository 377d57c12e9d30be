# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of the rules of order: its states are worked out when they are first met.

A state is a set of microstates with what speculation may do, as in `coldline.rules.subsets`. Whole, the automaton has
thousands of states for one core and far more for several; a trace meets few of them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce
from operator import or_

from coldline.errors import TraceError
from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import OrderedLetter, Possible
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.owners import given
from coldline.rules.order.reads import leaks, ordered_hazards
from coldline.rules.order.steps import steps
from coldline.rules.profile import Profile

Members = frozenset[int]
"""A set of microstates, by their numbers."""

MOST_AT_ONCE = 1 << 14
"""The most microstates that a byte may be in at once: several times what a real system's cores have pending."""

MOST_MICROSTATES = 1 << 20
"""The most microstates of one automaton."""


class OrderMachine:
    """The automaton of one byte as it concerns one core.

    Parameters
    ----------
    profile : Profile
        The implementation's promises.
    barriers : bool
        Whether operations are complete at their core's barriers, and not at once.
    owners : bool
        Whether it follows which copies were written since the page was given to its owner, and not which are fresh.
    """

    def __init__(self, profile: Profile, *, barriers: bool, owners: bool = False) -> None:
        self._profile = profile
        self._barriers, self._owners = barriers, owners
        self._hazards = leaks if owners else ordered_hazards
        self._microstates: list[OrderedMicrostate] = []
        self._numbers: dict[OrderedMicrostate, int] = {}
        self._successors: dict[Possible, dict[int, Members]] = {}
        self._images: dict[OrderedLetter, dict[int, Members]] = {}
        self._bad: dict[OrderedLetter, dict[int, Hazard]] = {}
        self._states: list[tuple[Possible, Members]] = []
        self._state_numbers: dict[tuple[Possible, Members], int] = {}
        self._steps: dict[tuple[int, OrderedLetter | Possible], int] = {}

    def __len__(self) -> int:
        return len(self._states)

    def start(self, first: Iterable[OrderedMicrostate]) -> int:
        """The state of a byte that may be in any of some microstates before any event."""
        members = frozenset(map(self._number, first))
        return self._state(Possible(), self._closure(members, Possible()))

    def possible(self, state: int) -> Possible:
        """What speculation may do in `state`."""
        return self._states[state][0]

    def microstates(self, state: int) -> Iterator[OrderedMicrostate]:
        """The microstates that the byte may be in."""
        return (self._microstates[number] for number in self._states[state][1])

    def step(self, state: int, letter: OrderedLetter | Possible) -> int:
        """The next state: after an event, or as speculation may do something else from now on.

        Raises
        ------
        TraceError
            If cores have too much pending at once.
        """
        after = self._steps.get((state, letter))
        if after is None:
            possible, members = self._states[state]
            if isinstance(letter, Possible):
                possible = letter
            else:
                members = self._image(members, letter)
            after = self._state(possible, self._closure(members, possible))
            self._steps[state, letter] = after
        return after

    def hazards(self, state: int, letter: OrderedLetter) -> Hazard:
        """The hazards of a read by `letter` in `state`."""
        if letter.or_acts:
            return Hazard(reduce(or_, (self.hazards(state, each) for each in letter.each)))
        known, members = self._bad.setdefault(letter, {}), self._states[state][1]
        for number in members - known.keys():
            known[number] = self._hazards(self._microstates[number], letter, self._profile)
        return reduce(or_, set(map(known.__getitem__, members)), Hazard.NONE)

    def after_gift(self, possible: Possible, before: Iterator[OrderedMicrostate]) -> int:
        """The state just after a page was given to others, of a byte that was in one of some microstates."""
        members = frozenset(self._number(given(m)) for m in before)
        return self._state(possible, self._closure(members, possible))

    def _image(self, members: Members, letter: OrderedLetter) -> Members:
        """The microstates that an event may lead to from any of some."""
        if letter.or_acts:
            return frozenset().union(*(self._image(members, each) for each in letter.each))
        known = self._images.setdefault(letter, {})
        for number in members - known.keys():
            after = outcomes(
                self._microstates[number], letter, self._profile, barriers=self._barriers, owners=self._owners
            )
            known[number] = frozenset(map(self._number, after))
        return frozenset().union(*map(known.__getitem__, members))

    def _closure(self, members: Members, possible: Possible) -> Members:
        """The microstates that any number of steps leads to from any of some."""
        known = self._successors.setdefault(possible, {})
        reached, waiting = set(members), members
        while waiting:
            for number in waiting - known.keys():
                after = steps(self._microstates[number], possible, self._profile)
                known[number] = frozenset(self._number(m) for _, m in after)
            waiting = frozenset().union(*map(known.__getitem__, waiting)) - reached
            reached |= waiting
            if len(reached) > MOST_AT_ONCE or len(self._microstates) > MOST_MICROSTATES:
                order_machine.cache_clear()
                raise TraceError("", "too many cores have something pending on one line at the same time")
        return frozenset(reached)

    def _number(self, m: OrderedMicrostate) -> int:
        number = self._numbers.setdefault(m, len(self._microstates))
        if number == len(self._microstates):
            self._microstates.append(m)
        return number

    def _state(self, possible: Possible, members: Members) -> int:
        number = self._state_numbers.setdefault((possible, members), len(self._states))
        if number == len(self._states):
            self._states.append((possible, members))
        return number


@lru_cache(maxsize=8)
def order_machine(profile: Profile, *, barriers: bool, owners: bool = False) -> OrderMachine:
    """The automaton for `profile`: one for all checks, so that a state is worked out once."""
    return OrderMachine(profile, barriers=barriers, owners=owners)
