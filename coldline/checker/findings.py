# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check finds: reads that may go wrong, kept by runs of lines that go wrong alike."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from coldline.events import Event, Op
from coldline.rules.line_rules import Hazard

if TYPE_CHECKING:
    from coldline.checker.state.lines import Badness


class Finding(NamedTuple):
    """Lines that one event may read wrongly, all in the same way.

    Attributes
    ----------
    number : int
        The event's number in the whole trace, from 0.
    where : int
        The event's line in a text trace, else 0.
    event : Event
        The event.
    address : int
        The first byte of the first line.
    lines : int
        How many lines, one after another.
    badness : tuple of Badness
        Where in each line it may go wrong, and how.
    """

    number: int
    where: int
    event: Event
    address: int
    lines: int
    badness: "tuple[Badness, ...]"


class HazardEntry(NamedTuple):
    """One hazard as a report lists it: one event, one kind, one cache line.

    `address` is the lowest byte that may be wrong and `size` runs to the highest, in bytes.
    """

    number: int
    where: int
    event: Event
    kind: str
    address: int
    size: int


def kind_of(hazard: Hazard, op: Op) -> str:
    """The word for a hazard in a report: ``lost-write``, ``stale-fetch`` or ``stale-read``."""
    if hazard is Hazard.LOST:
        return "lost-write"
    return "stale-fetch" if op is Op.FETCH else "stale-read"


def entries(findings: list[Finding], line: int) -> Iterator[HazardEntry]:
    """Every hazard in a report's order: as events come, then by address, then by kind.

    Parameters
    ----------
    findings : list of Finding
        In the order that a check found them.
    line : int
        Bytes of a line.
    """
    for finding in sorted(findings, key=lambda finding: (finding.number, finding.address)):
        for index in range(finding.lines):
            base = finding.address + index * line
            for bad in sorted(finding.badness, key=lambda bad: (bad.start, bad.hazard is Hazard.STALE)):
                yield HazardEntry(
                    finding.number,
                    finding.where,
                    finding.event,
                    kind_of(bad.hazard, finding.event.op),
                    base + bad.start,
                    bad.end - bad.start,
                )
