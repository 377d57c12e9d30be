# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest would see if it read all that was loaded, through its caches, when a run has ended."""

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
        Of the region.
    address, size : int
        Where it is, in bytes.
    lines : int
        Its cache lines.
    stale : int
        How many of them may be wrong.
    kinds : tuple of str
        In what ways.
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
    """Ask what a read of each region through a cacheable alias could find; nothing changes by asking."""
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
