# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports as plain objects for `json`. ``docs/trace-format.md`` and ``docs/boot.md`` say what each key means."""

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from coldline.checker.final_read import Swept
from coldline.verdict import Hazard, Judgement

if TYPE_CHECKING:
    from coldline.explain.witness import WitnessStep


def trace_document(path: str, found: Judgement) -> dict[str, Any]:
    """The object of a trace file."""
    return {
        "file": path,
        "verdict": found.verdict.value,
        "hazards": [{"line": hazard.entry.where, **_hazard(hazard)} for hazard in found.hazards],
        **({"hazards_found": found.found} if found.found > len(found.hazards) else {}),
    }


def boot_hazard(hazard: Hazard) -> dict[str, Any]:
    """A hazard of a run: its event's number in place of a line, and the program counter."""
    pc = hazard.code.virtual if hazard.code is not None else None
    return {"event": hazard.entry.number, **_hazard(hazard), "pc": pc}


def swept_document(swept: list[Swept]) -> list[dict[str, Any]]:
    """The objects of a sweep, one a segment."""
    return [{**asdict(each), "kinds": list(each.kinds)} for each in swept]


def _hazard(hazard: Hazard) -> dict[str, Any]:
    entry = hazard.entry
    return {
        "kind": entry.kind,
        "agent": entry.event.agent,
        "address": entry.address,
        "size": entry.size,
        "witness": [_step(step) for step in hazard.story],
    }


def _step(step: "WitnessStep") -> dict[str, Any]:
    if step.line_event is None:
        return {"step": step.step, "state": _said(step.state)}
    line_event = step.line_event
    where = {"line": line_event.where} if line_event.where else {"number": line_event.number}
    times = {"times": step.times} if step.times > 1 else {}
    return {"event": str(line_event.event), **where, **times, "state": _said(step.state)}


_said = cache(str)
"""A microstate in words."""
