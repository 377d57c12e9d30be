# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes what a trace says of descriptors, TLB invalidations and barriers in the text form of casemate's traces.

casemate (https://github.com/rems-project/casemate) checks that a hypervisor changes its translation tables by
break-before-make. Its form is that of its doc/asciidoc/sections/trace-format.adoc, version 3.0: a record a line.

A trace of coldline has physical pages and no tables. So there are tables here, of one regime that all cores share.
They map, at level 3, each page of each agent of which some descriptor changes, each page at an address of its own.
A change of a descriptor is a store-release to its entry, under the lock of the tables: a core holds it from its
first change until another core changes something. What is no change of these pages, no TLBI and no barrier is left
out; so is a DMB, which completes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from coldline.arm import MemoryType
from coldline.errors import TraceError
from coldline.events import PAGE_SIZE, Event, Op
from coldline.events.batch import Batch
from coldline.rules.profile import Profile

MOST_PAGES = 1 << 15
"""The most pages that are followed: fewer than the tables below one table of level 2 have room for."""

_ROOT, _LOCK = 0xF000_0000_0000, 0xFFFF_0000_0000
_ENTRIES = PAGE_SIZE // 8
_HIGHEST = 1 << 48

_TABLE, _PAGE = 0b11, 0b11
_ACCESSED, _INNER_SHAREABLE, _NOT_EXECUTABLE = 1 << 10, 0b11 << 8, 1 << 54
_ATTRIBUTE_SHIFT, _MOST_ATTRIBUTES = 2, 8
_LEVEL_3 = 0b0111 << 44
"""The TTL field of a TLBI by address: level 3 of 4 KiB granules (Arm ARM DDI 0487 "TLBI VAE2IS")."""

_HALVES = {MemoryType.NORMAL_WB: 0xF, MemoryType.NORMAL_WT: 0xB, MemoryType.NORMAL_NC: 0x4}
"""The inner half of an attribute of MAIR_EL2; the outer half is the same, four bits higher."""

_DSB = "dsb (kind ish)"
"""Of the inner shareable domain: casemate's checker, as of version 3.0.2, reads no ``sy``."""

_CHANGES = (Op.MAP, Op.UNMAP, Op.DESCRIPTOR)
_OPS = (*_CHANGES, Op.TLBI, Op.TLBI_ALL, Op.DSB, Op.DSB_NSH, Op.ISB)

Types = tuple[MemoryType, ...]


class _Page(NamedTuple):
    agent: str
    number: int


class CasemateTables:
    """The tables of the pages of which descriptors change, and the records of the events that concern them.

    Give all batches to `follow` first, and then all of them to `records`.

    Parameters
    ----------
    profile : Profile
        The trace's promises, with its cores.
    """

    def __init__(self, profile: Profile) -> None:
        self._places: dict[_Page, int] = {}
        self._types: list[Types] = []
        cores = profile.ordering.cores if profile.ordering else ()
        self._threads = {agent: number for number, core in enumerate(cores) for agent in core.agents}
        self._next_thread = len(cores)
        self._next_id = 0
        self._locked_by: int | None = None

    def follow(self, batch: Batch) -> None:
        """Note the pages and the types of a batch's events.

        Raises
        ------
        TraceError
            If descriptors of more than `MOST_PAGES` pages change, there are more than eight types, or an address has
            more than 48 bits.
        """
        for where, event in _wanted(batch):
            if event.types and event.types not in self._types:
                self._types.append(event.types)
                if len(self._types) > _MOST_ATTRIBUTES:
                    raise TraceError(str(where), "it is the ninth type, and MAIR_EL2 has eight")
            if event.op is Op.DESCRIPTOR:
                self._follow(event, where)

    def _follow(self, event: Event, where: int) -> None:
        if event.address + event.size > _HIGHEST:
            raise TraceError(str(where), f"{event.address:#x} has more than 48 bits")
        for number in _numbers(event):
            self._places.setdefault(_Page(event.agent, number), len(self._places))
            if len(self._places) > MOST_PAGES:
                raise TraceError(str(where), f"descriptors of more than {MOST_PAGES:,} pages change")

    def records(self, batch: Batch) -> Iterator[str]:
        """The records of a batch's events, each with a newline."""
        for where, event in _wanted(batch):
            yield from self._event(event, where)

    def head(self) -> Iterator[str]:
        """The records that make the tables, with nothing mapped, and turn each core's MMU on."""
        threads = sorted({self._thread(page.agent) for page in self._places})
        tables = 3 + -(-len(self._places) // _ENTRIES)
        attributes = sum(_attribute(types) << (8 * number) for number, types in enumerate(self._types))
        for thread in threads:
            for name, value in (
                ("vtcr", 0x10),
                ("tcr", 0x10),
                ("mair", attributes),
                ("hcr", 0),
                ("sctlr", 0),
            ):
                yield self._register(thread, name, value)
        if not threads:
            return
        first = threads[0]
        yield self._record("mem-init", first, 0, f"(address {_ROOT:x}) (size {tables * PAGE_SIZE:x})")
        yield self._hint(first, "set_root_lock", _ROOT, _LOCK)
        for number in range(1, tables):
            yield self._hint(first, "set_owner_root", _table(number), _ROOT)
        for number in range(1, tables):
            parent, entry = (number - 1, 0) if number < 3 else (2, number - 3)
            yield self._store(first, _table(parent) + 8 * entry, _table(number) | _TABLE, 0)
        for thread in threads:
            yield self._register(thread, "ttbr0", _ROOT)
            yield self._register(thread, "sctlr", 1)

    def _event(self, event: Event, where: int) -> Iterator[str]:
        if event.op in _CHANGES:
            yield from self._change(event, where)
        elif event.op is Op.TLBI_ALL:
            yield self._record("tlbi", self._thread(event.agent), where, "alle2is")
        elif event.op is Op.TLBI:
            named = _numbers(event)
            for page, place in self._places.items():
                if page.number in named:
                    yield self._invalidate(event.agent, place, where)
        elif event.op in (Op.DSB, Op.DSB_NSH):
            barrier = _DSB if event.op is Op.DSB else "dsb (kind nsh)"
            yield self._record("barrier", self._thread(event.agent), where, barrier)
        elif event.op is Op.ISB:
            yield self._record("barrier", self._thread(event.agent), where, "isb")

    def _change(self, event: Event, where: int) -> Iterator[str]:
        """Store to the entries of an agent's pages; an ``unmap`` says that the mapping has ended for every TLB."""
        thread, changed = self._thread(event.agent), []
        for number, place in self._changed(event):
            changed.append(place)
            yield from self._take_lock(thread, where)
            value = self._descriptor(event, number) if event.types else 0
            yield self._store(thread, _table(3) + 8 * place, value, where)
        if changed and event.op is Op.UNMAP:
            yield self._record("barrier", thread, where, _DSB)
            for place in changed:
                yield self._invalidate(event.agent, place, where)
            yield self._record("barrier", thread, where, _DSB)

    def _changed(self, event: Event) -> list[tuple[int, int]]:
        """The pages of an event that are followed, by their numbers, and their places in the tables of level 3."""
        numbers = _numbers(event)
        if len(numbers) > len(self._places):
            return [
                (page.number, place)
                for page, place in self._places.items()
                if page.agent == event.agent and page.number in numbers
            ]
        found = ((number, self._places.get(_Page(event.agent, number))) for number in numbers)
        return [(number, place) for number, place in found if place is not None]

    def _take_lock(self, thread: int, where: int) -> Iterator[str]:
        if self._locked_by == thread:
            return
        if self._locked_by is not None:
            yield self._record("unlock", self._locked_by, where, f"(address {_LOCK:x})")
        self._locked_by = thread
        yield self._record("lock", thread, where, f"(address {_LOCK:x})")

    def _descriptor(self, event: Event, number: int) -> int:
        """The descriptor of a page (Arm ARM DDI 0487 D8.3 "VMSAv8-64 descriptor formats")."""
        attribute = self._types.index(event.types) << _ATTRIBUTE_SHIFT
        access = _ACCESSED | _INNER_SHAREABLE | (0 if event.executable else _NOT_EXECUTABLE)
        return number * PAGE_SIZE | attribute | access | _PAGE

    def _invalidate(self, agent: str, place: int, where: int) -> str:
        return self._record("tlbi", self._thread(agent), where, f"vae2is (value {_LEVEL_3 | place:x})")

    def _register(self, thread: int, name: str, value: int) -> str:
        return self._record("sysreg-write", thread, 0, f"(sysreg {name}_el2) (value {value:x})")

    def _hint(self, thread: int, kind: str, location: int, value: int) -> str:
        return self._record("hint", thread, 0, f"(kind {kind}) (location {location:x}) (value {value:x})")

    def _store(self, thread: int, address: int, value: int, where: int) -> str:
        return self._record(
            "mem-write", thread, where, f"(mem-order release) (address {address:x}) (value {value:x})"
        )

    def _record(self, name: str, thread: int, where: int, rest: str) -> str:
        number, self._next_id = self._next_id, self._next_id + 1
        return f'({name} (id {number}) (tid {thread}) {rest} (src "trace:{where}"))\n'

    def _thread(self, agent: str) -> int:
        """The thread of an agent: its core, or one of its own."""
        if agent not in self._threads:
            self._threads[agent] = self._next_thread
            self._next_thread += 1
        return self._threads[agent]


def _wanted(batch: Batch) -> Iterator[tuple[int, Event]]:
    """The events of a batch that there may be records of, each with its line or number."""
    for index in np.flatnonzero(np.isin(batch.rows["op"], _OPS)).tolist():
        yield int(batch.rows["where"][index]), batch.event(index)


def _table(number: int) -> int:
    """The address of a table: the root, those of levels 1 and 2, then those of level 3."""
    return _ROOT + number * PAGE_SIZE


def _numbers(event: Event) -> range:
    """The numbers of the pages of an event of whole pages."""
    return range(event.address // PAGE_SIZE, (event.address + event.size) // PAGE_SIZE)


def _attribute(types: Types) -> int:
    """The attribute of MAIR_EL2 for a type; device memory is Device-nGnRnE."""
    inner, outer = types[0], types[-1]
    return _HALVES.get(outer, 0) << 4 | _HALVES.get(inner, 0)
