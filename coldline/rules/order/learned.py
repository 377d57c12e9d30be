# SPDX-License-Identifier: GPL-2.0-or-later
"""What was worked out of an automaton of the rules of order, as an object and as bytes.

The bytes are JSON. Copies, what cores have pending, and letters are written once and numbered; everything else has
their numbers. Bytes that are anything else are refused, however they came to be there.
"""

import json
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import Hazard
from coldline.rules.microstate import Level, Microstate
from coldline.rules.order.alphabet import BARRIER_ACTS, Act, OrderedLetter, Possible
from coldline.rules.order.microstate import Maintenance, OrderedMicrostate, Pending, StoreInFlight

Members = frozenset[int]
"""A set of microstates, by their numbers."""

AnyStep = OrderedLetter | Possible
"""What leads from a state to the next: an event, or what speculation may do from now on."""

_T = TypeVar("_T", bound=Hashable)

_HAZARDS = tuple(map(Hazard, range(2 * max(Hazard))))
"""What a read may find: any hazards at once."""


class Learned:
    """What was worked out of one automaton; everything in it is numbered in the order in which it was met.

    Attributes
    ----------
    microstates : list of OrderedMicrostate
        The microstates.
    states : list of (Possible, frozenset of int)
        The states: what speculation may do, and the microstates that the byte may be in.
    steps : dict of (int, OrderedLetter or Possible) to int
        The state after a state.
    hazards : dict of (int, OrderedLetter) to Hazard
        The hazards of a read in a state.
    barriers : dict of int to frozenset of Act
        The barriers by which some core changes a state.
    """

    def __init__(self) -> None:
        self.microstates: list[OrderedMicrostate] = []
        self.states: list[tuple[Possible, Members]] = []
        self.steps: dict[tuple[int, AnyStep], int] = {}
        self.hazards: dict[tuple[int, OrderedLetter], Hazard] = {}
        self.barriers: dict[int, frozenset[Act]] = {}

    @property
    def size(self) -> int:
        """How many numbers it takes to write it, about."""
        members = sum(len(members) for _, members in self.states)
        entries = (self.microstates, self.steps, self.hazards, self.barriers)
        return members + 3 * sum(map(len, entries))

    def to_bytes(self) -> bytes:
        """The bytes that `from_bytes` reads."""
        lines, pending, letters = _Numbers(), _Numbers(), _Numbers()
        microstates = [
            (lines.of(m.line), [(core, pending.of(each)) for core, each in m.pending], m.instructions)
            for m in self.microstates
        ]
        states = [(letters.of(possible), sorted(members)) for possible, members in self.states]
        steps = [(state, letters.of(letter), after) for (state, letter), after in self.steps.items()]
        hazards = [(state, letters.of(letter), found) for (state, letter), found in self.hazards.items()]
        barriers = [(state, sorted(acts)) for state, acts in self.barriers.items()]
        parts = (lines.met, pending.met, letters.met, microstates, states, steps, hazards, barriers)
        return json.dumps(parts, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Learned":
        """What `to_bytes` wrote.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        try:
            return cls._of(*json.loads(data))
        except (ValueError, TypeError, IndexError, RecursionError) as error:
            raise ValueError("not the states of an automaton") from error

    @classmethod
    def _of(cls, lines: Any, pending: Any, letters: Any, *rest: Any) -> "Learned":
        microstates, states, steps, hazards, barriers = rest
        found = cls()
        line_at = _lookup(_line(*each) for each in lines)
        pending_at = _lookup(_pending(*each) for each in pending)
        letter_at = _lookup(_letter(*each) for each in letters)
        for line, owners, instructions in microstates:
            held = tuple((_integer(label), _flag(fresh)) for label, fresh in instructions)
            parts = tuple((_integer(core), pending_at(each)) for core, each in owners)
            found.microstates.append(OrderedMicrostate(line_at(line), parts, held))
        every = range(len(found.microstates))
        for possible, members in states:
            numbers = frozenset(map(_integer, members))
            if not numbers or min(numbers) not in every or max(numbers) not in every:
                raise ValueError("a state has no microstates, or unknown ones")
            found.states.append((_only(Possible, letter_at(possible)), numbers))
        state_at, hazard_at = _lookup(range(len(found.states))), _lookup(_HAZARDS)
        for state, letter, after in steps:
            found.steps[state_at(state), letter_at(letter)] = state_at(after)
        for state, letter, hazard in hazards:
            event = _only(OrderedLetter, letter_at(letter))
            found.hazards[state_at(state), event] = hazard_at(hazard)
        for state, acts in barriers:
            found.barriers[state_at(state)] = frozenset(map(_barrier, acts))
        return found


class _Numbers:
    """Numbers of what is met, in that order."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, each: Hashable) -> int:
        return self._numbers.setdefault(each, len(self._numbers))

    @property
    def met(self) -> list[Hashable]:
        return list(self._numbers)


def _lookup(all_of: Iterable[_T]) -> Callable[[Any], _T]:
    """The function from a number to what has it."""
    found = list(all_of)

    def at(number: Any) -> _T:
        index = _integer(number)
        if index < 0:
            raise ValueError("a number is negative")
        return found[index]

    return at


def _line(*parts: Any) -> Microstate:
    level1, fresh1, level2, fresh2, *flags = parts
    return Microstate(Level(level1), _flag(fresh1), Level(level2), _flag(fresh2), *map(_flag, flags))


def _pending(maintenance: Any, instruction: Any, instruction_by: Any, store: Any, prefetched: Any) -> Pending:
    return Pending(
        tuple(Maintenance(Letter(operation), *map(_flag, flags)) for operation, *flags in maintenance),
        _flag(instruction),
        tuple(map(_integer, instruction_by)),
        None if store is None else StoreInFlight(*map(_flag, store)),
        None if prefetched is None else _flag(prefetched),
    )


def _letter(*parts: Any) -> AnyStep:
    """An event, which has four parts, or what speculation may do."""
    if len(parts) == len(OrderedLetter._fields):
        act, core, or_acts, label = parts
        return OrderedLetter(Act(act), _integer(core), tuple(map(Act, or_acts)), _integer(label))
    *flags, fetch_by, held_by = parts
    return Possible._make(
        (*map(_flag, flags), *(tuple(map(_integer, labels)) for labels in (fetch_by, held_by)))
    )


def _barrier(each: Any) -> Act:
    act = Act(_integer(each))
    if act not in BARRIER_ACTS:
        raise ValueError("an act is no barrier")
    return act


def _only(kind: type[_T], each: object) -> _T:
    if not isinstance(each, kind):
        raise ValueError("an event is in the place of what speculation may do, or the other way round")
    return each


def _flag(each: Any) -> bool:
    if each is not True and each is not False:
        raise ValueError("a flag is neither true nor false")
    return bool(each)


def _integer(each: Any) -> int:
    if type(each) is not int:
        raise ValueError("a number is none")
    return int(each)
