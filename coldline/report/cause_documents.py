# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON objects of causes, of their repairs, and of the steps of a story."""

from functools import cache
from typing import TYPE_CHECKING, Any

from coldline.report.alike import alike
from coldline.report.causes import FINAL_READ
from coldline.report.code_places import source_place
from coldline.report.consequence_words import consequence_document
from coldline.report.identity import identity_of
from coldline.report.leaked_words import leaked_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coldline.explain.event_code import Code
    from coldline.explain.explained import ExplainedHazard
    from coldline.explain.line_history import LineEvent
    from coldline.explain.witness import WitnessStep
    from coldline.repair.result import Place, Repairs
    from coldline.report.causes import Cause
    from coldline.report.model import Report
    from coldline.report.triaged import Sorted

_said = cache(str)
"""Turns a microstate into words, and remembers the words."""


def cause_documents(report: "Report", causes: "Sequence[Cause]") -> list[dict[str, Any]]:
    """The objects of a report's causes; each that is like an earlier one has that one's index."""
    assert report.judgement is not None
    documents = [_cause(report, number, cause) for number, cause in enumerate(causes)]
    for same in alike(causes, report.judgement.profile):
        for number in same.numbers[1:]:
            documents[number]["like"] = same.numbers[0]
    return documents


def _cause(report: "Report", number: int, cause: "Cause") -> dict[str, Any]:
    line_event = cause.event
    reader = cause.first
    return {
        "kind": cause.kind,
        "role": cause.decided.role.value,
        "words": cause.words,
        "copy": cause.decided.copy,
        "deciding": {"event": str(line_event.event), **_place(report, line_event)},
        "reader": FINAL_READ if cause.final_read else reader.entry.event.agent,
        **({"reader_pc": reader.code.virtual} if reader.code is not None and not cause.final_read else {}),
        **({"reader_line": reader.entry.where} if reader.entry.where else {}),
        "hazards": cause.count,
        "address": cause.address,
        "size": cause.end - cause.address,
        **leaked_document(reader),
        "identity": identity_of(report, cause)._asdict(),
        **(_state(report.triage.causes[number]) if report.triage is not None else {}),
        **(
            {"consequence": consequence_document(report.consequences[number])}
            if number in report.consequences
            else {}
        ),
        **({"repairs": _repairs(report.repairs[number])} if number in report.repairs else {}),
    }


def _state(known: "Sorted") -> dict[str, str]:
    """What is known of a cause."""
    return {"state": known.state.value, **({"reason": known.reason} if known.reason else {})}


def _repairs(repairs: "Repairs") -> dict[str, Any]:
    return {
        "found": [
            {
                "operations": [str(event) for event in repair.events],
                "earliest": [place_document(place) for place in repair.earliest],
                "latest": [place_document(place) for place in repair.latest],
                "cache_lines": repair.lines,
                **(
                    {"with": list(repair.put_in.operations), "right": repair.put_in.right}
                    if repair.put_in is not None
                    else {}
                ),
            }
            for repair in repairs.found
        ],
        "failed": [
            {"operation": str(each.event), **place_document(each.place), "why": each.why}
            for each in repairs.failed
        ],
        "remark": repairs.remark,
    }


def place_document(place: "Place") -> dict[str, int]:
    """The event that an operation comes before: its line in a file, or its number."""
    return {"before_line": place.where} if place.where else {"before_number": place.number}


def source_document(report: "Report", code: "Code") -> dict[str, Any]:
    """The function and the source line of an instruction, where they are known."""
    found = source_place(report, code)
    if found is None:
        return {}
    inlined = {"inlined": list(found.inlined)} if found.inlined else {}
    return {
        "function": found.function,
        **inlined,
        **({"source": f"{found.path}:{found.line}"} if found.path else {}),
    }


def _place(report: "Report", line_event: "LineEvent") -> dict[str, Any]:
    """Where an event is: its line in a file or its number, and its instruction."""
    code: dict[str, Any] = {}
    if line_event.code is not None:
        code = {"pc": line_event.code.virtual, **source_document(report, line_event.code)}
    return {**({"line": line_event.where} if line_event.where else {"number": line_event.number}), **code}


def witness(report: "Report", hazard: "ExplainedHazard") -> list[dict[str, Any]]:
    """The steps of a hazard's story, with a mark at the one that decides it."""
    steps = [_step(report, step) for step in hazard.story]
    if hazard.decided is not None:
        steps[hazard.decided.step]["decides"] = hazard.decided.role.value
    return steps


def _step(report: "Report", step: "WitnessStep") -> dict[str, Any]:
    pending = {"pending": dict(step.pending)} if step.pending else {}
    outcome = {"outcome": step.outcome} if step.outcome else {}
    if step.line_event is None:
        operation = {"core": step.core, "operation": step.operation}
        of_core = {name: word for name, word in operation.items() if word} if step.core else {}
        return {"step": step.step, **of_core, **outcome, "state": _said(step.state), **pending}
    times = {"times": step.times} if step.times > 1 else {}
    event = {"event": str(step.line_event.event), **_place(report, step.line_event)}
    return {**event, **times, **outcome, "state": _said(step.state), **pending}
