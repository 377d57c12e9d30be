# SPDX-License-Identifier: GPL-2.0-or-later
"""How events change aliases, and of which pages: used by both the first pass and the stories."""

from collections.abc import Callable
from typing import NamedTuple

from coldline.checker.state.agents import Alias, Ending
from coldline.checker.state.page_classes import PageClasses
from coldline.errors import TraceError
from coldline.events import ADDRESS_LIMIT, PAGE_SIZE, Event, Op


class AliasChange(NamedTuple):
    """A change of an agent's aliases of pages `first` to `end`.

    `change` takes the alias and the page's address, and returns the new alias; it raises `TraceError` if the event is
    impossible.
    """

    first: int
    end: int
    change: Callable[[Alias, int], Alias]


def alias_changes(page_classes: PageClasses, event: Event, agent: int) -> tuple[AliasChange, ...]:
    """The changes by a map, an unmap or a fetch with the MMU off; none for other events.

    A fetch with the MMU off lets an instruction prefetch reach its pages and the one after each (Arm ARM DDI 0487,
    'Instruction fetch behavior when all translation stages are disabled').
    """
    if event.op is Op.FETCH:
        if not page_classes.agents[agent].may_be_off:
            return ()
        first, end = _pages_of(event)
        after = min(end + 1, ADDRESS_LIMIT // PAGE_SIZE)
        return AliasChange(first, end, _fetched), AliasChange(end, after, _prefetched)

    def mapped(alias: Alias, address: int) -> Alias:
        if alias.ending is not None:
            raise TraceError("", f"{event.agent}'s old mapping of {address:#x} has not ended")
        if alias.memory_type is not None:
            raise TraceError("", f"{event.agent} has {address:#x} mapped already")
        return alias._replace(memory_type=event.memory_type, executable=event.executable)

    def unmapped(alias: Alias, address: int) -> Alias:
        if alias.memory_type is None:
            raise TraceError("", f"{event.agent} has not mapped {address:#x}")
        return alias.unmapped

    def ending(alias: Alias, address: int) -> Alias:
        if alias.memory_type is None:
            raise TraceError("", f"{event.agent} has not mapped {address:#x}")
        if alias.ending is not None:
            raise TraceError("", f"{event.agent}'s descriptor of {address:#x} is invalid already")
        return alias._replace(ending=Ending())

    changes = {Op.MAP: mapped, Op.UNMAP: unmapped, Op.DESCRIPTOR: ending}
    return (AliasChange(*_pages_of(event), changes[event.op]),) if event.op in changes else ()


def gift(event: Event, *, owns: bool) -> tuple[AliasChange, ...]:
    """The changes by which an agent becomes an owner of pages, or is none any more."""
    return (AliasChange(*_pages_of(event), lambda alias, _: alias._replace(owns=owns)),)


def _pages_of(event: Event) -> tuple[int, int]:
    """The first page of an event, and the one past its last."""
    return event.address // PAGE_SIZE, (event.address + event.size - 1) // PAGE_SIZE + 1


def _fetched(alias: Alias, address: int) -> Alias:
    return alias._replace(fetched=True, prefetched=True)


def _prefetched(alias: Alias, address: int) -> Alias:
    return alias._replace(prefetched=True)
