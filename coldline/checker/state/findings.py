# SPDX-License-Identifier: GPL-2.0-or-later
"""The findings of a check: reads that may go wrong, kept as runs of lines with the same hazards."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from coldline.checker.state.memory import FETCH_BITS, Memory
from coldline.events import PAGE_SIZE, Event, Op
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
        The number of lines, which are adjacent.
    badness : tuple of Badness
        The hazards of each line, with their bytes.
    """

    number: int
    where: int
    event: Event
    address: int
    lines: int
    badness: "tuple[Badness, ...]"


class Findings:
    """Collects the hazards that a check finds.

    Parameters
    ----------
    memory : Memory
        Records the hazards that were already found in each line.
    distinct : bool
        Whether each kind of hazard of a line is a finding once, and not at each event.
    most : int or None
        How many hazards to keep as findings, rounded up to whole events; None keeps all. Adjacent lines of an event
        with the same kinds of hazard count as one.

    Attributes
    ----------
    kinds : dict of str to int
        The number of hazards of each kind, including those of findings that were not kept.
    kinds_of : dict of str to dict of str to int
        The same by the agent of the event.
    hazards : int
        The number of times that an event may go wrong at a line, distinct or not.
    """

    def __init__(self, memory: Memory, *, distinct: bool, most: int | None) -> None:
        self.distinct = distinct
        self._kept: list[Finding] = []
        self._waiting: list[Callable[[], Iterator[Finding]]] = []
        self.kinds: dict[str, int] = {}
        self.kinds_of: dict[str, dict[str, int]] = {}
        self.hazards = 0
        self._memory = memory
        self._room = most
        self._broken: list[tuple[int, int]] = []

    def add(
        self, number: int, where: int, event: Event, address: int, lines: int, badness: "tuple[Badness, ...]"
    ) -> None:
        """Note that an event may read `lines` lines from `address` on wrongly; arguments are as in `Finding`."""
        self._count(event.agent, _kinds_of(badness, event.op), lines)
        self._keep(Finding(number, where, event, address, lines, badness))

    def add_found(
        self, counts: Iterable[tuple[str, tuple[str, ...], int]], made: Callable[[], Iterator[Finding]]
    ) -> None:
        """Note several findings at once.

        Parameters
        ----------
        counts : iterable of (str, tuple of str, int)
            Agents, kinds of hazard, and how many lines have these.
        made : callable
            Returns the findings. It is called when they are looked at, unless there is not room for all.
        """
        for agent, kinds, lines in counts:
            self._count(agent, kinds, lines)
        if self._room is None:
            self._waiting.append(made)
        else:
            for finding in made():
                self._keep(finding)

    @property
    def kept(self) -> list[Finding]:
        """The findings."""
        for made in self._waiting:
            self._kept.extend(made())
        self._waiting.clear()
        return self._kept

    def _count(self, agent: str, kinds: tuple[str, ...], lines: int) -> None:
        of_agent = self.kinds_of.setdefault(agent, {})
        for kind in kinds:
            self.kinds[kind] = self.kinds.get(kind, 0) + lines
            of_agent[kind] = of_agent.get(kind, 0) + lines

    def _keep(self, finding: Finding) -> None:
        """Keep a finding, if there is room for it."""
        kept = self.kept
        if self._room is not None:
            last = kept[-1] if kept else None
            if self._room <= 0 and (last is None or last.number != finding.number):
                return
            if last is None or not self._continues(last, finding):
                self._room -= len(finding.badness)
        kept.append(finding)

    def _continues(self, last: Finding, finding: Finding) -> bool:
        """Whether a line is the next one of the event's last finding, with the same kinds of hazard."""
        line = PAGE_SIZE // self._memory.lines_per_page
        return (
            last.number == finding.number
            and last.address + last.lines * line == finding.address
            and [bad.hazard for bad in last.badness] == [bad.hazard for bad in finding.badness]
        )

    def begin_anew(self) -> None:
        """Let hazards of lines that had some already be findings again."""
        self._memory.reported[: self._memory.rows] = 0
        self._memory.told.clear()
        self._broken.clear()

    def is_new(self, row: int, index: int, op: Op, badness: "tuple[Badness, ...]") -> bool:
        """Count a hazard of a dense page's line; return whether it is to be a finding."""
        self.hazards += 1
        bits = _bits(badness, op)
        known = int(self._memory.reported[row, index])
        self._memory.reported[row, index] = known | bits
        return not self.distinct or bool(bits & ~known)

    def new_pages(
        self, first: int, end: int, op: Op, badness: "tuple[Badness, ...]"
    ) -> list[tuple[int, int]]:
        """Count the hazards of a range of pages without a dense one; return the parts that are to be findings."""
        self.hazards += (end - first) * self._memory.lines_per_page
        if not self.distinct:
            return [(first, end)]
        broken = badness[0].hazard is Hazard.BBM  # which no loop finds
        told = self._broken if broken else self._memory.told.setdefault(_bits(badness, op), [])
        new = [(first, end)]
        for told_first, told_end in told:
            new = [
                (low, high)
                for a, b in new
                for low, high in ((a, min(b, told_first)), (max(a, told_end), b))
                if low < high
            ]
        told += new
        return new


class HazardEntry(NamedTuple):
    """One hazard as a report lists it: one event, one kind, one cache line or adjacent ones.

    `address` is the lowest byte that may be wrong and `size` runs to the highest, in bytes; `lines` is how many lines
    these bytes are in.
    """

    number: int
    where: int
    event: Event
    kind: str
    address: int
    size: int
    lines: int = 1


@lru_cache(maxsize=1 << 12)
def _kinds_of(badness: "tuple[Badness, ...]", op: Op) -> tuple[str, ...]:
    return tuple(kind_of(bad.hazard, op) for bad in badness)


def kind_of(hazard: Hazard, op: Op) -> str:
    """The word for a hazard in a report: ``bbm``, ``leak``, ``lost-write``, ``stale-fetch`` or ``stale-read``."""
    if hazard is Hazard.BBM:
        return "bbm"
    if hazard is Hazard.LEAK:
        return "leak"
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
            for bad in sorted(finding.badness, key=lambda bad: (bad.start, -bad.hazard)):
                yield HazardEntry(
                    finding.number,
                    finding.where,
                    finding.event,
                    kind_of(bad.hazard, finding.event.op),
                    base + bad.start,
                    bad.end - bad.start,
                )


def _bits(badness: "tuple[Badness, ...]", op: Op) -> int:
    """Hazards in the encoding of `Memory.reported`."""
    return sum(each.hazard for each in badness) << (FETCH_BITS if op is Op.FETCH else 0)
