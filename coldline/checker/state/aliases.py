# SPDX-License-Identifier: GPL-2.0-or-later
"""How events change aliases, and of which pages: used by both the first pass and the stories."""

from collections.abc import Callable
from typing import NamedTuple

from coldline.checker.state.alias import Alias, PageMapping
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

    who = page_classes.agents[agent]
    may_be_on = who.may_be_on or not page_classes.vocabulary.barriers
    changed = PageMapping(event.types, event.executable)

    def mapped(alias: Alias, address: int) -> Alias:
        if alias.mapping is None and alias.ending:
            raise TraceError("", f"{event.agent}'s old mapping of {address:#x} has not ended")
        if alias.mapping is not None:
            raise TraceError("", f"{event.agent} has {address:#x} mapped already")
        return alias.mapped(changed, may_be_on=may_be_on)

    def unmapped(alias: Alias, address: int) -> Alias:
        _check_mapped(event, alias, address)
        return alias.unmapped

    def rewritten(alias: Alias, address: int) -> Alias:
        _check_mapped(event, alias, address)
        if event.memory_type is not None:
            return alias.mapped(changed, may_be_on=may_be_on)
        if alias.mapping is None:
            raise TraceError("", f"{event.agent}'s descriptor of {address:#x} is invalid already")
        return alias.invalid

    changes = {Op.MAP: mapped, Op.UNMAP: unmapped, Op.DESCRIPTOR: rewritten}
    return (AliasChange(*_pages_of(event), changes[event.op]),) if event.op in changes else ()


def _check_mapped(event: Event, alias: Alias, address: int) -> None:
    """Raise an error if an agent has no mapping of a page, not even an ending one."""
    if not alias.mappings:
        raise TraceError("", f"{event.agent} has not mapped {address:#x}")


def walked(page_classes: PageClasses, event: Event, agent: int) -> tuple[AliasChange, ...]:
    """The changes by a walk that may come again: none if it is not cacheable, or everything takes effect at once."""
    if not page_classes.may_come_again(event, agent):
        return ()

    def change(alias: Alias, address: int) -> Alias:
        return alias._replace(walked_pou=frozenset()) if event.pou else alias._replace(walked=frozenset())

    return (AliasChange(*_pages_of(event), change),)


def breaks(page_classes: PageClasses, event: Event, agent: int, page_class: int) -> bool:
    """Whether an event gives pages of a class another type without break-before-make.

    Source: Arm ARM DDI 0487, 'Using break-before-make when updating translation table entries'.
    """
    if event.op is not Op.DESCRIPTOR or event.memory_type is None or not page_classes.agents[agent].may_be_on:
        return False
    alias = page_classes.alias(page_class, agent)
    before = alias.mappings if alias.mapping is None else (alias.mapping,)
    return any(mapping.types != event.types for mapping in before)


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
