# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a hazard is one: a shortest story of a cache line that ends in the bad read.

A search over the microstates of the bad byte, event by event, finds the fewest steps that caches must take on
their own.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from coldline.coherence import rules
from coldline.coherence.findings import HazardEntry, kind_of
from coldline.coherence.histories import Happening
from coldline.coherence.rules import (
    COLD,
    EFFECTS,
    STEPS,
    Letter,
    Microstate,
    Profile,
    Setting,
)
from coldline.trace import Op

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class WitnessStep:
    """One step of a story: an event, or something that a cache did on its own.

    Attributes
    ----------
    happening : Happening or None
        The event.
    step : str or None
        A key of `rules.STEPS`.
    state : Microstate
        The byte's copies after it.
    """

    happening: Happening | None
    step: str | None
    state: Microstate


def shortest(
    happenings: Sequence[Happening], entry: HazardEntry, line: int, profile: Profile
) -> list[WitnessStep]:
    """A story with the fewest steps of the caches' own that ends where `entry`'s event reads the bad byte.

    Parameters
    ----------
    happenings : sequence of Happening
        What befell the line.
    entry : HazardEntry
        The hazard; its first byte is followed.
    line : int
        The address of the line.
    profile : Profile
        The implementation's promises.

    Raises
    ------
    LookupError
        If the rules do not lead there: the events are not those that the hazard was found in.
    """
    offset = entry.address - line
    setting = Setting(data=False, fetch=False)
    layers: list[dict[Microstate, _Way]] = [_settle({COLD: _Way(0, None, None)}, setting, profile)]
    told: list[Happening] = []
    for happening in happenings:
        if happening.numbers[0] > entry.number:
            break
        letter = happening.letter_for(offset)
        # What the event itself allows (a prefetch that reaches this page) it allows before it, too.
        fetch = happening.event.op is Op.FETCH
        ready = _settle(layers[-1], happening.setting, profile) if fetch else layers[-1]
        if entry.number in happening.numbers:
            bad = [m for m in ready if _is_bad(m, letter, entry, profile)]
            if bad:
                layers[-1] = ready
                last = min(bad, key=lambda m: ready[m].cost)
                told.append(happening)
                return _tell(layers, told, last)
        reached: dict[Microstate, _Way] = {}
        for before, way in ready.items():
            for after in EFFECTS[letter](before, profile) if letter is not None else (before,):
                if after not in reached or way.cost < reached[after].cost:
                    reached[after] = _Way(way.cost, before, None)
        layers[-1] = ready
        layers.append(_settle(reached, happening.setting, profile))
        told.append(happening)
    raise LookupError(f"event {entry.number} at {entry.address:#x} is not in the line's history")


@dataclass(frozen=True, slots=True)
class _Way:
    """How a microstate is reached: from which one, and by what (None: by the event before the layer)."""

    cost: int
    before: Microstate | None
    step: str | None


def _settle(start: dict[Microstate, _Way], setting: Setting, profile: Profile) -> dict[Microstate, _Way]:
    """Add what caches may do on their own, by the fewest steps (Dijkstra with unit costs)."""
    ways = dict(start)
    costs = sorted({way.cost for way in start.values()})
    queue: deque[Microstate] = deque()
    pending = {cost: [m for m, way in start.items() if way.cost == cost] for cost in costs}
    cost = costs[0] if costs else 0
    while queue or pending:
        queue.extend(pending.pop(cost, ()))
        for _ in range(len(queue)):
            before = queue.popleft()
            if ways[before].cost != cost:
                continue
            for name, after in _steps(before, setting, profile):
                if after not in ways or cost + 1 < ways[after].cost:
                    ways[after] = _Way(cost + 1, before, name)
                    queue.append(after)
        cost += 1
    return ways


@cache  # microstates, settings and profiles are few
def _steps(m: Microstate, setting: Setting, profile: Profile) -> tuple[tuple[str, Microstate], ...]:
    """What caches may do on their own in a microstate."""
    return tuple((name, after) for name, step in STEPS.items() for after in step(m, setting, profile))


def _is_bad(m: Microstate, letter: Letter | None, entry: HazardEntry, profile: Profile) -> bool:
    if letter is None:
        return False
    hazard = rules.hazards(m, letter, profile)
    return bool(hazard) and kind_of(hazard, entry.event.op) == entry.kind


def _tell(layers: list[dict[Microstate, _Way]], told: list[Happening], last: Microstate) -> list[WitnessStep]:
    story = [WitnessStep(told[-1], None, last)]
    state: Microstate = last
    for index in range(len(layers) - 1, -1, -1):
        way = layers[index][state]
        while way.step is not None and way.before is not None:
            story.append(WitnessStep(None, way.step, state))
            state = way.before
            way = layers[index][state]
        if index:
            story.append(WitnessStep(told[index - 1], None, state))
            assert way.before is not None
            state = way.before
    story.reverse()
    return story


def relevant(story: Sequence[WitnessStep]) -> Iterator[WitnessStep]:
    """A story without the switches of agents that have nothing else to do with the line."""
    agents = {
        step.happening.event.agent
        for step in story
        if step.happening is not None and step.happening.event.op.has_range
    }
    for step in story:
        switch = step.happening is not None and not step.happening.event.op.has_range
        if not switch or (step.happening is not None and step.happening.event.agent in agents):
            yield step
