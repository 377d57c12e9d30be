# SPDX-License-Identifier: GPL-2.0-or-later
"""The story of a hazard: a shortest sequence of cache steps that ends in the bad read.

The costs of the bad byte's microstates are computed forwards, event by event. Then the path with the fewest
spontaneous steps of caches is read off backwards.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from coldline.checker.state.findings import HazardEntry
from coldline.checker.state.vocabulary import AnyLetter
from coldline.errors import RepeatError
from coldline.events import Op
from coldline.events.op import Kind
from coldline.explain.least_cost import LeastCosts
from coldline.explain.line_history import LineEvent
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.paths import CacheStep, CoreView
from coldline.rules.line_rules import Hazard
from coldline.rules.microstate import Microstate
from coldline.rules.order.alphabet import Act
from coldline.rules.order.cores import CoreEvent
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.order.ordering import COLD_START
from coldline.rules.profile import Profile

START = "start"
"""Stands in place of a step for what the caches hold at the start, if that may be several things."""

_WANTED = {"lost-write": Hazard.LOST, "leak": Hazard.LEAK}


class WitnessStep(NamedTuple):
    """One step of a story: an event, or a spontaneous step of a cache.

    Attributes
    ----------
    line_event : LineEvent or None
        The event.
    times : int
        How often the event happened in a row.
    step : str or None
        A key of `line_rules.STEPS`, or a word of `coldline.rules.order.steps.PENDING_STEPS`, or `START`.
    outcome : str
        Which of several possible outcomes happened: a word of `OUTCOMES`; for a write-back, the state that it
        leaves, ``clean`` or ``invalid``; for the last read, the copy that it returns, ``memory``, ``level 1`` or
        ``level 2``. Empty if only one outcome is possible.
    state : Microstate
        The byte's copies after it; the instruction cache is that of one core.
    pending : tuple of (str, str)
        What each core has pending after it: the core's name, and what it is.
    core, operation : str
        The core of an event, where cores are known, or of a pending operation that takes effect; and for that the
        data cache operation, such as ``dc cvau``. Else empty.
    """

    line_event: LineEvent | None
    times: int
    step: str | None
    outcome: str
    state: Microstate
    pending: tuple[tuple[str, str], ...] = ()
    core: str = ""
    operation: str = ""


class _Moment(NamedTuple):
    """An event of the byte, and the costs of its microstates before it."""

    line_event: LineEvent
    letter: AnyLetter | None
    costs: Any


def shortest(
    last: LineEvent, entry: HazardEntry, line: int, ways: LeastCosts | OrderedCosts, epoch: int
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
    moments, whole = _forwards(_events_before(last), offset, ways)
    letter = last.letter_for(offset)
    wanted = _WANTED.get(entry.kind, Hazard.STALE)
    for view in ways.views(letter, wanted) if letter is not None else ():
        seen, costs = view.costs, view.of(whole)
        ready = seen.take(costs, letter, last.setting).ready
        number = seen.cheapest_bad(ready, letter, wanted)
        if number is not None:
            break
    else:
        raise RepeatError(
            f"event {entry.number} at {entry.address:#x} is no {entry.kind} in the second pass over the events: "
            "their source did not repeat them"
        )
    story = [_told(seen, number, last, letter, 1, seen.copy_read(number, letter))]
    steps, number = seen.retrace(ready, costs, last.setting, number)
    story += _steps(steps)
    story += _backwards(view, moments, number, epoch)
    story.reverse()
    return _relevant(story, seen.agent, ways.profile)


def story_through(events: Sequence[LineEvent], ways: OrderedCosts, epoch: int) -> list[WitnessStep]:
    """The story of some events with the fewest spontaneous cache steps, for the first byte of a line.

    `ways` and `epoch` are as for `shortest`.
    """
    moments, whole = _forwards(events, 0, ways)
    view = next(ways.views(CoreEvent(Act.READ, 0), Hazard.STALE))
    _, number = min((cost, number) for number, cost in view.of(whole))
    return _backwards(view, moments, number, epoch)[::-1]


def _backwards(view: CoreView, moments: Sequence[_Moment], number: int, epoch: int) -> list[WitnessStep]:
    """What led to a microstate through some events, the last step first."""
    seen, story = view.costs, []
    for line_event, letter, costs in reversed(moments):
        back = seen.back(view.of(costs), letter, line_event.setting, number)
        story += _steps(back.after)
        outcome = seen.outcome(letter, back.origin, back.landed)
        story.append(_told(seen, back.landed, line_event, letter, line_event.times(epoch), outcome))
        story += _steps(back.before)
        number = back.start
    if seen.profile.start != COLD_START:
        story.append(
            WitnessStep(None, 1, START, "", copies_of(seen.microstate(number)), seen.pending(number))
        )
    return story


def _told(
    seen: Any, number: int, line_event: LineEvent, letter: AnyLetter | None, times: int, outcome: str
) -> WitnessStep:
    """An event of a story, which led to a microstate."""
    copies = copies_of(seen.microstate(number))
    return WitnessStep(line_event, times, None, outcome, copies, seen.pending(number), seen.core_of(letter))


def copies_of(state: Microstate | OrderedMicrostate) -> Microstate:
    """The copies of a byte in a microstate."""
    return state.told if isinstance(state, OrderedMicrostate) else state


def _events_before(last: LineEvent) -> list[LineEvent]:
    """The line's events before `last`, in their order."""
    line_events = []
    each = last.before
    while each is not None:
        line_events.append(each)
        each = each.before
    return line_events[::-1]


def _forwards(
    line_events: Sequence[LineEvent], offset: int, ways: LeastCosts | OrderedCosts
) -> tuple[list[_Moment], Any]:
    """A byte's events, and the costs of its microstates at each and after them."""
    costs = ways.start
    moments = []
    for line_event in line_events:
        letter = line_event.letter_for(offset)
        moments.append(_Moment(line_event, letter, costs))
        costs = ways.take(costs, letter, line_event.setting).after
    return moments, costs


def _steps(steps: Sequence[CacheStep]) -> list[WitnessStep]:
    """The caches' spontaneous steps, the last one first."""
    told = []
    for step in steps:
        name, state, outcome = step.name, copies_of(step.state), step.outcome
        if name == "write back 1":
            outcome = "clean" if state.level1 else "invalid"
        elif name == "write back 2":
            outcome = "clean" if state.level2 else "invalid"
        told.append(WitnessStep(None, 1, name, outcome, state, step.pending, step.core, step.operation))
    return told[::-1]


def _relevant(story: list[WitnessStep], watcher: str, profile: Profile) -> list[WitnessStep]:
    """The story without events that do not matter to it.

    These are switches of agents that have aliases and accesses of other lines only, and fetches next to the line with
    the MMU off that allow no prefetch of it: no instruction cache was on, and what may be prefetched past the caches
    is not held. They are also barriers that had nothing to wait for. The agent `watcher`, by whose core the story is
    told, keeps its switches.
    """
    line_events = [step.line_event for step in story if step.line_event is not None]
    events = [line_event.event for line_event in line_events]
    switched = {event.agent for event in events if event.op.kind is Kind.ACCESS or event.op is Op.MAP} | {
        watcher
    }
    idle = {
        line_event.number
        for line_event in line_events
        if line_event.event.op.kind is Kind.SWITCH and line_event.event.agent not in switched
    }
    if profile.has_barriers:
        idle |= _idle_barriers(story)
    elif profile.ordering is None or not profile.ordering.nc_fetch_held:
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


def _idle_barriers(story: list[WitnessStep]) -> set[int]:
    """The numbers of the barriers that nothing waits for.

    Before a ``dsb`` or a ``dmb`` its core issued nothing since the last one, and no ``descriptor`` or
    ``tlbi`` came since that it may have to complete; after an ``isb`` it fetches nothing, and
    before it no switch was set.
    """
    pending: dict[str, set[Op]] = {}
    changed, seen, switched = 0, dict[str, int](), False
    unfetched: dict[str, set[int]] = {}
    idle: set[int] = set()
    for step in story:
        if step.line_event is None:
            continue
        op, number = step.line_event.event.op, step.line_event.number
        waiting = pending.setdefault(step.core, set())
        if op is Op.ISB and switched:
            switched = False
        elif op is Op.ISB:
            unfetched.setdefault(step.core, set()).add(number)
        elif op.kind is Kind.BARRIER:
            unseen = op is Op.DSB and seen.get(step.core, 0) < changed
            if op not in waiting and not unseen:
                idle.add(number)
            if op is Op.DSB:
                seen[step.core] = changed
            waiting -= {Op.DSB, Op.DMB} if op is Op.DSB else {op}
        elif op is Op.FETCH:
            unfetched.pop(step.core, None)
        elif op.kind is Kind.SWITCH:
            switched = True
        elif op is Op.DESCRIPTOR or op.kind is Kind.TLB:
            changed += 1
        elif op.kind is Kind.MAINTENANCE or op in (Op.WRITE, Op.DC_ZVA):
            waiting.update((Op.DSB, Op.DMB))
    return idle.union(*unfetched.values())
