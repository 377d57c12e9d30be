# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of a trace that concern one cache line, and what an operation would be between them."""

from typing import NamedTuple

import numpy as np

from coldline.checker.state.access_letters import Refusal
from coldline.checker.state.page_classes import PageClasses
from coldline.checker.state.vocabulary import AnyLetter
from coldline.events import Event, Op
from coldline.events.agent_names import is_one_agent, is_vcpu
from coldline.events.batch import Batch
from coldline.events.event import MAX_AGENTS
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


class Agents(NamedTuple):
    """The agents at a place.

    Attributes
    ----------
    begun : frozenset of str
        Those that have had an event of the line, and others of their cores.
    lost : frozenset of str
        Those that can no longer reach the line: they have unmapped its page, and did not maintain it without a
        mapping before, as hypervisors do.
    """

    begun: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


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
    agents : list of Agents
        For each event, who may do something just after it.
    ways : LeastCosts or OrderedCosts
        The rules, as costs of a byte's microstates.
    """

    line: int
    events: list[LineEvent]
    letters: list[LettersOf]
    agents: list[Agents]
    ways: LeastCosts | OrderedCosts


def project(
    source: Source, ways: LeastCosts | OrderedCosts, address: int, number: int, reader: str
) -> Projection | None:
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
    reader : str
        The agent of the bad read.
    """
    profile = ways.profile
    line = address - address % profile.line
    kept: dict[int, _AtEvent] = {}
    following = _FollowedAgents(profile, reader)

    def noted(line_event: LineEvent, page_class: int) -> None:
        following.note(line_event.event, history.pages, page_class)
        letters = _letters(history.pages, page_class, following.names, profile)
        kept[line_event.number] = _AtEvent(letters, following.now)

    history = History(ways, [line], [number], noted=noted, barriers=True)

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
    found: list[_AtEvent] = []
    for line_event in events:
        # A switch that an agent without an alias had set before has what holds at the event before it.
        found.append(kept.get(line_event.number, found[-1] if found else _AtEvent({}, Agents())))
    return Projection(line, events, [each.letters for each in found], [each.agents for each in found], ways)


class _AtEvent(NamedTuple):
    """What operations would be just after an event of the line, and who may do them."""

    letters: LettersOf
    agents: Agents


class _FollowedAgents:
    """The agents of a line's events, and others of their cores; the reader of its last one from the start."""

    def __init__(self, profile: Profile, reader: str) -> None:
        self._cores = profile.ordering.cores if profile.ordering is not None else ()
        self._had: dict[str, bool] = {}
        """For each agent whether it has had a mapping of the page."""
        self._without: set[str] = set()
        """The agents that have maintained the line without a mapping."""
        self._reader = reader
        self.now = Agents()

    @property
    def names(self) -> list[str]:
        """The agents, in the order in which they began."""
        return list(self._had | {self._reader: False})

    def note(self, event: Event, pages: PageClasses, page_class: int) -> None:
        """Take an event of the line, after which its page has a class."""
        if is_one_agent(event.agent):
            self._had.setdefault(event.agent, False)
        for core in self._cores:
            # A vCPU's other agents are other mappings of it.
            if event.agent in core.agents and len(pages.agents) + len(core.agents) < MAX_AGENTS:
                self._had |= {
                    mate: False for mate in core.agents if mate not in self._had and not is_vcpu(mate)
                }
        mapped = {name for name in self._had if pages.alias(page_class, pages.agent(name)).ways}
        if event.op.kind is Kind.MAINTENANCE and event.agent not in mapped:
            self._without.add(event.agent)
        self._had |= dict.fromkeys(mapped, True)
        had = {name for name, mapped_once in self._had.items() if mapped_once}
        self.now = Agents(frozenset(self._had), frozenset(had - mapped - self._without))


def _letters(pages: PageClasses, page_class: int, agents: list[str], profile: Profile) -> LettersOf:
    """What each operation by each agent would be; of equal ones by several agents, all."""
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
