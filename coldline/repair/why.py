# SPDX-License-Identifier: GPL-2.0-or-later
"""Says why an operation at a place does not make a read right: by the story of the read with the operation put in."""

from typing import TYPE_CHECKING

from coldline.checker.state.findings import HazardEntry, kind_of
from coldline.explain.deciding import Role, deciding
from coldline.explain.line_history import LineEvent
from coldline.explain.witness import WitnessStep, shortest
from coldline.repair.projection import Projection, inserted
from coldline.repair.result import Operation

if TYPE_CHECKING:
    from coldline.explain.deciding import Deciding
    from coldline.repair.search import BadByte

_FILLS = {
    "fill 1": "level 1 is filled again",
    "fill 2": "level 2 is filled again",
    "fill I": "the instruction cache is filled again",
    "prefetch": "an instruction is prefetched again",
}


def why_wrong(
    projection: Projection, entry: HazardEntry, index: int, operation: Operation, wrong: "BadByte"
) -> str:
    """Why the read of `entry` is still wrong if an operation is put in before event `index` of the line."""
    last = _with(projection, index, operation)
    address = projection.line + wrong.offset
    kind = kind_of(wrong.hazard, entry.event.op)
    changed = entry._replace(kind=kind, address=address, size=1, lines=1)
    story = shortest(last, changed, projection.line, projection.ways, 0)
    decided = deciding(story, changed, projection.ways.profile)
    at = next((n for n, step in enumerate(story) if _is_put_in(step)), None)
    if decided is None or at is None:
        return "nothing that it does matters here"
    if decided.step == at or (story[decided.step].line_event is None and decided.event == at):
        return (
            "it discards the new bytes"
            if decided.role is Role.DISCARDED
            else "it writes old bytes over new ones"
        )
    waiting = [step.core for step in story[at:] if step.operation == operation.op.words]
    if not waiting and _pending(story[-1], operation):
        return "it is not complete at the read"
    return _later(story, at, decided)


def _with(projection: Projection, index: int, operation: Operation) -> LineEvent:
    """The line's last event, in a history with the operation."""
    events = [
        *projection.events[:index],
        inserted(operation, projection, index - 1),
        *projection.events[index:],
    ]
    before: LineEvent | None = None
    for each in events:
        reach = (each.letter, each.start, each.end, each.setting, each.granule)
        copy = LineEvent(each.event, each.number, each.where, *reach)
        copy.before = before
        before = copy
    assert before is not None
    return before


def _is_put_in(step: WitnessStep) -> bool:
    return step.line_event is not None and step.line_event.number < 0


def _pending(step: WitnessStep, operation: Operation) -> bool:
    word = "ic" if operation.op.words.startswith("ic") else operation.op.words
    return any(word in words.split(", ") for _, words in step.pending)


def _later(story: list[WitnessStep], at: int, decided: "Deciding") -> str:
    """What happens after the operation, or what it does not change."""
    event = story[decided.event].line_event
    assert event is not None
    said = f"{event.event} {_DONE[decided.role].format(copy=decided.copy or 'a copy')}"
    refill = next((step for step in reversed(story[at:]) if step.step in _FILLS), None)
    if decided.event > at:
        undone = f"{_FILLS[refill.step or '']}, and " if refill is not None else ""
        return f"{undone}afterwards {said}"
    if refill is not None and decided.role is Role.FILLED_OLD:
        return f"{_FILLS[refill.step or '']} after it"
    return f"it does not change that {said}"


_DONE = {
    Role.LEFT_OLD: "leaves {copy} old",
    Role.FILLED_OLD: "has not reached memory when {copy} is filled",
    Role.WROTE_OLD: "is followed by old bytes, which are written over {copy}",
    Role.DISCARDED: "discards the new bytes",
    Role.GIVEN: "gives the page with old bytes in it",
}
