# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of a trace that concern one cache line, and what an operation would be between them."""

from typing import NamedTuple

import numpy as np

from coldline.checker.state.access_letters import Refusal
from coldline.checker.state.page_classes import PageClasses
from coldline.checker.state.vocabulary import AnyLetter
from coldline.events import Event, Op
from coldline.events.batch import Batch
from coldline.events.op import Kind
from coldline.events.source import Source
from coldline.explain.history import History
from coldline.explain.least_cost import LeastCosts
from coldline.explain.line_history import LineEvent
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.selection import Part
from coldline.repair.result import Operation
from coldline.rules.profile import Profile

BY_ADDRESS = (Op.DC_CVAU, Op.DC_CVAC, Op.DC_CIVAC, Op.DC_IVAC, Op.IC_IVAU)
TRIED_BARRIERS = (Op.ISB, Op.DMB, Op.DSB)
"""The operations that are tried, the weakest first."""

LettersOf = dict[Operation, AnyLetter]
"""The letter that each operation would be at a place."""


class Projection(NamedTuple):
    """A trace as it concerns one line, up to the bad read.

    Attributes
    ----------
    line : int
        The address of the line.
    events : list of LineEvent
        The events, oldest first; the last one is the read.
    letters : list of dict of Operation to AnyLetter
        For each event, what each operation would be just after it.
    ways : LeastCosts or OrderedCosts
        The rules, as costs of a byte's microstates.
    """

    line: int
    events: list[LineEvent]
    letters: list[LettersOf]
    ways: LeastCosts | OrderedCosts


def project(source: Source, ways: LeastCosts | OrderedCosts, address: int, number: int) -> Projection | None:
    """Collect the events of a line up to event `number`; None if that event was not kept.

    Parameters
    ----------
    source : Source
        The trace.
    ways : LeastCosts or OrderedCosts
        The rules of the trace's profile, and its cores.
    address : int
        A byte of the line.
    number : int
        The number of the bad read.
    """
    profile = ways.profile
    line = address - address % profile.line
    kept: dict[int, LettersOf] = {}
    taking_part: list[str] = []

    def noted(line_event: LineEvent, page_class: int) -> None:
        if line_event.event.agent not in taking_part:
            taking_part.append(line_event.event.agent)
        kept[line_event.number] = _letters(history.pages, page_class, taking_part, profile)

    history = History(ways, [line], [number], noted=noted)

    def sink(batch: Batch) -> None:
        history.feed(Part(batch, np.arange(history.events, history.events + len(batch))))
        history.count(batch)

    source.run(sink)
    last = history.of(number, line)
    if last is None:
        return None
    events: list[LineEvent] = []
    each: LineEvent | None = last
    while each is not None:
        events.append(each)
        each = each.before
    events.reverse()
    letters: list[LettersOf] = []
    for line_event in events:
        # A switch that an agent without an alias had set before has what holds at the event before it.
        letters.append(kept.get(line_event.number, letters[-1] if letters else {}))
    return Projection(line, events, letters, ways)


def _letters(pages: PageClasses, page_class: int, agents: list[str], profile: Profile) -> LettersOf:
    """What each operation by each agent that takes part would be; of equal ones by several agents, all."""
    found: LettersOf = {}
    for name in agents:
        agent = pages.agent(name)
        if pages.vocabulary.is_master(agent):
            continue
        for op in (*BY_ADDRESS, *(TRIED_BARRIERS if profile.has_barriers else ())):
            letter: AnyLetter | Refusal | None = pages.maintenance(op, agent)
            if letter is None and op.kind is Kind.MAINTENANCE:
                letter = pages.letter(page_class, agent, op)
            if letter is not None and not isinstance(letter, Refusal):
                found[Operation(name, op)] = letter
    return found


def inserted(operation: Operation, projection: Projection, after: int) -> LineEvent:
    """The event of an operation just after one of the line's events, as the line sees it."""
    size = projection.ways.profile.line
    event: Event = operation.event(projection.line, size)
    before = projection.events[after]
    letter = projection.letters[after][operation]
    return LineEvent(event, -1, 0, letter, 0, size, before.setting, before.granule)
