# SPDX-License-Identifier: GPL-2.0-or-later
"""The deterministic automaton of a byte, determined by the rules.

The rules say what *may* happen: a nondeterministic machine. Following every possibility at once makes it
deterministic, as a regular-expression engine makes a DFA of an NFA: a state is the set of microstates that
the byte may be in, together with what speculation may do to it just now. There are few such sets, and most
of them cannot be told apart by any later event, so that the minimal automaton has a few hundred states.

Building it takes a second or two; it is kept in the user's cache folder under a name that changes with the rules.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from coldline import cache
from coldline.coherence import rules
from coldline.coherence.rules import (
    COLD,
    EFFECTS,
    SOURCES,
    STEPS,
    Hazard,
    Letter,
    Microstate,
    Profile,
    Setting,
)

LETTERS = tuple(Letter)
_SOURCES = ("coherence/automaton.py", "coherence/rules.py")
READS = tuple(SOURCES)
"""The letters that are checked, in the order of a state's outputs."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """A minimal deterministic automaton of one byte.

    Attributes
    ----------
    step : tuple of tuple of int
        ``step[state][letter]`` is the next state.
    bad : tuple of tuple of int
        ``bad[state][i]`` says what is wrong with a read by ``READS[i]`` in that state, as `Hazard` flags.
    start : int
        The state of a byte that nothing has touched and nobody has mapped.
    reachable : int
        The number of states before minimisation.
    """

    step: tuple[tuple[int, ...], ...]
    bad: tuple[tuple[int, ...], ...]
    start: int
    reachable: int


@lru_cache
def automaton(profile: Profile) -> Automaton:
    """The automaton for `profile`, from the cache folder where it is there.

    Set/way maintenance that is effective is the same as maintenance by address, and the size of a line is
    not a byte's concern, so neither makes another automaton.
    """
    profile = replace(profile, line=64, setway_effective=False)
    path = _cache_path(profile)
    if path is None:
        return build(profile)
    with suppress(OSError, ValueError, TypeError, KeyError):
        return _from_json(path.read_text())
    built = build(profile)
    cache.save(path, lambda draft: _write(draft, built))
    return built


def build(profile: Profile) -> Automaton:
    """Determine and minimise the automaton that the rules give for `profile`."""
    machine = SetMachine(profile)
    cold = Setting(data=False, fetch=False)
    start = (machine.close(machine.mask([COLD]), cold), cold)
    numbers = {start: 0}
    states = [start]
    step: list[list[int]] = []
    for members, setting in states:
        row = []
        for letter in LETTERS:
            after = letter.setting or setting
            target = (machine.advance(members, letter, after), after)
            if target not in numbers:
                numbers[target] = len(states)
                states.append(target)
            row.append(numbers[target])
        step.append(row)
    bad = [tuple(machine.hazards(members, letter) for letter in READS) for members, _ in states]
    block = _minimise(step, bad)
    size = max(block) + 1
    representative = [block.index(number) for number in range(size)]
    return Automaton(
        step=tuple(tuple(block[target] for target in step[state]) for state in representative),
        bad=tuple(bad[state] for state in representative),
        start=block[0],
        reachable=len(states),
    )


class SetMachine:
    """Sets of microstates as bit masks, and the rules on them.

    Parameters
    ----------
    profile : Profile
        Which implementation's rules.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.microstates = rules.microstates()
        self.number = {m: i for i, m in enumerate(self.microstates)}
        self._after: dict[tuple[Letter, Setting], list[int]] = {}
        self._closure: dict[Setting, list[int]] = {}
        self._bad = {
            (letter, flag): self.mask(
                m for m in self.microstates if rules.hazards(m, letter, profile) is flag
            )
            for letter in READS
            for flag in (Hazard.STALE, Hazard.LOST)
        }

    def mask(self, members: Iterable[Microstate]) -> int:
        """The bit mask of a set of microstates."""
        result = 0
        for m in members:
            result |= 1 << self.number[m]
        return result

    def close(self, members: int, setting: Setting) -> int:
        """Add all that caches may do on their own."""
        return _union(members, self._closures(setting))

    def advance(self, members: int, letter: Letter, setting: Setting) -> int:
        """Apply an event to each member, then close under `setting`, the one in force after the event."""
        key = (letter, setting)
        if key not in self._after:
            effect, closures = EFFECTS[letter], self._closures(setting)
            self._after[key] = [
                _union(self.mask(effect(m, self.profile)), closures) for m in self.microstates
            ]
        return _union(members, self._after[key])

    def hazards(self, members: int, letter: Letter) -> int:
        """What a read may find wrong in any of `members`, as `Hazard` flags."""
        return sum(flag for flag in (Hazard.STALE, Hazard.LOST) if members & self._bad[letter, flag])

    def _closures(self, setting: Setting) -> list[int]:
        if setting not in self._closure:
            self._closure[setting] = [self._reach(m, setting) for m in self.microstates]
        return self._closure[setting]

    def _reach(self, start: Microstate, setting: Setting) -> int:
        seen, todo = {start}, [start]
        while todo:
            m = todo.pop()
            for step in STEPS.values():
                for target in step(m, setting, self.profile):
                    if target not in seen:
                        seen.add(target)
                        todo.append(target)
        return self.mask(seen)


def _union(members: int, images: list[int]) -> int:
    result = 0
    while members:
        low = members & -members
        result |= images[low.bit_length() - 1]
        members ^= low
    return result


def _minimise(step: list[list[int]], outputs: list[tuple[int, ...]]) -> list[int]:
    """Moore's algorithm: split states by what they say, then by where they go, until nothing splits."""
    block = _number(outputs)
    while True:
        finer = _number([(block[i], *(block[target] for target in row)) for i, row in enumerate(step)])
        if max(finer) == max(block):
            return finer
        block = finer


def _number(keys: list[tuple[int, ...]]) -> list[int]:
    numbers: dict[tuple[int, ...], int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _cache_path(profile: Profile) -> Path | None:
    folder = cache.folder()
    return None if folder is None else folder / f"{cache.name_for('automaton', _SOURCES, profile)}.json"


def _to_json(built: Automaton) -> str:
    return json.dumps(
        {"step": built.step, "bad": built.bad, "start": built.start, "reachable": built.reachable}
    )


def _from_json(text: str) -> Automaton:
    loaded = json.loads(text)
    step = tuple(tuple(row) for row in loaded["step"])
    bad = tuple(tuple(row) for row in loaded["bad"])
    start, reachable = loaded["start"], loaded["reachable"]
    states = range(len(step))
    shaped = (
        len(bad) == len(step)
        and all(len(row) == len(LETTERS) for row in step)
        and all(len(row) == len(READS) for row in bad)
        and type(reachable) is int
    )
    targets = [start, *(target for row in step for target in row)]
    if not shaped or any(type(target) is not int or target not in states for target in targets):
        raise ValueError("not an automaton")
    return Automaton(step, bad, start, reachable)


def _write(path: Path, built: Automaton) -> None:
    path.write_text(_to_json(built))
