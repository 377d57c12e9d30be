# SPDX-License-Identifier: GPL-2.0-or-later
"""The story of a hazard: a shortest sequence of cache steps that ends in the bad read.

The costs of the bad byte's microstates are computed forwards, event by event. Then the path with the fewest
spontaneous steps of caches is read off backwards.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from coldline.checker.state.findings import HazardEntry
from coldline.errors import RepeatError
from coldline.events import Op
from coldline.events.op import Kind
from coldline.explain.least_cost import MICROSTATES, UNREACHABLE, CacheStep, Costs, LeastCosts
from coldline.explain.line_history import LineEvent
from coldline.rules import line_rules
from coldline.rules.alphabet import Letter
from coldline.rules.line_rules import COPIES_READ, EFFECTS, Hazard
from coldline.rules.microstate import Microstate
from coldline.rules.profile import Profile

OUTCOMES: dict[Letter, tuple[str, ...]] = {
    Letter.DC_IVAC: ("discard", "clean"),
    Letter.DC_CSW: ("nothing", "clean"),
    Letter.DC_CISW: ("nothing", "clean"),
    Letter.DC_ISW: ("nothing", "discard", "clean"),
}
"""Names for an event's possible outcomes, in the order of its `line_rules.EFFECTS`, where it has several."""


class WitnessStep(NamedTuple):
    """One step of a story: an event, or a spontaneous step of a cache.

    Attributes
    ----------
    line_event : LineEvent or None
        The event.
    times : int
        How often the event happened in a row.
    step : str or None
        A key of `line_rules.STEPS`.
    outcome : str
        Which of several possible outcomes happened: a word of `OUTCOMES`; for a write-back, the state that it
        leaves, ``clean`` or ``invalid``; for the last read, the copy that it returns, ``memory``, ``level 1`` or
        ``level 2``. Empty if only one outcome is possible.
    state : Microstate
        The byte's copies after it.
    """

    line_event: LineEvent | None
    times: int
    step: str | None
    outcome: str
    state: Microstate


class _Moment(NamedTuple):
    """An event of the byte, and the costs of its microstates before it."""

    line_event: LineEvent
    letter: Letter | None
    costs: Costs


def shortest(
    last: LineEvent, entry: HazardEntry, line: int, ways: LeastCosts, epoch: int
) -> list[WitnessStep]:
    """Return the story with the fewest spontaneous cache steps that ends where `entry`'s event reads the bad byte.

    Parameters
    ----------
    last : LineEvent
        The hazard's event in the line's history; its `before` leads to the earlier events.
    entry : HazardEntry
        The hazard; its first byte is followed.
    line : int
        The address of the line.
    ways : LeastCosts
        The costs of a byte's microstates, by the rules.
    epoch : int
        How many events with hazards came before this one.

    Raises
    ------
    RepeatError
        If the rules do not lead there: the events are not those that the hazard was found in.
    """
    offset = entry.address - line
    moments, costs = _forwards(last, offset, ways)
    letter = last.letter_for(offset)
    ready = ways.take(costs, letter, last.setting).ready
    bad = _bad_microstates(letter, entry.kind == "lost-write", ways.profile) if letter is not None else []
    number = min(bad, key=ready.__getitem__, default=None)
    if letter is None or number is None or ready[number] == UNREACHABLE:
        raise RepeatError(
            f"event {entry.number} at {entry.address:#x} is no {entry.kind} in the second pass over the events: "
            "their source did not repeat them"
        )
    state = MICROSTATES[number]
    story = [WitnessStep(last, 1, None, _copy_read(state, letter, ways.profile), state)]
    steps, number = ways.retrace(ready, costs, last.setting, number)
    story += _steps(steps)
    before = MICROSTATES[number]
    for line_event, letter, costs in reversed(moments):
        back = ways.back(costs, letter, line_event.setting, before)
        story += _steps(back.after)
        origin = back.before[-1].state if back.before else back.start
        outcome = _outcome(letter, origin, back.state, ways.profile)
        story.append(WitnessStep(line_event, line_event.times(epoch), None, outcome, back.state))
        story += _steps(back.before)
        before = back.start
    story.reverse()
    return _relevant(story)


def _forwards(last: LineEvent, offset: int, ways: LeastCosts) -> tuple[list[_Moment], Costs]:
    """The byte's events before `last`, and the costs of its microstates at each."""
    line_events = []
    each = last.before
    while each is not None:
        line_events.append(each)
        each = each.before
    costs = ways.start
    moments = []
    for line_event in reversed(line_events):
        letter = line_event.letter_for(offset)
        moments.append(_Moment(line_event, letter, costs))
        costs = ways.take(costs, letter, line_event.setting).after
    return moments, costs


def _steps(steps: Sequence[CacheStep]) -> list[WitnessStep]:
    """The caches' spontaneous steps, the last one first."""
    told = []
    for name, state in steps:
        outcome = ""
        if name == "write back 1":
            outcome = "clean" if state.level1 else "invalid"
        elif name == "write back 2":
            outcome = "clean" if state.level2 else "invalid"
        told.append(WitnessStep(None, 1, name, outcome, state))
    return told[::-1]


@cache  # letters and profiles are few
def _bad_microstates(letter: Letter, lost: bool, profile: Profile) -> list[int]:
    """The microstates in which a read is wrong: with no fresh copy left, or despite one."""
    wanted = Hazard.LOST if lost else Hazard.STALE
    return [
        number for number, m in enumerate(MICROSTATES) if line_rules.hazards(m, letter, profile) is wanted
    ]


def _copy_read(m: Microstate, letter: Letter, profile: Profile) -> str:
    """The copy that a bad read returns, if it could return one of several."""
    copies = list(COPIES_READ[letter](m, profile))
    if len(copies) == 1:
        return ""
    names = ["memory", *(["level 1"] if m.level1 else []), *(["level 2"] if m.level2 else [])]
    return names[copies.index(False)]


def _outcome(letter: Letter | None, before: Microstate, after: Microstate, profile: Profile) -> str:
    if letter not in OUTCOMES:
        return ""
    return OUTCOMES[letter][list(EFFECTS[letter](before, profile)).index(after)]


def _relevant(story: list[WitnessStep]) -> list[WitnessStep]:
    """The story without events that do not matter to it.

    These are switches of agents that have aliases and accesses of other lines only, and fetches next to the line with
    the MMU off that allow no prefetch of it, because no instruction cache was on.
    """
    line_events = [step.line_event for step in story if step.line_event is not None]
    events = [line_event.event for line_event in line_events]
    switched = {event.agent for event in events if event.op.kind is Kind.ACCESS or event.op is Op.MAP}
    idle = {
        line_event.number
        for line_event in line_events
        if line_event.event.op.kind is Kind.SWITCH and line_event.event.agent not in switched
    }
    idle |= _idle_fetches(line_events)
    return [step for step in story if step.line_event is None or step.line_event.number not in idle]


def _idle_fetches(line_events: list[LineEvent]) -> set[int]:
    """The numbers of the fetches next to the line that allow no prefetch of it."""
    on: set[str] = set()
    waiting: dict[str, set[int]] = {}
    idle: set[int] = set()
    for line_event in line_events:
        agent, op = line_event.event.agent, line_event.event.op
        if op is Op.FETCH and line_event.letter is None and agent not in on:
            waiting.setdefault(agent, set()).add(line_event.number)
        elif op is Op.MMU_ON:
            idle |= waiting.pop(agent, set())
        elif op is Op.ICACHE_ON:
            on.add(agent)
            waiting.pop(agent, None)
        elif op is Op.ICACHE_OFF:
            on.discard(agent)
    return idle.union(*waiting.values())
