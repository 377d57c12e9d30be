# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's view of a page: its mapping, those that are ending, and what its walks and fetches left."""

from typing import NamedTuple

from coldline.arm import MemoryType


class Way(NamedTuple):
    """A way in which an agent may access a page: one memory type, and whether it may be fetched from."""

    memory_type: MemoryType
    executable: bool

    @property
    def cacheable(self) -> bool:
        """Whether data caches may hold what is accessed so."""
        return self.memory_type.cacheable


class PageMapping(NamedTuple):
    """What a descriptor says of a page.

    Attributes
    ----------
    types : tuple of MemoryType
        Its type; or its inner and its outer one, where they differ.
    executable : bool
        Whether it may be fetched from.
    """

    types: tuple[MemoryType, ...]
    executable: bool = False


class Ending(NamedTuple):
    """How far a mapping has ended that a descriptor no longer says.

    A TLB may hold it until a DSB completes a TLBI that came after the new descriptor was visible (Arm ARM DDI 0487,
    'TLB maintenance requirements and the TLB maintenance instructions').

    Attributes
    ----------
    mapping : PageMapping
        The mapping.
    seen_by : frozenset of int
        The cores that have executed a DSB since.
    invalidated_by : frozenset of int
        The cores whose TLBI for it is not complete.
    """

    mapping: PageMapping
    seen_by: frozenset[int] = frozenset()
    invalidated_by: frozenset[int] = frozenset()

    def after_tlbi(self, core: int) -> "Ending":
        """The same after a TLBI by `core`, which does nothing if the core may not have seen the new descriptor."""
        if core not in self.seen_by:
            return self
        return self._replace(invalidated_by=self.invalidated_by | {core})

    def after_dsb(self, core: int) -> "Ending | None":
        """The same after a DSB by `core`; None if the mapping has ended."""
        if core in self.invalidated_by:
            return None
        return self._replace(seen_by=self.seen_by | {core})


Walked = frozenset[int] | None
"""The cores whose TLBI for pages that a walker may walk again is not complete; None where it does not."""


class Alias(NamedTuple):
    """One agent's view of a page.

    Attributes
    ----------
    mapping : PageMapping or None
        What its descriptor says; None if it has no valid one.
    fetched : bool
        Whether the agent has fetched from this page since it turned its MMU off.
    prefetched : bool
        Whether the agent has fetched from this page or the one before it since it turned its MMU off, so that an
        instruction prefetch may reach this page (Arm ARM DDI 0487, 'Instruction fetch behavior when all
        translation stages are disabled').
    owns : bool
        Whether this page was given to the agent.
    ending : tuple of Ending
        The mappings that its descriptor said before, and that TLBs may hold.
    unwalked : bool
        Whether no TLB can hold `mapping`, as the agent's MMU has been off since it was made.
    walked, walked_pou : frozenset of int, or None
        Whether the agent's table walker may walk the page again, and fill caches with it; or past level 1.
    """

    mapping: PageMapping | None = None
    fetched: bool = False
    prefetched: bool = False
    owns: bool = False
    ending: tuple[Ending, ...] = ()
    unwalked: bool = False
    walked: Walked = None
    walked_pou: Walked = None

    @property
    def mappings(self) -> tuple[PageMapping, ...]:
        """All mappings by which it may be accessed."""
        ending = tuple(each.mapping for each in self.ending)
        return ending if self.mapping is None else (self.mapping, *ending)

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways in which it may be accessed, of which any may be taken."""
        return tuple(Way(each, known.executable) for known in self.mappings for each in known.types)

    @property
    def waits(self) -> bool:
        """Whether a DSB may end something of it."""
        return bool(self.ending or self.walked or self.walked_pou)

    @property
    def unmapped(self) -> "Alias":
        """The same without the mappings."""
        return self._replace(mapping=None, ending=(), unwalked=False)

    def mapped(self, mapping: PageMapping, *, may_be_on: bool) -> "Alias":
        """The same once its descriptor says `mapping`; `may_be_on` is whether the agent's MMU may be on."""
        if self.mapping == mapping:
            return self
        kept = tuple(each for each in self.ending if each.mapping != mapping)
        again = len(kept) < len(self.ending)
        if self.mapping is not None and not self.unwalked:
            kept = (*kept, Ending(self.mapping))
        return self._replace(mapping=mapping, ending=kept, unwalked=not may_be_on and not again)

    @property
    def invalid(self) -> "Alias":
        """The same once its descriptor is invalid."""
        assert self.mapping is not None
        return self._replace(mapping=None, ending=(*self.ending, Ending(self.mapping)), unwalked=False)

    def after_tlbi(self, core: int) -> "Alias":
        """The same after a TLBI by a core of what it translates."""
        return self._replace(
            ending=tuple(each.after_tlbi(core) for each in self.ending),
            walked=None if self.walked is None else self.walked | {core},
            walked_pou=None if self.walked_pou is None else self.walked_pou | {core},
        )

    def after_dsb(self, core: int) -> "Alias":
        """The same after a DSB by a core."""
        after = (each.after_dsb(core) for each in self.ending)
        return self._replace(
            ending=tuple(each for each in after if each is not None),
            walked=None if self.walked is None or core in self.walked else self.walked,
            walked_pou=None if self.walked_pou is None or core in self.walked_pou else self.walked_pou,
        )
