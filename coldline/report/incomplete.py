# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what was not complete when a hazard's read came, and which barrier there was none of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coldline.events import Op
from coldline.events.op import Kind
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.explain.witness import WitnessStep

_ALSO = {"dc csw": "dc cvac", "dc cisw": "dc civac", "dc isw": "dc ivac"}
"""What an operation by set/way that concerns the line is, while it is pending."""


def incomplete_words(story: "Sequence[WitnessStep]") -> list[str]:
    """What was pending at the last read of a story, a sentence for each core and kind of operation."""
    last = story[-1]
    said = []
    for core, words in last.pending:
        pending = words.split(", ")
        operations = list(dict.fromkeys(word for word in pending if word == "ic" or word.startswith("dc ")))
        if operations:
            issued = [_last(story, core, word) for word in operations]
            what = f"not complete: {_listed(operations)} by {core}"
            said.append(f"{what} (no DSB by {core} {_since(story, issued)})")
        if any(word.startswith("store ") for word in pending):
            stored = [_last(story, core, "store")]
            said.append(f"in flight: a store by {core} (no DSB by {core} {_since(story, stored)})")
        if last.outcome == "prefetched" and core == last.core:
            fetched = [_before_prefetch(story, core)]
            said.append(f"executed as prefetched by {core} (no ISB by {core} {_since(story, fetched)})")
    return [printable(each) for each in said]


def _last(story: "Sequence[WitnessStep]", core: str, word: str) -> "WitnessStep | None":
    """The last event of a core that issued an operation, as it is called while it is pending."""
    found = (step for step in reversed(story) if step.core == core and _issues(step) == word)
    return next(found, None)


def _issues(step: "WitnessStep") -> str:
    """What an event leaves pending, or nothing."""
    if step.line_event is None or step.outcome == "nothing":
        return ""
    op = step.line_event.event.op
    if op in (Op.WRITE, Op.DC_ZVA):
        return "store"
    if op.kind is not Kind.MAINTENANCE:
        return ""
    return "ic" if op in (Op.IC_IVAU, Op.IC_IALLU, Op.IC_IALLUIS) else _ALSO.get(op.words, op.words)


def _before_prefetch(story: "Sequence[WitnessStep]", core: str) -> "WitnessStep | None":
    """The last event before the core prefetched the instruction."""
    at = max((n for n, step in enumerate(story) if step.step == "prefetch" and step.core == core), default=0)
    return next((step for step in reversed(story[:at]) if step.line_event is not None), None)


def _since(story: "Sequence[WitnessStep]", steps: "Sequence[WitnessStep | None]") -> str:
    """Since when there was no barrier: after the first of some events.

    Where a story tells an event once for several times, others may have come between that are not told.
    """
    events = [step.line_event for step in steps if step is not None and step.line_event is not None]
    if len(events) < len(steps) or any(step.times > 1 for step in story):
        return "since"
    first = min(events, key=lambda line_event: line_event.number)
    return f"after line {first.where}" if first.where else f"after #{first.number:,}"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
