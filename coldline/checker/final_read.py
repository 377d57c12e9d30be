# SPDX-License-Identifier: GPL-2.0-or-later
"""The final read: at the end of a run, the hazards of a read of everything that was loaded, through the caches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from coldline.checker.state.findings import kind_of
from coldline.events import Op

if TYPE_CHECKING:
    from coldline.checker.checker import Checker


class Region(NamedTuple):
    """Whole pages with a name; address and size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Swept:
    """A region, read as a whole.

    Attributes
    ----------
    name : str
        The region's name.
    address, size : int
        The region, in bytes.
    lines : int
        The number of its cache lines.
    stale : int
        How many of them may be wrong.
    kinds : tuple of str
        The kinds of hazard.
    first : int or None
        The address of the first line that may be wrong.
    """

    name: str
    address: int
    size: int
    lines: int
    stale: int
    kinds: tuple[str, ...]
    first: int | None


def sweep(checker: "Checker", regions: Iterable[Region]) -> list[Swept]:
    """Find the hazards of a read of each region through a cacheable alias; changes no state."""
    line = checker.profile.line
    swept = []
    for name, address, size in regions:
        stale, kinds, first = 0, set(), None
        for base, lines, badness in checker.would_read(address, size):
            stale += lines
            kinds |= {kind_of(bad.hazard, Op.READ) for bad in badness}
            first = base if first is None else first
        swept.append(Swept(name, address, size, size // line, stale, tuple(sorted(kinds)), first))
    return swept
