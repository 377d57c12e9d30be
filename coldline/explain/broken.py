# SPDX-License-Identifier: GPL-2.0-or-later
"""The story of a descriptor that was changed without break-before-make: what came of the page's mapping until then.

No byte is bad there, and no step of a cache has a part in it.
"""

from collections.abc import Iterator

from coldline.checker.state.findings import HazardEntry
from coldline.events import Event, Op
from coldline.events.beginning import begins
from coldline.events.op import Kind
from coldline.explain.line_history import LineEvent
from coldline.explain.ordered_cost import OrderedCosts
from coldline.explain.witness import WitnessStep, story_through


def story_of(last: LineEvent, entry: HazardEntry, ways: OrderedCosts, epoch: int) -> list[WitnessStep]:
    """The story of a `bbm` hazard.

    Parameters
    ----------
    last : LineEvent
        The hazard's event in the line's history; its `before` leads to the earlier events.
    entry : HazardEntry
        The hazard.
    ways : OrderedCosts
        The costs of a byte's microstates, by the rules.
    epoch : int
        How many events with hazards came before this one.
    """
    ordering = ways.profile.ordering
    assert ordering is not None
    events = list(_since_it_was_mapped(last, entry.event.agent))[::-1]
    cores = {agent: core.name for core in ordering.cores for agent in core.agents}
    kept = _of_mappings(events, entry.event.agent, cores)
    return story_through([each for each in events if each.number in kept], ways, epoch)


def _since_it_was_mapped(last: LineEvent, agent: str) -> Iterator[LineEvent]:
    """The events from the hazard's back to the map of the page, and switches of the agent before that."""
    each: LineEvent | None = last
    mapped = False
    while each is not None:
        of_agent = each.event.agent == agent
        if not mapped or (of_agent and each.event.op.kind is Kind.SWITCH):
            yield each
        mapped |= of_agent and each.event.op is Op.MAP
        each = each.before


def _of_mappings(events: list[LineEvent], agent: str, cores: dict[str, str]) -> set[int]:
    """The numbers of the events on which an agent's mappings depend: changes, TLBIs with their DSBs, switches."""

    def core_of(event: Event) -> str:
        return cores.get(event.agent, event.agent)

    kept: set[int] = set()
    invalidated: set[str] = set()
    unseen: dict[str, int] = {}
    switched = False
    began: int | None = None
    for each in events:
        event, number = each.event, each.number
        core = core_of(event)
        if event.agent == agent and event.op.kind is Kind.ALIAS:
            kept.add(number)
            unseen = {}
        elif event.op.kind is Kind.TLB:
            kept |= {number, *([unseen[core]] if core in unseen else [])}
            invalidated.add(core)
        elif event.op is Op.DSB:
            unseen[core] = number
            kept |= {number} if core in invalidated else set()
            invalidated.discard(core)
        elif event.agent == agent and event.op in (Op.MMU_ON, Op.MMU_OFF):
            kept |= {number, *([began] if began is not None and event.op is Op.MMU_OFF else [])}
            switched = True
        elif event.op is Op.ISB and core == core_of(events[-1].event) and switched:
            kept.add(number)
            switched = False
        if event.agent == agent and begins(event.op):
            began = number  # without it, the switches would say how the agent starts
    return kept
