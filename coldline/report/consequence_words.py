# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what a guest does that is given old bytes, beside what it did without them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from coldline.explain.event_code import Code
from coldline.report.code_places import source_place

if TYPE_CHECKING:
    from coldline.consequence.result import Consequence, Divergence, RunEnding
    from coldline.report.model import Report

_GOT: Final = {"read": "load", "fetch": "block of code"}
_LONGEST: Final = 160
"""The most characters of a console that are shown."""


def consequence_summary(consequence: "Consequence") -> str:
    """What was different, in a few words."""
    if consequence.why_not:
        return f"not given: {consequence.why_not}"
    if not consequence.given:
        return "nothing differs: no access got old bytes"
    if not consequence.shows:
        return "nothing differs"
    was, now = consequence.was, consequence.now
    found = []
    if was is not None and now is not None:
        if now.fault and now.fault != was.fault:
            found.append("it cannot go on")
        elif was.end != now.end:
            found.append("it does not end" if now.end == "instructions" else f"it ends by {now.end}")
        elif was.psci != now.psci:
            found.append("it ends with another result")
        if was.console != now.console:
            found.append("it prints something else")
    if consequence.divergence is not None:
        found.append("it executes other code")
    if consequence.pages:
        found.append("it leaves other bytes in memory")
    return ", ".join(found) or "it ends elsewhere"


def consequence_lines(report: "Report", consequence: "Consequence") -> Iterator[str]:
    """The consequence in lines."""
    if consequence.why_not:
        yield f"old bytes were not given: {consequence.why_not}"
        return
    yield f"given {given_words(report, consequence)}: {consequence_summary(consequence)}"
    if not consequence.given or consequence.was is None or consequence.now is None:
        return
    if consequence.divergence is not None:
        yield f"  {divergence_words(report, consequence.divergence)}"
    elif consequence.shows:
        yield f"  the same instructions were executed, in {consequence.compared:,} blocks of code"
    yield f"  as it was:      {ending_words(consequence.was)}"
    yield f"  with old bytes: {ending_words(consequence.now)}"
    if consequence.pages:
        noun = "page" if consequence.pages == 1 else "pages"
        yield f"  memory differs at the end in {consequence.pages:,} {noun}"


def given_words(report: "Report", consequence: "Consequence") -> str:
    """Which bytes were given, to how many accesses."""
    at = consequence.differs % len(consequence.old) if consequence.old else 0
    old, new = (data[at : at + 4].hex() for data in (consequence.old, consequence.new))
    of = f"the bytes of {consequence.copy}, as they were before event {consequence.before_event:,}"
    more = f" (one of {consequence.contents} contents that the line had)" if consequence.contents > 2 else ""
    what = f"{consequence.differs:#x} has {old} in place of {new}"
    if not consequence.given:
        return f"{of}{more}"
    if consequence.reader == "walk":
        return f"{of}{more}, to walks by {_place(report, consequence.instruction)}: {what}"
    noun = _GOT[consequence.reader]
    count = f"1 {noun}" if consequence.given == 1 else f"{consequence.given:,} {noun.replace(' of', 's of')}"
    count += "s" if consequence.given > 1 and noun == "load" else ""
    return f"{of}{more}, to {count}, first at {_place(report, consequence.instruction)}: {what}"


def divergence_words(report: "Report", divergence: "Divergence") -> str:
    """The first instruction that differs, in words."""
    was, now = (
        _place(report, pc) if pc is not None else "the end" for pc in (divergence.was, divergence.now)
    )
    if divergence.after is None:
        return f"the first difference: it goes to {now} in place of {was}"
    at = f"after the block of code at {_place(report, divergence.after)}"
    many = f", number {divergence.blocks:,} since the bad read," if divergence.blocks > 1 else ""
    return f"the first difference: {at}{many} it goes to {now} in place of {was}"


def ending_words(ending: "RunEnding") -> str:
    """How a run ended, in a line."""
    said = {"fault": ending.fault, "instructions": "it has not ended"}.get(ending.end, ending.end)
    if ending.psci is not None:
        said += f" with {ending.psci[1]:#x}"
    at = f" at {ending.pc:#x}" if ending.pc is not None and ending.end != "fault" else ""
    text = " ".join(ending.console.split())
    shown = f"…{text[-_LONGEST:]}" if len(text) > _LONGEST else text
    printed = f"; printed '{shown}'" if shown else ""
    return f"{said}{at} after {ending.instructions:,} instructions{printed}"


def consequence_document(consequence: "Consequence") -> dict[str, Any]:
    """The object of a consequence."""
    if consequence.why_not:
        return {"summary": consequence_summary(consequence), "why_not": consequence.why_not}
    divergence = consequence.divergence
    return {
        "summary": consequence_summary(consequence),
        "differs": consequence.shows,
        "copy": consequence.copy,
        "reader": consequence.reader,
        "address": consequence.address,
        "size": consequence.size,
        "first_changed": consequence.differs,
        "old": consequence.old.hex(),
        "new": consequence.new.hex(),
        "before_event": consequence.before_event,
        "contents": consequence.contents,
        "given": consequence.given,
        "pc": consequence.instruction,
        **({"divergence": divergence._asdict()} if divergence is not None else {}),
        "compared": consequence.compared,
        "pages": consequence.pages,
        "was": _ending(consequence.was),
        "now": _ending(consequence.now),
    }


def _ending(ending: "RunEnding | None") -> dict[str, Any]:
    if ending is None:
        return {}
    return {**ending._asdict(), "psci": list(ending.psci) if ending.psci is not None else None}


def _place(report: "Report", pc: int) -> str:
    """An instruction's address, and its function and source line where they are known."""
    found = source_place(report, Code(pc, pc))
    return f"{pc:#x} {found}" if found is not None else f"{pc:#x}"
