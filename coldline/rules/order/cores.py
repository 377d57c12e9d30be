# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of one byte as it concerns every core: one `OrderMachine` state for each instruction cache.

An instruction cache never writes back, and only its own core reads it. So each core's is followed by itself, beside
what all cores share, and a byte's state is one state for each core.
"""

from dataclasses import replace
from typing import NamedTuple

from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import AS_CHECKED, AS_FAR, AS_OTHER, CHECKED, Act, OrderedLetter, Possible
from coldline.rules.order.machine import OrderMachine, order_machine
from coldline.rules.order.ordering import Ordering
from coldline.rules.order.start import starting_microstates
from coldline.rules.profile import Profile


class CoreEvent(NamedTuple):
    """An event as it affects one byte.

    Attributes
    ----------
    act : Act
        What happened.
    core : int
        The number of the core that did it; `NO_CORE` if none did.
    owner : bool
        Whether the page was given to the agent that did it.
    or_acts : tuple of Act
        What else may have happened in place of `act`, as nobody knows which switches were in force.
    label : int
        That of the agent, for the acts that concern what one agent fetched.
    """

    act: Act
    core: int
    owner: bool = False
    or_acts: tuple[Act, ...] = ()
    label: int = 0

    @property
    def acts(self) -> tuple[Act, ...]:
        """What may have happened."""
        return (self.act, *self.or_acts)

    @property
    def as_other(self) -> "CoreEvent | None":
        """The event for the bytes of the line that it does not touch; None if it is none for them."""
        others = tuple(dict.fromkeys(AS_OTHER[act] for act in self.acts if act in AS_OTHER))
        return self._replace(act=others[0], or_acts=others[1:]) if others else None

    @property
    def as_far(self) -> "CoreEvent":
        """The event `as_other` for bytes in other granules of maintenance than it touches."""
        acts = tuple(dict.fromkeys(AS_FAR.get(act, act) for act in self.acts))
        return self._replace(act=acts[0], or_acts=acts[1:])


class Speculation(NamedTuple):
    """What speculation may do to a page's lines.

    Attributes
    ----------
    data : bool
        Whether a cacheable alias is live.
    fetch, fetch_past : frozenset of int
        The cores that may fetch from it cacheably, and past the caches; `UNPLACED` stands for all agents that are
        on no core that is known.
    by, past_by : frozenset of (int, int)
        The same with the labels of the agents that may, where instruction caches are indexed by virtual address.
    level2 : bool
        Whether level 2 may be filled though neither `data` nor `fetch` says so.
    """

    data: bool = False
    fetch: frozenset[int] = frozenset()
    fetch_past: frozenset[int] = frozenset()
    by: frozenset[tuple[int, int]] = frozenset()
    past_by: frozenset[tuple[int, int]] = frozenset()
    level2: bool = False


NO_CORE = -2
"""In place of a core's number: a master did it, or nobody."""

UNPLACED = -1
"""Stands for the agents of which it is not known whether they share a core."""


class _Parts(NamedTuple):
    """A byte's state: for each core, and last for one that has done nothing, which copies may be fresh.

    `since_gift` has which copies may have been written since the page was given to its owner; it is empty before.
    """

    copies: tuple[int, ...]
    since_gift: tuple[int, ...] = ()


class CoresMachine:
    """The automaton of one byte, whose states are worked out when they are first met.

    Parameters
    ----------
    profile : Profile
        The implementation's promises. Its cores are known from the start; `add_core` adds those that are met later.
    """

    def __init__(self, profile: Profile) -> None:
        ordering = self._ordering = profile.ordering or Ordering()
        bare = replace(profile, line=64, ordering=None)
        self._machine = order_machine(bare, barriers=ordering.barriers, joins=not ordering.vipt)
        self._owners = order_machine(bare, barriers=ordering.barriers, owners=True)
        cores = self._cores = len(ordering.cores)
        start = _Parts(
            tuple(self._machine.start(starting_microstates(profile, core)) for core in range(cores + 1))
        )
        self._states: list[_Parts] = [start]
        self._numbers: dict[_Parts, int] = {start: 0}

    def __len__(self) -> int:
        return len(self._states)

    @property
    def has_barriers(self) -> bool:
        """Whether operations are complete at their core's barriers, and not at once."""
        return self._ordering.barriers

    def add_core(self) -> int:
        """The number of one more core, of an agent of which it is not known whether it shares a core.

        Until now its instruction cache was that of any such core that has done nothing, which is followed beside the
        others, as the last part of each state. So every state keeps its number.
        """
        self._states = [
            _Parts((*copies, copies[-1]), (*since_gift, *since_gift[-1:]))
            for copies, since_gift in self._states
        ]
        self._numbers = {parts: number for number, parts in enumerate(self._states)}
        self._cores += 1
        return self._cores - 1

    def step(self, state: int, letter: CoreEvent | Speculation) -> int:
        """The next state after an event, or as speculation may do something else from now on."""
        parts = self._after(self._states[state], letter)
        number = self._numbers.setdefault(parts, len(self._states))
        if number == len(self._states):
            self._states.append(parts)
        return number

    def hazards(self, state: int, event: CoreEvent) -> Hazard:
        """The hazards of a read in `state`: a kind counts if it is one as any core sees it."""
        found = Hazard.NONE
        copies, since_gift = self._states[state]
        cores = range(max(self._cores, 1))
        if event.act in CHECKED:
            for core in cores:
                found |= self._machine.hazards(copies[core], seen_by(core, event))
        if event.act in AS_CHECKED and event.owner and since_gift:
            for core in cores:
                found |= self._owners.hazards(since_gift[core], seen_by(core, event))
        return found

    def barriers_that_change(self, state: int) -> frozenset[Act]:
        """The barriers by which some core changes `state`."""
        copies, since_gift = self._states[state]
        found = [self._machine.barriers_that_change(part) for part in copies]
        found += [self._owners.barriers_that_change(part) for part in since_gift]
        return frozenset().union(*found)

    def is_changed_by_invalidation(self, state: int) -> bool:
        """Whether an invalidation of all of an instruction cache, or of all of them, may change `state`.

        Where everything takes effect at once, that of a core's own is to it what that of all is.
        """
        copies, since_gift = self._states[state]
        invalidation = OrderedLetter(Act.IC, 0)
        return any(self._machine.step(part, invalidation) != part for part in copies) or any(
            self._owners.step(part, invalidation) != part for part in since_gift
        )

    def _after(self, parts: _Parts, letter: CoreEvent | Speculation) -> _Parts:
        if isinstance(letter, CoreEvent) and letter.act is Act.GIVE:
            return parts._replace(since_gift=tuple(map(self._given, parts.copies)))
        return _Parts(
            tuple(
                self._part_step(self._machine, core, part, letter) for core, part in enumerate(parts.copies)
            ),
            tuple(
                self._part_step(self._owners, core, part, letter)
                for core, part in enumerate(parts.since_gift)
            ),
        )

    def _given(self, part: int) -> int:
        return self._owners.after_gift(self._machine.possible(part), self._machine.microstates(part))

    def _part_step(self, machine: OrderMachine, core: int, part: int, letter: CoreEvent | Speculation) -> int:
        if isinstance(letter, Speculation):
            return machine.step(part, possible_for(core, letter, self._ordering))
        return machine.step(part, seen_by(core, letter))


def possible_for(core: int, speculation: Speculation, ordering: Ordering) -> Possible:
    """What speculation may do as it concerns one core."""
    number = core if core < len(ordering.cores) else UNPLACED
    fetch, past = number in speculation.fetch, number in speculation.fetch_past
    return Possible(
        data=speculation.data,
        fetch=fetch and not ordering.vipt,
        fetch_elsewhere=bool(speculation.fetch) or speculation.level2,
        prefetch=ordering.barriers and fetch,
        prefetch_past=ordering.barriers and past,
        held=ordering.nc_fetch_held and past and not ordering.vipt,
        fetch_by=_labels(speculation.by, number),
        held_by=_labels(speculation.past_by, number) if ordering.nc_fetch_held else (),
    )


def _labels(fetchers: frozenset[tuple[int, int]], number: int) -> tuple[int, ...]:
    """The labels of the agents of a core."""
    return tuple(sorted(label for core, label in fetchers if core == number))


def seen_by(core: int, event: CoreEvent) -> OrderedLetter:
    """The letter of an event as it concerns `core`: 0 for its own events, and 1 more than the number for others'."""
    core_seen = 0 if event.core == core else event.core + 1
    return OrderedLetter(event.act, core_seen, event.or_acts, event.label)
