# SPDX-License-Identifier: GPL-2.0-or-later
"""
What an agent has mapped at one page of a version 2 trace, for ``order_agents.py``.

With ``option order`` that may be several mappings: one by the descriptor, and those that are ending, as TLBs may
hold them yet.
"""

from typing import NamedTuple

CoreName = tuple[str, str]


class Kind(NamedTuple):
    """What a mapping is: its inner type, its outer type, and whether code may be fetched through it."""

    inner: str
    outer: str
    executable: bool

    @property
    def types(self) -> tuple[str, str]:
        """The types, which are two words where they differ."""
        return self.inner, self.outer


class Mapping:
    """
    One mapping of a page.

    ``held`` says whether a TLB may hold it. Once it is ending, ``seen`` has the cores that have seen that, and
    ``invalidated`` those whose ``tlbi`` for it is pending.
    """

    def __init__(self, kind: Kind, *, held: bool) -> None:
        self.kind = kind
        self.held = held
        self.seen: set[CoreName] = set()
        self.invalidated: set[CoreName] = set()


class Page:
    """An agent's mappings of a page: ``current`` is the one by the descriptor, None where that is invalid."""

    def __init__(self, current: Mapping) -> None:
        self.current: Mapping | None = current
        self.endings: list[Mapping] = []

    def all(self) -> list[Mapping]:
        """Give every mapping that there is."""
        return [*([self.current] if self.current else []), *self.endings]

    def kinds(self) -> list[Kind]:
        """Give what each of them is: no two are the same."""
        return [mapping.kind for mapping in self.all()]

    def needs_break_before_make(self, kind: Kind) -> bool:
        """Return whether a valid descriptor for that kind would change a type that a TLB may hold."""
        if self.current:
            return self.current.kind.types != kind.types
        return any(ending.kind.types != kind.types for ending in self.endings)

    def invalidate_descriptor(self) -> None:
        """Make the descriptor invalid, which is valid."""
        assert self.current
        self._end(self.current)
        self.current = None

    def change(self, kind: Kind, *, held: bool) -> None:
        """Write a valid descriptor; ``held`` says whether a TLB may hold from now on what it says."""
        old = self.current
        if old and old.kind == kind:
            return
        if old and old.held:
            self._end(old)
        again = [ending for ending in self.endings if ending.kind == kind]
        self.endings = [ending for ending in self.endings if ending not in again]
        self.current = Mapping(kind, held=held or any(ending.held for ending in again))

    def _end(self, mapping: Mapping) -> None:
        self.endings.append(Mapping(mapping.kind, held=mapping.held))

    def complete(self, core: CoreName) -> None:
        """Do a ``dsb`` by a core: what its ``tlbi`` concern ends, and it has seen that the others are ending."""
        self.endings = [ending for ending in self.endings if core not in ending.invalidated]
        for ending in self.endings:
            ending.seen.add(core)
