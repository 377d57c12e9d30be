# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces that reach every state that a byte of a line can have.

Random traces hardly ever get to some states, and some steps of a cache can be told from their absence only there.
So this goes through all of them. A state is what the explorer knows of a byte, and who has its page mapped. From each
one that can be reached, by a shortest way, there is a trace for each event that can come next. After that event comes
a tail of a few more, drawn at random, with a look at the byte after each: if the event led somewhere else than it
should, that is where it shows.

The cast is small and leads everywhere: *n* has the page mapped non-cacheable, and walks; *w* and *t* map it
write-back and write-through, one at a time, and write; *x*, with its data cache off, maps it executable, and fetches.
The byte is one half of a line of 16, and "other" is the other half.
"""

import random
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from tests.oracles import explorer
from tests.oracles.explorer import Microstate, Profile, Rules

OPTION_SETS = ((), ("idc",), ("dic",), ("idc", "dic"), ("nc-may-hit",), ("setway-effective",))
OWN, OTHER, LINE = "0x1000 8", "0x1008 8", "0x1000 16"
PAGE = "0x1000 0x1000"
MAPS = {"w": f"{PAGE} normal-wb", "t": f"{PAGE} normal-wt", "x": f"{PAGE} normal-wb exec"}
TAIL = 4
COLD = Microstate(explorer.INVALID, 0, explorer.INVALID, 0, False, 0, 1)


class Act(NamedTuple):
    """An event: its text, its row of the table, whether it touches the byte, and who has to have the page mapped."""

    text: str
    row: str
    touches: int
    needs: str = ""


ACTS = (
    Act(f"n write {OWN}", "write nc", 1),
    Act(f"n walk {OTHER} normal-wb", "read wb", 0),
    Act(f"w write {OWN}", "write wb", 1, "w"),
    Act(f"w write {OTHER}", "write wb", 0, "w"),
    Act(f"t write {OWN}", "write wt", 1, "t"),
    Act(f"x fetch {OTHER}", "fetch cacheable", 0, "x"),
    *(Act(f"n dc {op} {LINE}", op, 0) for op in explorer.DC_OPS),
    Act(f"n ic ivau {LINE}", "ic", 0),
)


class State(NamedTuple):
    """Who has mapped the page, besides n, and what the byte may be in."""

    mapped: frozenset[str]
    microstates: frozenset[Microstate]


class Byte:
    """What a byte can come to, under a profile."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self.profile = Profile()
        for option in options:
            setattr(self.profile, option.replace("-", "_"), True)
        self._closed: dict[tuple[frozenset[Microstate], Rules], frozenset[Microstate]] = {}

    def _close(self, mapped: frozenset[str], states: frozenset[Microstate]) -> State:
        rules = Rules(bool(mapped & {"w", "t"}), "x" in mapped, self.profile.idc, self.profile.dic)
        key = states, rules
        if key not in self._closed:
            self._closed[key] = frozenset(explorer._close(states, rules))
        return State(mapped, self._closed[key])

    def next(self, state: State) -> Iterator[tuple[str, State]]:
        """Give each event that can happen in a state, as text, and where it leads."""
        for text, mapped in next_maps(state.mapped):
            yield text, self._close(mapped, state.microstates)
        for act in possible(state.mapped):
            after = frozenset(
                new
                for old in state.microstates
                for new in explorer._effect(old, act.row, act.touches, self.profile)
            )
            yield act.text, self._close(state.mapped, after)


def next_maps(mapped: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Give each map and unmap that can come next, and who has mapped the page then."""
    for name, what in MAPS.items():
        if name in mapped:
            yield f"{name} unmap {PAGE}", mapped - {name}
        elif name == "x" or not mapped & {"w", "t"}:
            yield f"{name} map {what}", mapped | {name}


def possible(mapped: frozenset[str]) -> list[Act]:
    """Give the other events that can come next."""
    return [act for act in ACTS if not act.needs or act.needs in mapped]


def _tail(mapped: frozenset[str], draw: random.Random) -> list[str]:
    """Draw what comes last: looks at the byte, which change nothing, and events between; then two that do."""
    look = f"n read {OWN}"
    events = [look]
    for _ in range(TAIL):
        maps = list(next_maps(mapped))
        text, mapped = draw.choice([*maps, *((act.text, mapped) for act in possible(mapped))])
        events += [text, look]
    if "x" not in mapped:
        events.append(f"x map {MAPS['x']}")
    return [*events, f"x fetch {OWN}", f"n walk {OWN} normal-wb"]


def transitions(options: tuple[str, ...]) -> Iterator[str]:
    """Give a trace for each event in each state that can be reached under some options."""
    byte = Byte(options)
    start = State(frozenset(), frozenset([COLD]))
    ways: dict[State, tuple[str, ...]] = {start: ()}
    todo = deque([start])
    header = [
        "line 16",
        *(f"option {option}" for option in options),
        f"n map {PAGE} normal-nc",
        "x dcache off",
    ]
    while todo:
        state = todo.popleft()
        for event, after in byte.next(state):
            way = (*ways[state], event)
            if after not in ways:
                ways[after] = way
                todo.append(after)
            yield "\n".join([*header, *way, *_tail(after.mapped, random.Random(repr(way)))]) + "\n"
