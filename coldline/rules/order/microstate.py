# SPDX-License-Identifier: GPL-2.0-or-later
"""The microstate of one byte under the rules of order: its copies, and what each core has pending on it."""

from collections.abc import Iterator
from typing import NamedTuple

from coldline.rules.alphabet import Letter
from coldline.rules.microstate import COLD, Microstate


class Maintenance(NamedTuple):
    """A data cache operation that was issued and may not have taken effect.

    Attributes
    ----------
    operation : Letter
        One of `Letter.DC_CVAU`, `Letter.DC_CVAC`, `Letter.DC_CIVAC` and `Letter.DC_IVAC`.
    cacheable : bool
        Whether it was issued through a cacheable alias, so that it is in program order with its core's cacheable
        accesses to the line.
    ordered : bool
        Whether its core has executed a DMB since: data accesses wait for it.
    after_store : bool
        Whether it was issued after a DMB that is after the core's store in flight, so that it takes effect later.
    repeats : bool
        Whether it stands for any number of operations: see `coldline.rules.order.effects`.
    """

    operation: Letter
    cacheable: bool
    ordered: bool = False
    after_store: bool = False
    repeats: bool = False


class StoreInFlight(NamedTuple):
    """A store to the byte that may not have reached memory.

    Attributes
    ----------
    fresh : bool
        Whether it is the last write to the byte.
    write_through : bool
        Whether it was made through a write-through alias: cacheable accesses see it, by any core.
    ordered : bool
        Whether its core has executed a DMB since: data accesses wait for it.
    """

    fresh: bool
    write_through: bool
    ordered: bool = False


class Pending(NamedTuple):
    """What one core has pending on the byte.

    Attributes
    ----------
    maintenance : tuple of Maintenance
        Data cache operations, in program order.
    instruction : bool
        An instruction cache operation that concerns the instruction cache that is followed.
    instruction_by : tuple of int
        The same of one that concerns what the agents of these labels fetched.
    store : StoreInFlight or None
        A store that is in flight.
    prefetched : bool or None
        Whether the prefetched instruction is fresh; None if there is none.
    """

    maintenance: tuple[Maintenance, ...] = ()
    instruction: bool = False
    instruction_by: tuple[int, ...] = ()
    store: StoreInFlight | None = None
    prefetched: bool | None = None

    def __str__(self) -> str:
        words = [each.operation.name.lower().replace("_", " ") for each in self.maintenance]
        words += ["ic"] if self.instruction or self.instruction_by else []
        if self.store is not None:
            words.append(f"store {_age(self.store.fresh)}")
        if self.prefetched is not None:
            words.append(f"prefetched {_age(self.prefetched)}")
        return ", ".join(words)


NOTHING = Pending()


class OrderedMicrostate(NamedTuple):
    """One possible state of a byte, as it concerns one core.

    Attributes
    ----------
    line : Microstate
        The copies. Its instruction cache is that of the core at hand; other cores cannot read it.
    pending : tuple of (int, Pending)
        What each core has pending, by the core's number in ascending order; cores with nothing pending are left out.
    instructions : tuple of (int, bool)
        In place of that in `line`, where instruction caches are indexed by virtual address: the instruction cache's
        copies by the labels of the agents that fetched them, in ascending order, and whether each is fresh.
    """

    line: Microstate = COLD
    pending: tuple[tuple[int, Pending], ...] = ()
    instructions: tuple[tuple[int, bool], ...] = ()

    def of(self, core: int) -> Pending:
        """What `core` has pending."""
        for number, pending in self.pending:
            if number == core:
                return pending
        return NOTHING

    def having(self, core: int, pending: Pending) -> "OrderedMicrostate":
        """The same, but with `pending` of `core`."""
        others = [each for each in self.pending if each[0] != core]
        if pending != NOTHING:
            others.append((core, pending))
        if len(others) > 1:
            others.sort(key=lambda each: each[0])
        return OrderedMicrostate(self.line, tuple(others), self.instructions)

    def having_line(self, line: Microstate) -> "OrderedMicrostate":
        """The same with another line."""
        return OrderedMicrostate(line, self.pending, self.instructions)

    def with_instruction(self, label: int, fresh: bool) -> "OrderedMicrostate":
        """The same, but with a copy in the instruction cache that the agent of a label fetched."""
        return self._replace(instructions=tuple(sorted({**dict(self.instructions), label: fresh}.items())))

    def without_instruction(self, label: int) -> "OrderedMicrostate":
        """The same without the copy that the agent of a label fetched."""
        return self._replace(instructions=tuple(each for each in self.instructions if each[0] != label))

    def with_line(self, seen: Microstate) -> "OrderedMicrostate":
        """The same with the caches of `seen`, a line as caches see it; memory stays as it is."""
        if seen.fresh_memory != self.line.fresh_memory:
            seen = seen._replace(fresh_memory=self.line.fresh_memory)
        return self.having_line(seen)

    @property
    def write_through(self) -> StoreInFlight | None:
        """The write-through store that is in flight, if any; there is never more than one."""
        for _, pending in self.pending:
            if pending.store is not None and pending.store.write_through:
                return pending.store
        return None

    @property
    def as_caches_see(self) -> Microstate:
        """The line as cacheable accesses see it: a write-through store that is in flight is in place of memory."""
        store = self.write_through
        return self.line if store is None else self.line._replace(fresh_memory=store.fresh)

    @property
    def overtaken(self) -> "OrderedMicrostate":
        """The same after a write by anybody: what is in flight, or was fetched before, is older."""
        if not self.pending and not self.instructions:
            return self
        return self._replace(
            instructions=tuple((label, False) for label, _ in self.instructions),
            pending=tuple(
                (
                    core,
                    pending._replace(
                        store=pending.store and pending.store._replace(fresh=False),
                        prefetched=None if pending.prefetched is None else False,
                    ),
                )
                for core, pending in self.pending
            ),
        )

    @property
    def lost(self) -> bool:
        """Whether neither a copy nor a store in flight has the last write to the byte."""
        held = any(fresh for _, fresh in self.instructions)
        in_flight = any(pending.store is not None and pending.store.fresh for _, pending in self.pending)
        return self.line.lost and not held and not in_flight

    @property
    def told(self) -> Microstate:
        """The copies as they are told: of several in the instruction cache, all are new or it is old."""
        if not self.instructions:
            return self.line
        return self.line._replace(icache=True, fresh_i=all(fresh for _, fresh in self.instructions))


def held(line: Microstate) -> Microstate:
    """The line once the instruction cache holds what was fetched from memory, past the other caches."""
    return line._replace(icache=True, fresh_i=line.fresh_memory)


def memory_or_held(line: Microstate) -> Iterator[bool]:
    """The freshness of each copy that a non-cacheable fetch may return if instruction caches hold such."""
    yield line.fresh_memory
    if line.icache:
        yield line.fresh_i


def _age(fresh: bool) -> str:
    return "new" if fresh else "OLD"
