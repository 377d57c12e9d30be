# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a host model of a watched machine: what was seen of the pages that dom0 has loaded for guests.

A first pass finds for each guest where it begins, and which pages dom0 wrote that it then uses. A second one takes
the events of some of these pages, from the last event of an earlier guest on. What most of them have in common is the
model: who maps them and until when, what the hypervisor does before dom0 maps them, and after dom0 has written.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events.op import Op
from coldline.events.source import Sink
from coldline.hypervisor.model import AliasLifetime, HostAlias, HostModel, HostRule
from coldline.hypervisor.observed_pages import (
    HYPERVISOR,
    INVALIDATIONS,
    GuestFinder,
    PageEvents,
    SeenOnPage,
    WatchedAgent,
)

if TYPE_CHECKING:
    from coldline.events.batch import Batch


class PageStory(NamedTuple):
    """What was seen of one page of one guest.

    Attributes
    ----------
    mapping : MemoryType
        The type of the mapping through which dom0 wrote it.
    aliases : frozenset of HostAlias
        Who else mapped it.
    allocation, flush, set_way : tuple of Op
        What the hypervisor did before dom0 mapped it, after dom0 had written it, and while the guest ran.
    """

    mapping: MemoryType
    aliases: frozenset[HostAlias]
    allocation: tuple[Op, ...]
    flush: tuple[Op, ...]
    set_way: tuple[Op, ...]


def observe(
    run: Callable[[Sink], None], name: str, builder: str, source: str, architecture: str = "arm64"
) -> HostModel:
    """Make a host model of a watched machine's events.

    Parameters
    ----------
    run : callable
        Hands over all events, in batches, each time that it is called.
    name : str
        The model's.
    builder : str
        The name of the guest that builds the others, such as ``dom0``.
    source : str
        Where the events are from.
    architecture : str
        That of the guests, ``arm64`` or ``arm32``.

    Raises
    ------
    UsageError
        If no guest uses a page that the builder wrote before.
    """
    finder = GuestFinder(builder)
    run(finder.take)
    guests = [PageEvents(guest, builder) for guest in finder.guests()]

    def take(batch: "Batch") -> None:
        for each in guests:
            each.take(batch)

    run(take)
    stories = [
        story
        for each in guests
        for events, later in zip(each.found, each.later, strict=True)
        if (story := _story(events, later, builder)) is not None
    ]
    if not stories:
        raise UsageError(f"{source}: no guest uses a page that {builder} wrote before the guest began")
    count = len(stories)
    return HostModel(
        name=name,
        summary=f"observed: {count} pages of {len(guests)} guests in {source}",
        architectures=(architecture,),
        builder_agent=builder,
        mapping_types=tuple(sorted({story.mapping for story in stories}, reverse=True)),
        aliases=_most_seen(stories),
        allocation=_rule([story.allocation for story in stories], count),
        flush=_rule([story.flush for story in stories if story.flush], count),
        set_way=_rule([story.set_way for story in stories if story.set_way], count),
    )


def _most_seen(stories: list[PageStory]) -> tuple[HostAlias, ...]:
    """The aliases, each once: one lives as long as it did on most of its pages; the source has the rest, too."""
    counts = Counter(alias for story in stories for alias in story.aliases)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], _LIFETIMES.index(item[0].lifetime)))
    same: dict[tuple[str, MemoryType, bool], list[tuple[HostAlias, int]]] = {}
    for alias, pages in ranked:
        same.setdefault((alias.agent, alias.memory_type, alias.executable), []).append((alias, pages))
    found = []
    for (first, pages), *others in same.values():
        rest = [f"{other.lifetime.value} on {more}" for other, more in others]
        source = "; ".join([f"{pages} of {len(stories)} pages", *rest])
        found.append(HostAlias(first.agent, first.memory_type, first.lifetime, source, first.executable))
    return tuple(sorted(found, key=lambda alias: _LIFETIMES.index(alias.lifetime)))


def _rule(seen: list[tuple[Op, ...]], count: int) -> HostRule | None:
    """What most of the pages had, of as many the longer; the source has the rest, too."""
    ranked = sorted(Counter(seen).items(), key=lambda item: (-item[1], -len(item[0])))
    if not ranked or not ranked[0][0]:
        return None
    (steps, pages), *others = ranked
    rest = [
        f"{', '.join(op.name.lower().replace('_', ' ') for op in other) or 'nothing'} on {more}"
        for other, more in others
    ]
    return HostRule("xen", steps, "; ".join([f"{pages} of {count} pages", *rest]))


_LIFETIMES: Final = tuple(AliasLifetime)

_AS_STEP: Final = {Op.DC_ZVA: Op.WRITE, Op.IC_IALLU: Op.IC_IALLUIS}
"""What else a step may be. Of invalidations of instruction caches one after another, a trace may have the last."""


def _story(events: list[SeenOnPage], later: list[SeenOnPage], builder: str) -> PageStory | None:
    """What was seen of a page; None if the builder did not write it.

    Once a guest runs, a hypervisor cleans its pages only where it emulates maintenance by set/way.
    """
    writes = [seen for seen in events if seen.agent.who == builder and seen.op is Op.WRITE]
    if not writes:
        return None
    mapping = writes[-1].agent.memory_type
    begun = [
        seen for seen in events
        if seen.agent.who == builder and seen.op is Op.MAP and seen.number < writes[-1].number
    ]  # fmt: skip
    first = begun[0].number if begun else writes[0].number
    return PageStory(
        mapping,
        frozenset(_aliases(events, writes[-1], mapping, builder)),
        _allocation([seen for seen in events if seen.number < first]),
        _maintenance([seen for seen in events if seen.number > writes[-1].number]),
        _maintenance(later),
    )


def _aliases(
    events: list[SeenOnPage], write: SeenOnPage, mapping: MemoryType, builder: str
) -> Iterator[HostAlias]:
    """The aliases of others while the builder writes: those that are there at the end are there always."""
    alive: set[WatchedAgent] = set()
    during: set[WatchedAgent] = set()
    for seen in events:
        if seen.op is Op.MAP:
            alive.add(seen.agent)
        elif seen.op is Op.UNMAP:
            alive.discard(seen.agent)
        elif seen == write:
            during = set(alive)
    for agent in during:
        is_own = agent == WatchedAgent(builder, mapping)
        if is_own and agent not in alive:
            continue
        name = "xen" if agent.who == HYPERVISOR else f"{builder}-linear"
        lifetime = AliasLifetime.ALWAYS if agent in alive else AliasLifetime.WHILE_MAPPED
        yield HostAlias(name, agent.memory_type, lifetime, "")


def _allocation(events: list[SeenOnPage]) -> tuple[Op, ...]:
    """What the hypervisor did last: scrub, cleaning, invalidation, in the order of the last one of each."""
    last: dict[Op, int] = {}
    for seen in events:
        if seen.agent.who == HYPERVISOR:
            op = _AS_STEP.get(seen.op, seen.op)
            if op in (Op.WRITE, Op.DC_CIVAC, Op.IC_IALLUIS):
                last[op] = seen.number
    if Op.WRITE not in last and Op.DC_CIVAC not in last:
        return ()
    return tuple(sorted(last, key=lambda op: last[op]))


def _maintenance(events: list[SeenOnPage]) -> tuple[Op, ...]:
    """What the hypervisor did to clean."""
    done = [seen for seen in events if seen.agent.who == HYPERVISOR]
    cleaned = [seen.number for seen in done if seen.op is Op.DC_CIVAC]
    if not cleaned:
        return ()
    invalidated = any(seen.op in INVALIDATIONS and seen.number > cleaned[0] for seen in done)
    return (Op.DC_CIVAC, Op.IC_IALLUIS) if invalidated else (Op.DC_CIVAC,)
