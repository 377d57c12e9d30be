# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins the hazards of adjacent lines, for reports that list a range of memory once."""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from coldline.checker.state.findings import Finding, HazardEntry, kind_of


def joined(findings: Sequence[Finding], line: int) -> Iterator[HazardEntry]:
    """The hazards in a report's order; those of one event and kind, whose bytes are adjacent, as one.

    Parameters
    ----------
    findings : sequence of Finding
        In the order that a check found them.
    line : int
        Bytes of a line.
    """
    ordered = sorted(findings, key=lambda finding: (finding.number, finding.address))
    for _, of_event in groupby(ordered, key=lambda finding: finding.number):
        yield from sorted(_join(of_event, line), key=lambda entry: (entry.address, entry.kind))


def _join(findings: Iterator[Finding], line: int) -> Iterator[HazardEntry]:
    last: dict[str, HazardEntry] = {}
    for finding in findings:
        for part in _parts(finding, line):
            before = last.get(part.kind)
            if before is not None and before.address + before.size == part.address:
                part = before._replace(size=before.size + part.size, lines=before.lines + part.lines)
            elif before is not None:
                yield before
            last[part.kind] = part
    yield from last.values()


def _parts(finding: Finding, line: int) -> Iterator[HazardEntry]:
    """A finding's hazards: one of all lines where whole lines are wrong, else one for each line."""
    number, where, event, address, lines, badness = finding
    for bad in badness:
        kind, size = kind_of(bad.hazard, event.op), bad.end - bad.start
        if size == line:
            yield HazardEntry(number, where, event, kind, address, lines * line, lines)
            continue
        for base in range(address, address + lines * line, line):
            yield HazardEntry(number, where, event, kind, base + bad.start, size)


def split_at(entry: HazardEntry, cuts: Collection[int], line: int) -> Iterator[HazardEntry]:
    """The parts of a joined hazard between `cuts`, which are addresses of lines in ascending order."""
    first, end = entry.address, entry.address + entry.size
    for cut in (*cuts, end):
        size = cut - first
        yield entry._replace(address=first, size=size, lines=(cut - 1) // line - first // line + 1)
        first = cut
