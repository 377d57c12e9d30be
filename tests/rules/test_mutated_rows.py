# SPDX-License-Identifier: GPL-2.0-or-later
"""Each row of the tables of one byte's rules matters: with another row's content, a trace gets other hazards.

A row's content is put in place of another's, and the two automata are followed side by side until a read tells them
apart. The way there is a trace. `ALSO_OTHERWISE` has the rows for which there is no such way, and so no trace: the
automata are the same.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from coldline.rules import automaton, line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.automaton import READS, Automaton, build_automaton
from coldline.rules.profile import Profile
from coldline.support import cache_folder
from tests.helpers.checking import check_text
from tests.oracles.explorer import explore

ROWS = [(table, row) for table in ("STEPS", "EFFECTS", "COPIES_READ") for row in getattr(line_rules, table)]
OPTIONS = ((), ("idc",), ("dic",), ("idc", "dic"), ("nc-may-hit",))

ALSO_OTHERWISE = {
    (
        "EFFECTS",
        Letter.FETCH_WB,
    ): "a fetch that does nothing: where fetches are cacheable, instruction caches fill on their own",
    ("EFFECTS", Letter.FETCH_WB_OTHER): "likewise",
    (
        "EFFECTS",
        Letter.DC_CSW,
    ): "the next row is 'dc cisw', which may not reach the line either: caches drop lines on their own",
    (
        "EFFECTS",
        Letter.SET_DATA,
    ): "the next other row is that of a read: where data caches may fill, they fill on their own",
    ("EFFECTS", Letter.SET_BOTH): "likewise",
}
"""The rows that may have the next one's content, and why."""

OWN, OTHER, LINE, PAGE = "0x1000 8", "0x1008 8", "0x1000 16", "0x1000 0x1000"


class Event(NamedTuple):
    """An event of a trace: its letter for the byte, its text, and the agent that must have the page mapped."""

    letter: Letter
    text: str
    needs: str = ""


EVENTS = [
    Event(Letter.WRITE_NC, f"n write {OWN}"),
    Event(Letter.READ_NC, f"n read {OWN}"),
    Event(Letter.READ_WB, f"n walk {OWN} normal-wb"),
    Event(Letter.READ_WB_OTHER, f"n walk {OTHER} normal-wb"),
    Event(Letter.FETCH_NC, f"z fetch {OWN}"),
    Event(Letter.WRITE_WB, f"w write {OWN}", "w"),
    Event(Letter.WRITE_WB_OTHER, f"w write {OTHER}", "w"),
    Event(Letter.WRITE_WT, f"t write {OWN}", "t"),
    Event(Letter.FETCH_WB, f"x fetch {OWN}", "x"),
    Event(Letter.FETCH_WB_OTHER, f"x fetch {OTHER}", "x"),
    Event(Letter.DC_CVAC, f"n dc cvac {LINE}"),
    Event(Letter.DC_CIVAC, f"n dc civac {LINE}"),
    Event(Letter.DC_IVAC, f"n dc ivac {LINE}"),
    Event(Letter.DC_CVAU, f"n dc cvau {LINE}"),
    Event(Letter.IC, f"n ic ivau {LINE}"),
    Event(Letter.DC_CSW, f"n dc csw {LINE}"),
    Event(Letter.DC_CISW, f"n dc cisw {LINE}"),
    Event(Letter.DC_ISW, f"n dc isw {LINE}"),
]
MAPS = {"w": "normal-wb", "t": "normal-wt", "x": "normal-wb exec"}
"""Agent *x* has its data cache off, so that its mapping lets instruction caches fill alone."""


def next_events(mapped: frozenset[str]) -> Iterator[tuple[Event, frozenset[str]]]:
    """Each event that is possible, and the agents that have the page mapped after it."""
    for name, kind in MAPS.items():
        after = mapped ^ {name}
        setting = Letter.of_setting(line_rules.Setting(bool(after & {"w", "t"}), "x" in after))
        yield Event(setting, f"{name} unmap {PAGE}" if name in mapped else f"{name} map {PAGE} {kind}"), after
    yield from ((event, mapped) for event in EVENTS if not event.needs or event.needs in mapped)


def tells_apart(one: Automaton, other: Automaton) -> list[str] | None:
    """The events up to a read that tells two automata apart, as few as there can be; None if nothing does."""
    start = one.start, other.start, frozenset[str]()
    came_by: dict[Any, tuple[Any, str]] = {start: (None, "")}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        for event, mapped in next_events(state[2]):
            if event.letter in READS:
                read = READS.index(event.letter)
                if one.bad[state[0]][read] != other.bad[state[1]][read]:
                    return [*way_to(state, came_by), event.text]
            after = one.step[state[0]][event.letter], other.step[state[1]][event.letter], mapped
            if after not in came_by:
                came_by[after] = state, event.text
                todo.append(after)
    return None


def way_to(state: Any, came_by: dict[Any, tuple[Any, str]]) -> list[str]:
    """The events from the start to a state."""
    events: list[str] = []
    while state is not None:
        state, text = came_by[state]
        events.insert(0, text)
    return events[1:]


def another(rows: dict[Any, Any], row: Any) -> Any:
    """The content of the next row that has another one."""
    names = list(rows)
    at = names.index(row)
    return next(rows[each] for each in (*names[at + 1 :], *names[:at]) if rows[each] is not rows[row])


@pytest.fixture
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is worked out by other rules is not kept."""
    monkeypatch.setattr(cache_folder, "folder", lambda: None)
    automaton._known.cache_clear()
    yield
    automaton._known.cache_clear()


@pytest.mark.long
@pytest.mark.usefixtures("_nothing_kept")
@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda each: getattr(each, "name", each))
def test_a_trace_shows_each_row(table: str, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = getattr(line_rules, table)
    new = another(rows, row)
    for options in OPTIONS:
        profile = replace(Profile(), **{name.replace("-", "_"): True for name in options})
        as_it_is = build_automaton(profile)
        with monkeypatch.context() as patched:
            patched.setitem(rows, row, new)
            way = tells_apart(as_it_is, build_automaton(profile))
            if way is None:
                continue
            head = ["line 16", *(f"option {name}" for name in options), f"n map {PAGE} normal-nc"]
            text = "\n".join([*head, "x dcache off", "z icache off", "z mmu off", *way]) + "\n"
            automaton._known.cache_clear()
            found = [tuple(each) for each in check_text(text)]
        automaton._known.cache_clear()
        assert found != [tuple(each) for each in check_text(text)] == list(map(tuple, explore(text)))
        assert (table, row) not in ALSO_OTHERWISE
        return
    assert (table, row) in ALSO_OTHERWISE
