# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups the hazards of a report by their causes.

Two hazards have one cause if they are of one kind, if the same instruction or event decides both in the same way, and
if the same instruction or event reads. A fetch is the same reader wherever it is, as each instruction is fetched at
an address of its own.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from coldline.events import Op
from coldline.explain.deciding import Role
from coldline.explain.explained import ExplainedHazard
from coldline.support.frozen_record import Record

if TYPE_CHECKING:
    from coldline.explain.deciding import Deciding
    from coldline.explain.line_history import LineEvent
    from coldline.explain.witness import WitnessStep
    from coldline.report.model import Report
    from coldline.verdict import Judgement

FINAL_READ: Final = "final read"
"""The reader of a hazard that the final read found."""


class Cause(Record, kw_only=True):
    """The hazards of one cause.

    Attributes
    ----------
    kind : str
        Their kind.
    first : ExplainedHazard
        The first of them, whose story tells the cause.
    final_read : bool
        Whether the final read found them, and no access of the run did.
    count : int
        How many hazards they are: one for each cache line.
    ranges : int
        How many entries of the report's list they are.
    address, end : int
        The lowest byte of all of them that may be wrong, and one past the highest.
    """

    kind: str
    first: ExplainedHazard
    final_read: bool
    count: int
    ranges: int
    address: int
    end: int

    @property
    def decided(self) -> "Deciding":
        """What decides it."""
        assert self.first.decided is not None
        return self.first.decided

    @property
    def event(self) -> "LineEvent":
        """The event that answers for it: see `Deciding.event`."""
        line_event = self.first.story[self.decided.event].line_event
        assert line_event is not None
        return line_event

    @property
    def words(self) -> str:
        """What the deciding step did, such as ``leaves level 2 old``."""
        return decided_words(self.decided)


class Grouped(NamedTuple):
    """The causes of a report, and which of them each hazard has.

    Attributes
    ----------
    causes : list of Cause
        In the order of their first hazards; those that only the final read found come last.
    of_hazard : list of (int or None)
        For each listed hazard the index of its cause; None if it has no story.
    """

    causes: list[Cause]
    of_hazard: list[int | None]


def group(judgement: "Judgement") -> Grouped:
    """Group the hazards of a judgement, and what its final read found of loaded bytes, by cause."""
    found: dict[tuple[object, ...], Cause] = {}
    of_hazard: list[int | None] = []
    order: dict[tuple[object, ...], int] = {}
    for hazard in judgement.hazards:
        key = _key(hazard)
        of_hazard.append(None if key is None else order.setdefault(key, len(order)))
        if key is not None:
            entry = hazard.entry
            _add(found, key, hazard, entry.lines, entry.address, entry.size, final_read=False)
    for unread, told in judgement.unread_loaded:
        key = _key(told) if told is not None else None
        if key is not None and told is not None:
            key = (*key[:-1], FINAL_READ)
            _add(found, key, told, unread.lines, unread.address, unread.size, final_read=True)
    return Grouped(list(found.values()), of_hazard)


def causes_of(report: "Report") -> list[Cause]:
    """The causes of a report's hazards; none if it has no judgement."""
    return group(report.judgement).causes if report.judgement is not None else []


def _add(
    found: dict[tuple[object, ...], Cause],
    key: tuple[object, ...],
    hazard: ExplainedHazard,
    lines: int,
    address: int,
    size: int,
    *,
    final_read: bool,
) -> None:
    before = found.get(key)
    if before is None:
        found[key] = Cause(
            kind=hazard.entry.kind,
            first=hazard,
            final_read=final_read,
            count=lines,
            ranges=1,
            address=address,
            end=address + size,
        )
        return
    found[key] = Cause(
        kind=before.kind,
        first=before.first,
        final_read=final_read,
        count=before.count + lines,
        ranges=before.ranges + 1,
        address=min(before.address, address),
        end=max(before.end, address + size),
    )


def _key(hazard: ExplainedHazard) -> tuple[object, ...] | None:
    """What hazards of one cause have in common; None without a story."""
    decided, entry = hazard.decided, hazard.entry
    if decided is None:
        return None
    line_event = hazard.story[decided.event].line_event
    assert line_event is not None
    decider = line_event.code.virtual if line_event.code is not None else line_event.number
    if entry.event.op is Op.FETCH:
        reader: object = Op.FETCH
    else:
        reader = hazard.code.virtual if hazard.code is not None else entry.number
    who = (line_event.event.agent, line_event.code is not None, decider)
    return entry.kind, decided.role, decided.copy, who, entry.event.agent, reader


def decided_words(decided: "Deciding") -> str:
    """What a deciding step did, in words."""
    if decided.role is Role.CHANGED:
        return "changes the type without break-before-make"
    if decided.role is Role.GIVEN:
        return "gives the page with old bytes in it"
    if decided.role is Role.DISCARDED:
        return "discards the new bytes"
    copy = decided.copy or "a copy"
    if decided.role is Role.FILLED_OLD:
        return f"fills {copy} with old bytes"
    if decided.role is Role.WROTE_OLD:
        return f"writes old bytes over {copy}"
    return f"leaves {copy} old"


_OF_OPERATION: Final = {
    "discard": "discards",
    "clean": "cleans first",
    "nothing": "does not reach the line",
    "issued": "reaches the line",
    "held": "stays in the instruction cache",
    "update": "updates the copies in caches",
    "allocate": "goes into level 2",
    "cacheable": "is cacheable, where either is possible",
    "non-cacheable": "is not cacheable, where either is possible",
}
"""Words for the outcome of an event that could have had another; of a read, for what it did beside that."""


def outcome_words(step: "WitnessStep") -> str:
    """Which of several outcomes an event had, in words; empty if only one is possible."""
    if step.line_event is None or not step.outcome:
        return ""
    if step.line_event.event.op.traits.reads and step.outcome not in _OF_OPERATION:
        return f"returns {step.outcome}"
    if step.outcome == "clean" and step.line_event.event.op is Op.DC_CSW:
        return "cleans"
    return _OF_OPERATION.get(step.outcome, step.outcome)
