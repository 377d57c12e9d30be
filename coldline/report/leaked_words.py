# SPDX-License-Identifier: GPL-2.0-or-later
"""Says whose bytes a leak shows, and since when they are not the reader's to see."""

from typing import TYPE_CHECKING, Any

from coldline.explain.leaked import leaked

if TYPE_CHECKING:
    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.leaked import Leaked
    from coldline.explain.line_history import LineEvent


def leaked_by(hazard: "ExplainedHazard") -> "Leaked | None":
    """The origin of a hazard that is a leak and has a story; None for others."""
    return leaked(hazard.story, hazard.entry.address) if hazard.entry.kind == "leak" else None


def leaked_words(hazard: "ExplainedHazard") -> str:
    """The origin of a leak in a clause; empty for what is none."""
    found = leaked_by(hazard)
    if found is None:
        return ""
    said = f"from before {_place(found.gift)}, which gave the page to {_names(found.gift.event.agent.split(' '))}"
    if found.owners:
        said += f"; until then it was of {_names(list(found.owners))}"
    if found.written is None:
        return f"{said}; nobody had written it"
    return f"{said}; {found.written.event.agent} wrote it last, {_place(found.written)}"


def leaked_document(hazard: "ExplainedHazard") -> dict[str, Any]:
    """The origin of a leak as JSON: an object with the key ``leaked``; empty for what is none."""
    found = leaked_by(hazard)
    if found is None:
        return {}
    written = None if found.written is None else {**_where(found.written), "agent": found.written.event.agent}
    return {"leaked": {"gift": _where(found.gift), "owners": list(found.owners), "written": written}}


def _where(line_event: "LineEvent") -> dict[str, Any]:
    place = {"line": line_event.where} if line_event.where else {"number": line_event.number}
    return {"event": str(line_event.event), **place}


def _place(line_event: "LineEvent") -> str:
    return f"line {line_event.where}" if line_event.where else f"event {line_event.number:,}"


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
