# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of the rules of order: its states are worked out when they are first met.

A state is a set of microstates with what speculation may do, as in `coldline.rules.subsets`. Whole, the automaton has
thousands of states for one core and far more for several; a trace meets few of them. A command's process keeps what
it has worked out in the cache folder, for the next one.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial, reduce
from operator import or_
from pathlib import Path

from coldline.errors import TraceError
from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import BARRIER_ACTS, Act, OrderedLetter, Possible
from coldline.rules.order.indistinct import companion, indistinct
from coldline.rules.order.learned import Learned, Members
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.outcomes import outcomes
from coldline.rules.order.owners import given
from coldline.rules.order.reads import leaks, ordered_hazards
from coldline.rules.order.steps import steps
from coldline.rules.profile import Profile
from coldline.support import cache_folder, process_end

MOST_AT_ONCE = 1 << 14
"""The most microstates that a byte may be in at once: several times what a real system's cores have pending."""

MOST_MICROSTATES = 1 << 20
"""The most microstates of one automaton."""

MOST_KEPT_NUMBERS = 1 << 17
"""The most numbers of one automaton that are kept on disk, some megabyte; a boot's are a twelfth of it."""


_Beside = tuple[Members, dict[OrderedMicrostate, list[OrderedMicrostate]]]
"""What adds nothing beside a microstate: always, and by what else is needed for that."""


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
    joins : bool
        Whether sets of microstates that no later event can tell apart are one state where that is easily seen: see
        `coldline.rules.order.indistinct`. With owners they are not.
    learned : Learned, optional
        What was worked out of it before. More is added to it.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        barriers: bool,
        owners: bool = False,
        joins: bool = True,
        learned: Learned | None = None,
    ) -> None:
        self._profile = profile
        self._barriers, self._owners = barriers, owners
        self._joins = joins and not owners
        self._hazards = leaks if owners else ordered_hazards
        learned = Learned() if learned is None else learned
        self._microstates, self._states = learned.microstates, learned.states
        self._steps, self._found, self._changing = learned.steps, learned.hazards, learned.barriers
        self._numbers = {m: number for number, m in enumerate(self._microstates)}
        self._state_numbers = {state: number for number, state in enumerate(self._states)}
        self._successors: dict[Possible, dict[int, Members]] = {}
        self._images: dict[OrderedLetter, dict[int, Members]] = {}
        self._bad: dict[OrderedLetter, dict[int, Hazard]] = {}
        self._kinds: dict[int, OrderedMicrostate] = {}
        self._beside: dict[OrderedMicrostate, _Beside] = {}

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
        found = self._found.get((state, letter))
        if found is None:
            found = self._found[state, letter] = self._worked_out(state, letter)
        return found

    def barriers_that_change(self, state: int) -> frozenset[Act]:
        """The barriers by which some core changes `state`."""
        found = self._changing.get(state)
        if found is None:
            cores = {core for m in self.microstates(state) for core, _ in m.pending}
            found = self._changing[state] = frozenset(
                act
                for act in BARRIER_ACTS
                if any(self._is_changed(state, OrderedLetter(act, core)) for core in cores)
            )
        return found

    def _is_changed(self, state: int, barrier: OrderedLetter) -> bool:
        """Whether a barrier changes `state`: what it removes, or orders, nothing brings back but another prefetch."""
        members = self._states[state][1]
        if all(self._image_of(number, barrier) == {number} for number in members):
            return False
        return barrier.act is not Act.ISB or self.step(state, barrier) != state

    def _worked_out(self, state: int, letter: OrderedLetter) -> Hazard:
        """The hazards of a read that was not met before."""
        if letter.or_acts:
            return Hazard(reduce(or_, (self.hazards(state, each) for each in letter.each)))
        known, members = self._bad.setdefault(letter, {}), self._states[state][1]
        for number in members.difference(known):
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
        for number in members.difference(known):
            self._image_of(number, letter)
        return frozenset().union(*map(known.__getitem__, members))

    def _image_of(self, number: int, letter: OrderedLetter) -> Members:
        """The microstates that an event of one act may lead to from one of them."""
        known = self._images.setdefault(letter, {})
        found = known.get(number)
        if found is None:
            after = outcomes(
                self._microstates[number], letter, self._profile, barriers=self._barriers, owners=self._owners
            )
            found = known[number] = frozenset(map(self._number, after))
        return found

    def _closure(self, members: Members, possible: Possible) -> Members:
        """The microstates that any number of steps leads to from any of some, with those that add nothing to them."""
        known = self._successors.setdefault(possible, {})
        reached, waiting = set(members), members
        while waiting := waiting or self._additions(reached):
            reached |= waiting
            for number in waiting.difference(known):
                after = steps(self._microstates[number], possible, self._profile)
                known[number] = frozenset(self._number(m) for _, m in after)
            waiting = frozenset().union(*map(known.__getitem__, waiting)) - reached
            reached |= waiting
            if len(reached) > MOST_AT_ONCE or len(self._microstates) > MOST_MICROSTATES:
                order_machine.cache_clear()
                raise TraceError("", "too many cores have something pending on one line at the same time")
        return frozenset(reached)

    def _additions(self, reached: set[int]) -> Members:
        """The microstates that add nothing to some, and are not among them."""
        if not self._joins:
            return frozenset()
        for number in reached.difference(self._kinds):
            self._kinds[number] = companion(self._microstates[number])
        added: set[int] = set()
        for kind in set(map(self._kinds.__getitem__, reached)):
            if kind not in self._beside:
                self._beside[kind] = self._beside_of(kind)
            always, others = self._beside[kind]
            added |= always
            for needed, others_of in others.items():
                if self._numbers.get(needed) in reached:
                    added.update(map(self._number, others_of))
        return frozenset(added - reached)

    def _beside_of(self, m: OrderedMicrostate) -> _Beside:
        """What adds nothing beside `m` and its companions."""
        always, others = set(), dict[OrderedMicrostate, list[OrderedMicrostate]]()
        for other, needed in indistinct(m):
            if needed is None:
                always.add(self._number(other))
            else:
                others.setdefault(needed, []).append(other)
        return frozenset(always), others

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
def order_machine(
    profile: Profile, *, barriers: bool, owners: bool = False, joins: bool = True
) -> OrderMachine:
    """The automaton for `profile`: one for all checks, so that a state is worked out once.

    In a command's process it starts with what earlier ones have kept, and is kept at the end.
    """
    folder = cache_folder.folder() if process_end.is_command() else None
    if folder is None:
        return OrderMachine(profile, barriers=barriers, owners=owners, joins=joins)
    path = folder / cache_folder.name_for("order", __name__, profile, barriers, owners, joins)
    learned = Learned()
    with suppress(OSError, ValueError):
        learned = Learned.from_bytes(cache_folder.read_kept(path))
    process_end.at_end(partial(_keep, learned, path, learned.size))
    return OrderMachine(profile, barriers=barriers, owners=owners, joins=joins, learned=learned)


def _keep(learned: Learned, path: Path, before: int) -> None:
    """Keep what was worked out. What has become too much is kept no longer, so that the next process starts anew."""
    if learned.size == before:
        return
    if learned.size <= MOST_KEPT_NUMBERS:
        cache_folder.keep(path, learned.to_bytes())
    elif before > MOST_KEPT_NUMBERS // 2:
        with suppress(OSError):
            path.unlink()
