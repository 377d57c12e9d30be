# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces that reach every state that a byte of a line can have.

Random traces hardly ever reach some states, and some steps of a cache make a difference only there.
So this module reaches all of them. A state is the explorer's set of microstates, and the mappings of the page. For
each reachable state and each event that can come next, there is a trace, which reaches the state by a shortest path.
After that event comes a tail of a few more, drawn at random, with a read of the byte after each: if the event led to
a wrong state, a difference shows there.

A few agents suffice: *n* has the page mapped non-cacheable, and walks; *w* and *t* map it
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
    """An event: its text, its row of the table, whether it touches the byte, and the agent that must map the page."""

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
    """The agents that map the page, besides n, and the microstates that the byte may be in."""

    mapped: frozenset[str]
    microstates: frozenset[Microstate]


class Byte:
    """The reachable states of a byte, under a profile."""

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
        """Yield each event that can happen in a state, as text, and the next state."""
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
    """Yield each map and unmap that can come next, and the agents that map the page then."""
    for name, what in MAPS.items():
        if name in mapped:
            yield f"{name} unmap {PAGE}", mapped - {name}
        elif name == "x" or not mapped & {"w", "t"}:
            yield f"{name} map {what}", mapped | {name}


def possible(mapped: frozenset[str]) -> list[Act]:
    """Yield the other events that can come next."""
    return [act for act in ACTS if not act.needs or act.needs in mapped]


def _tail(mapped: frozenset[str], draw: random.Random) -> list[str]:
    """Draw the tail: reads of the byte, which change nothing, and events between; then two reads that do."""
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
    """Yield a trace for each event in each state that is reachable under some options."""
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
