# SPDX-License-Identifier: GPL-2.0-or-later
"""The final read: at the end of a run, the hazards of a read of all segments, through the caches."""

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from coldline.checker.state.findings import kind_of
from coldline.events import PAGE_SIZE, Op
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from coldline.checker.checker import Checker
    from coldline.checker.state.lines import Badness
    from coldline.checker.written import Written


class Region(NamedTuple):
    """Whole pages with a name; address and size in bytes. The first `loaded` bytes were loaded."""

    name: str
    address: int
    size: int
    loaded: int

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.address + self.size


class Provenance(enum.Enum):
    """Whose bytes the final read found."""

    LOADED = "loaded"
    """Loaded, and not written by the guest: whoever loaded them promised that the guest can read them."""
    WRITTEN = "written"
    """Written by the guest, which may never read them again."""
    REST = "rest"
    """Neither: .bss that the guest has not written, and the rest of the last page."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A region, read as a whole.

    Attributes
    ----------
    region : Region
        The region.
    lines : int
        The number of its cache lines.
    stale : int
        How many of them may be wrong.
    kinds : tuple of str
        The kinds of hazard.
    first : int or None
        The address of the first line that may be wrong.
    runs : tuple
        The lines that may be wrong, as runs of lines with the same hazards: see `Checker.would_read`.
    """

    region: Region
    lines: int
    stale: int
    kinds: tuple[str, ...]
    first: int | None
    runs: "tuple[tuple[int, int, tuple[Badness, ...]], ...]" = field(repr=False)


class StaleLines(NamedTuple):
    """Adjacent lines of a region that may be wrong in the same way.

    Attributes
    ----------
    line, lines : int
        The address of the first line, and how many there are.
    start, end : int
        The first byte that may be wrong, and one past the last one: offsets in each line.
    kinds : tuple of str
        The kinds of hazard.
    first_kind : str
        A kind of hazard of each line's first byte that may be wrong.
    """

    line: int
    lines: int
    start: int
    end: int
    kinds: tuple[str, ...]
    first_kind: str


class StaleRange(NamedTuple):
    """What the final read found: adjacent lines of one region with bytes of the same content and the same kinds.

    Attributes
    ----------
    region : Region
        The region.
    content : Provenance
        Whose bytes they are.
    kinds : tuple of str
        The kinds of hazard.
    address, size : int
        From the first byte that may be wrong to the last.
    parts : tuple of StaleLines
        The lines.
    """

    region: Region
    content: Provenance
    kinds: tuple[str, ...]
    address: int
    size: int
    parts: tuple[StaleLines, ...]

    @property
    def lines(self) -> int:
        """The number of lines."""
        return sum(part.lines for part in self.parts)


def sweep(checker: "Checker", regions: Iterable[Region]) -> list[Swept]:
    """Find the hazards of a read of each region through a cacheable alias; changes no state."""
    line = checker.profile.line
    swept = []
    for region in regions:
        runs = tuple(checker.would_read(region.address, region.size))
        stale = sum(lines for _, lines, _ in runs)
        kinds = {kind_of(bad.hazard, Op.READ) for _, _, badness in runs for bad in badness}
        first = runs[0][0] if runs else None
        swept.append(Swept(region, region.size // line, stale, tuple(sorted(kinds)), first, runs))
    return swept


def tell_apart(checker: "Checker", swept: Iterable[Swept], written: "Written") -> list[StaleRange]:
    """Return what the final read found, by whose bytes they are: those that were loaded first, then by address.

    Each byte belongs to one content, so a line can be in several ranges.

    Parameters
    ----------
    checker : Checker
        The checker, in the state of the final read.
    swept : iterable of Swept
        The regions with lines that may be wrong.
    written : Written
        The bytes that the guest wrote.
    """
    line = checker.profile.line
    ranges: list[StaleRange] = []
    for each in swept:
        by_content: dict[Provenance, list[StaleLines]] = {content: [] for content in Provenance}
        for content, part in _parts(checker, each, written):
            by_content[content].append(part)
        for content, parts in by_content.items():
            ranges += _joined(each.region, content, sorted(parts), line)
    order = list(Provenance)
    return sorted(ranges, key=lambda each: (order.index(each.content), each.address))


def _parts(checker: "Checker", swept: Swept, written: "Written") -> Iterator[tuple[Provenance, StaleLines]]:
    region, line = swept.region, checker.profile.line
    loaded_end = region.address + region.loaded
    # Only these pages can have bytes of several contents; they are looked at byte by byte.
    mixed = {loaded_end // PAGE_SIZE}
    for low, high in written.within(region.address, region.end):
        mixed.update(range(low // PAGE_SIZE, -(-high // PAGE_SIZE)))
    borders = sorted(mixed)
    to_split = []
    for base, lines, badness in swept.runs:
        for low, high, is_mixed in _split_at_pages(base, base + lines * line, borders):
            if is_mixed:
                to_split.append(low // PAGE_SIZE)
            else:
                content = Provenance.LOADED if low < loaded_end else Provenance.REST
                yield content, _whole(low, (high - low) // line, badness)
    for page in sorted(set(to_split)):
        yield from _by_bytes(checker, page * PAGE_SIZE, loaded_end, written)


def _split_at_pages(start: int, end: int, pages: list[int]) -> Iterator[tuple[int, int, bool]]:
    """Split a range at the borders of some sorted pages; tell which parts are of them."""
    while start < end:
        at = bisect_left(pages, start // PAGE_SIZE)
        page = pages[at] if at < len(pages) else None
        is_one = page == start // PAGE_SIZE
        stop = end if page is None else min(end, (page + is_one) * PAGE_SIZE)
        yield start, stop, is_one
        start = stop


def _whole(line: int, lines: int, badness: "tuple[Badness, ...]") -> StaleLines:
    kinds = sorted({kind_of(bad.hazard, Op.READ) for bad in badness})
    start, end = min(bad.start for bad in badness), max(bad.end for bad in badness)
    first = min(kind_of(bad.hazard, Op.READ) for bad in badness if bad.start == start)
    return StaleLines(line, lines, start, end, tuple(kinds), first)


def _by_bytes(
    checker: "Checker", page: int, loaded_end: int, written: "Written"
) -> Iterator[tuple[Provenance, StaleLines]]:
    line = checker.profile.line
    by_guest = written.within(page, page + PAGE_SIZE)
    starts, ends = [start for start, _ in by_guest], [end for _, end in by_guest]
    cuts = sorted({loaded_end, *starts, *ends})
    found: dict[tuple[int, Provenance], list[tuple[int, int, Hazard]]] = {}
    for start, end, hazard in checker.would_read_bytes(page, PAGE_SIZE):
        inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
        for low, high in zip([start, *inner], [*inner, end], strict=True):
            at = bisect_right(starts, low)
            if at and low < ends[at - 1]:
                content = Provenance.WRITTEN
            else:
                content = Provenance.LOADED if low < loaded_end else Provenance.REST
            found.setdefault((low - low % line, content), []).append((low, high, hazard))
    for (base, content), bytes_of in found.items():
        kinds = sorted({kind for _, _, hazard in bytes_of for kind in _kinds(hazard)})
        first, _, hazard = bytes_of[0]
        end = bytes_of[-1][1]
        yield content, StaleLines(base, 1, first - base, end - base, tuple(kinds), min(_kinds(hazard)))


def _kinds(hazard: Hazard) -> list[str]:
    return [kind_of(each, Op.READ) for each in (Hazard.LOST, Hazard.STALE) if hazard & each]


def _joined(region: Region, content: Provenance, parts: list[StaleLines], line: int) -> Iterator[StaleRange]:
    held: list[StaleLines] = []
    for part in [*parts, None]:
        if held and (
            part is None or part.line != held[-1].line + held[-1].lines * line or part.kinds != held[-1].kinds
        ):
            first, last = held[0], held[-1]
            start = first.line + first.start
            end = last.line + (last.lines - 1) * line + last.end
            yield StaleRange(region, content, first.kinds, start, end - start, tuple(held))
            held = []
        if part is not None:
            held.append(part)
