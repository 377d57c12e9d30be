# SPDX-License-Identifier: GPL-2.0-or-later
"""A second construction of a byte's automaton, from the explorer's rules, with Hopcroft's algorithm.

It uses nothing of ``coldline``. The rules are those of ``tests/oracles/explorer.py``, on lines of two bytes of
which only the first is looked at: an *own* event touches it and an *other* one its neighbour.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracles.explorer import (
    CHECKED,
    INVALID,
    Microstate,
    Profile,
    Rules,
    _copies_read,
    _effect,
    _reachable,
)

OWN, NEIGHBOUR = 0b01, 0b10
MAINTENANCE = ("cvac", "civac", "ivac", "cvau", "ic", "csw", "cisw", "isw")
EVENTS = {
    "read wb": ("read wb", OWN),
    "read wb other": ("read wb", NEIGHBOUR),
    "read nc": ("read nc", OWN),
    "write wb": ("write wb", OWN),
    "write wb other": ("write wb", NEIGHBOUR),
    "write wt": ("write wt", OWN),
    "write nc": ("write nc", OWN),
    "fetch wb": ("fetch cacheable", OWN),
    "fetch wb other": ("fetch cacheable", NEIGHBOUR),
    "fetch nc": ("fetch not cacheable", OWN),
    **{action if action == "ic" else f"dc {action}": (action, OWN | NEIGHBOUR) for action in MAINTENANCE},
}
SETTINGS = {
    "set none": (False, False),
    "set fetch": (False, True),
    "set data": (True, False),
    "set both": (True, True),
}
LETTERS = (*EVENTS, *SETTINGS)

Output = tuple[tuple[bool, bool], ...]
"""For each of `CHECKED`: whether the read may be stale, and whether the write may be lost."""


@dataclass
class Machine:
    """A deterministic automaton: state 0 is the start, `step` has the next state for each of `LETTERS`."""

    step: list[list[int]]
    output: list[Output]


def profile_of(**switches: bool) -> Profile:
    """The explorer's profile with some switches on."""
    profile = Profile()
    for name, on in switches.items():
        assert hasattr(profile, name)
        setattr(profile, name, on)
    return profile


def first_byte(s: Microstate) -> Microstate:
    """Forget the neighbour."""
    return s._replace(f1=s.f1 & OWN, f2=s.f2 & OWN, fi=s.fi & OWN, fm=s.fm & OWN)


class Sets:
    """Sets of microstates as Python integers: a bit for each microstate, in the order of their discovery."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.numbers: dict[Microstate, int] = {}
        self.members: list[Microstate] = []
        self.images: dict[tuple[int, str, tuple[bool, bool]], int] = {}

    def mask(self, states: Iterator[Microstate]) -> int:
        result = 0
        for s in states:
            if s not in self.numbers:
                self.numbers[s] = len(self.members)
                self.members.append(s)
            result |= 1 << self.numbers[s]
        return result

    def closed(self, s: Microstate, setting: tuple[bool, bool]) -> frozenset[Microstate]:
        return _reachable(s, Rules(*setting, self.profile.idc, self.profile.dic))

    def after(self, number: int, letter: str, setting: tuple[bool, bool]) -> int:
        """The microstates that an event or a setting, and then the caches' steps, may lead to from one microstate."""
        key = (number, letter, setting)
        if key not in self.images:
            s = self.members[number]
            outcomes = [s]
            if letter in EVENTS:
                outcomes = [first_byte(each) for each in _effect(s, *EVENTS[letter], self.profile)]
            self.images[key] = self.mask(each for one in outcomes for each in self.closed(one, setting))
        return self.images[key]

    def step(self, mask: int, letter: str, setting: tuple[bool, bool]) -> int:
        result = 0
        for number in bits(mask):
            result |= self.after(number, letter, setting)
        return result

    def output(self, mask: int) -> Output:
        return tuple(self.wrong(mask, action) for action in CHECKED)

    def wrong(self, mask: int, action: str) -> tuple[bool, bool]:
        stale = lost = False
        for number in bits(mask):
            s = self.members[number]
            if not all(copy & OWN for copy in _copies_read(s, action, self.profile)):
                gone = not (s.f1 | s.f2 | s.fi | s.fm) & OWN
                stale, lost = stale or not gone, lost or gone
        return stale, lost


def bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def determined(**switches: bool) -> Machine:
    """The automaton of sets, with every reachable set."""
    sets = Sets(profile_of(**switches))
    cold = Microstate(INVALID, 0, INVALID, 0, False, 0, OWN)
    start = (sets.mask(iter(sets.closed(cold, (False, False)))), (False, False))
    numbers, todo, step = {start: 0}, [start], []
    for mask, setting in todo:
        row = []
        for letter in LETTERS:
            new = SETTINGS.get(letter, setting)
            target = (sets.step(mask, letter, new), new)
            if target not in numbers:
                numbers[target] = len(todo)
                todo.append(target)
            row.append(numbers[target])
        step.append(row)
    return Machine(step, [sets.output(mask) for mask, _ in todo])


def hopcroft(machine: Machine) -> list[set[int]]:
    """The coarsest partition into states that no word distinguishes, by splitting on the smaller half."""
    before: list[dict[int, list[int]]] = [defaultdict(list) for _ in LETTERS]
    for state, row in enumerate(machine.step):
        for letter, target in enumerate(row):
            before[letter][target].append(state)
    by_output: dict[Output, set[int]] = defaultdict(set)
    for state, output in enumerate(machine.output):
        by_output[output].add(state)
    blocks = list(by_output.values())
    block_of = {state: number for number, block in enumerate(blocks) for state in block}
    waiting = {(number, letter) for number in range(len(blocks)) for letter in range(len(LETTERS))}
    while waiting:
        splitter, letter = waiting.pop()
        into: dict[int, set[int]] = defaultdict(set)
        for target in blocks[splitter]:
            for state in before[letter][target]:
                into[block_of[state]].add(state)
        for number, inside in into.items():
            outside = blocks[number] - inside
            if not outside:
                continue
            new = len(blocks)
            blocks[number], small = (outside, inside) if len(inside) <= len(outside) else (inside, outside)
            blocks.append(small)
            for state in small:
                block_of[state] = new
            # The larger half is still waiting where the whole was; else the smaller half alone does.
            waiting |= {(new, each) for each in range(len(LETTERS))}
    return blocks
