# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts the states that the smallest automaton of one byte under the rules of order has.

A second construction, which uses only the tables: `steps`, the effects of acts, and `ordered_hazards`. For each word
of events and settings, the microstates from which it may lead to a bad read are found backwards. Two states are the
same if they agree on which words may. So states are found forwards, each as the vector of its answers (J. Brzozowski,
'Canonical regular expressions and minimal state graphs for definite events', 1962).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from coldline.rules.line_rules import Hazard
from coldline.rules.order.alphabet import Act, OrderedLetter, Possible
from coldline.rules.order.effects import OrderedEffect
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.reads import ordered_hazards
from coldline.rules.order.steps import steps
from coldline.rules.profile import Profile

Moves = Callable[[OrderedMicrostate], Iterator[OrderedMicrostate]]


class TooManyStates(Exception):  # noqa: N818
    """There are more states, or more sets of microstates, than the caller allows."""


def least_states(
    profile: Profile,
    effects: Mapping[Act, OrderedEffect],
    letters: Sequence[OrderedLetter],
    settings: Sequence[Possible],
    most: int,
) -> int:
    """Return the number of states, with the start in the first of `settings`, where bytes are cold."""
    return _Automaton(profile, effects, letters, settings, most).states()


class _Automaton:
    def __init__(
        self,
        profile: Profile,
        effects: Mapping[Act, OrderedEffect],
        letters: Sequence[OrderedLetter],
        settings: Sequence[Possible],
        most: int,
    ) -> None:
        self._letters, self._settings, self._most = letters, settings, most

        def step_under(possible: Possible) -> Moves:
            return lambda m: (after for _, after in steps(m, possible, profile))

        def effect_of(letter: OrderedLetter) -> Moves:
            return lambda m: effects[letter.act](m, letter.core, profile)

        moves = [*map(step_under, settings), *map(effect_of, letters)]
        microstates, tables = _explored(moves)
        self._steps, self._events = tables[: len(settings)], tables[len(settings) :]
        self._bad = [
            np.array([bool(ordered_hazards(m, letter, profile) & kind) for m in microstates])
            for letter in letters
            for kind in (Hazard.STALE, Hazard.LOST)
        ]

    def states(self) -> int:
        """The number of states."""
        words, longer = self._words()
        start = np.zeros(words.shape[2], bool)
        start[0] = True
        count = len(self._settings)
        setting, vector = 0, (words[:, 0] & start).any(axis=1)
        del words
        found = {vector.tobytes()}
        waiting = [(setting, vector)]
        while waiting:
            setting, vector = waiting.pop()
            for at, row in enumerate(longer):
                after = vector[row]
                if after.tobytes() not in found:
                    found.add(after.tobytes())
                    waiting.append((at if at < count else setting, after))
                    if len(found) > self._most:
                        raise TooManyStates
        return len(found)

    def _words(self) -> tuple[Any, list[Any]]:
        """The words' sets of microstates, for each setting, and which word each longer one is the same as.

        Of the shapes (words, settings, microstates) and, for each setting and letter to put before it, (words,).
        """
        first = [np.stack([self._closed(at, bad) for at in range(len(self._settings))]) for bad in self._bad]
        numbers: dict[bytes, int] = {}
        sets: list[Any] = []

        def number(each: Any) -> int:
            known = numbers.setdefault(np.packbits(each).tobytes(), len(sets))
            if known == len(sets):
                sets.append(each)
                if len(sets) > 4 * self._most:
                    raise TooManyStates
            return known

        for each in first:
            number(each)
        rows: list[list[int]] = []
        for each in sets:  # which grows
            row = []
            for at in range(len(self._settings)):  # once this one is the setting
                row.append(number(np.stack([self._closed(q, each[at]) for q in range(len(self._settings))])))
            for table in self._events:
                before = _before(table, each)
                row.append(number(np.stack([self._closed(q, before[q]) for q in range(len(self._settings))])))
            rows.append(row)
        return np.stack(sets), [np.array(column) for column in zip(*rows, strict=True)]

    def _closed(self, setting: int, members: Any) -> Any:
        """The microstates from which any number of steps leads to some."""
        while True:
            more = members | _before(self._steps[setting], members)
            if (more == members).all():
                return members
            members = more


def _explored(moves: Sequence[Moves]) -> tuple[list[OrderedMicrostate], list[Any]]:
    """All microstates, and for each kind of move where it leads: shape (microstates, most targets)."""
    microstates = [OrderedMicrostate()]
    numbers = {microstates[0]: 0}
    targets: list[list[list[int]]] = [[] for _ in moves]
    for m in microstates:  # which grows
        for move, found in zip(moves, targets, strict=True):
            found.append([])
            for after in move(m):
                if after not in numbers:
                    numbers[after] = len(microstates)
                    microstates.append(after)
                found[-1].append(numbers[after])
    none = len(microstates)
    tables = []
    for found in targets:
        width = max(1, max(map(len, found)))
        tables.append(np.array([each + [none] * (width - len(each)) for each in found]))
    return microstates, tables


def _before(table: Any, members: Any) -> Any:
    """The microstates from which a move leads to one of `members`, of shape (…, microstates)."""
    padded = np.concatenate([members, np.zeros((*members.shape[:-1], 1), bool)], axis=-1)
    return padded[..., table].any(axis=-1)
