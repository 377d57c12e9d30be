# SPDX-License-Identifier: GPL-2.0-or-later
"""SARIF 2.1.0, for programs that show the results of many tools: one log with one run, for all traces of a command.

GitHub takes at most 20 runs of a file, and only one of each tool and category. Each cause is a result. Its story is a
code flow, with a thread flow for each agent and one for the caches; the execution orders say how they interleave.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import quote

from coldline import __version__
from coldline.report.cause_words import (
    KIND_SENTENCES,
    FilePlace,
    capital,
    cause_sentence,
    decider_place,
    decider_words,
    event_place,
    reader_place,
    reader_words,
)
from coldline.report.causes import causes_of, decided_words, outcome_words
from coldline.report.identity import identity_of, subject_of
from coldline.report.phrases import verdict_words
from coldline.report.reporters.base import Reporter, Settings
from coldline.report.step_words import CACHES, copies_words, step_words
from coldline.report.triaged import CauseState

if TYPE_CHECKING:
    from coldline.explain.line_history import LineEvent
    from coldline.explain.witness import WitnessStep
    from coldline.report.causes import Cause
    from coldline.report.model import Report
    from coldline.report.triaged import Sorted

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_OF_TRACES: Final = "check"
"""The category of the results of traces; those of a guest have its image's name."""


class SarifReporter(Reporter):
    """Collects the results of each report, and writes the log at the end."""

    def __init__(self, out: TextIO, settings: Settings) -> None:
        super().__init__(out, settings)
        self._results: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []
        self._judged = True
        self._category = _OF_TRACES

    def report(self, report: "Report") -> None:
        """Add a report of a trace file or of a run."""
        judgement = report.judgement
        if report.guest is not None or report.machine is not None:
            self._category = subject_of(report)
        self._judged &= judgement is not None
        if judgement is None:
            self._notes.append(_note(report, "error", report.error))
        else:
            self._notes += [_note(report, "warning", text) for text in judgement.warnings]
            self._notes.append(_note(report, "note", verdict_words(judgement)))
        self._results += [_result(report, number, cause) for number, cause in enumerate(causes_of(report))]

    def finish(self) -> None:
        """Write the log."""
        log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [self._run()]}
        self.out.write(json.dumps(log, indent=1) + "\n")

    def _run(self) -> dict[str, Any]:
        """The run: the tool, its results, and whether it could judge all files."""
        rules = [{"id": kind, "shortDescription": {"text": text}} for kind, text in KIND_SENTENCES.items()]
        driver = {"name": "coldline", "version": __version__, "semanticVersion": __version__, "rules": rules}
        invocation = {"executionSuccessful": self._judged, "toolExecutionNotifications": self._notes}
        return {
            "tool": {"driver": driver},
            "automationDetails": {"id": f"coldline/{self._category}/"},  # a category, and no name of the run
            "columnKind": "unicodeCodePoints",
            "invocations": [invocation],
            "results": self._results,
        }


def _note(report: "Report", level: str, text: str) -> dict[str, Any]:
    said = f"{report.subject}: {text or 'no reason is known'}"
    place = {"physicalLocation": {"artifactLocation": {"uri": uri_of(report.subject)}}}
    return {"level": level, "message": {"text": said}, "locations": [place]}


def _result(report: "Report", number: int, cause: "Cause") -> dict[str, Any]:
    known = report.triage.causes[number] if report.triage is not None else None
    fingerprint = hashlib.sha256("\0".join(identity_of(report, cause)).encode()).hexdigest()
    return {
        "ruleId": cause.kind,
        "ruleIndex": list(KIND_SENTENCES).index(cause.kind),
        "kind": "fail",
        "level": "error" if known is None or known.fails else "note",
        "message": {"text": f"{capital(cause_sentence(report, cause))}."},
        "locations": [_location(reader_place(report, cause), reader_words(report, cause), _reader_pc(cause))],
        "relatedLocations": [
            {
                "id": 0,
                **_event_location(report, cause.event),
                "message": {"text": capital(decider_words(report, cause))},
            }
        ],
        "partialFingerprints": {"coldlineCause/v1": fingerprint},
        "occurrenceCount": cause.count,
        "codeFlows": [_code_flow(report, cause)],
        **(_triaged(known) if known is not None else {}),
        "properties": {"address": f"{cause.address:#x}", "size": cause.end - cause.address},
    }


def _triaged(known: "Sorted") -> dict[str, Any]:
    found: dict[str, Any] = {"baselineState": "unchanged" if known.state is CauseState.KNOWN else "new"}
    if known.state is CauseState.SUPPRESSED:
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": known.reason}]
    return found


def _reader_pc(cause: "Cause") -> int | None:
    code = cause.first.code
    return code.virtual if code is not None and not cause.final_read else None


def _location(place: FilePlace, words: str, pc: int | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri_of(place.path)}}
    if place.line:
        physical["region"] = {"startLine": place.line}
    if pc is not None:
        physical["address"] = {"absoluteAddress": pc, "kind": "instruction"}
    return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": words}]}


def _event_location(report: "Report", line_event: "LineEvent") -> dict[str, Any]:
    pc = line_event.code.virtual if line_event.code is not None else None
    return _location(decider_place(report, line_event), event_place(report, line_event), pc)


def uri_of(path: str) -> str:
    """A file's name as a reference that a URI may be: relative to where the command ran, unless it is absolute."""
    quoted = quote(path.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if path.startswith("/") else quoted


def _code_flow(report: "Report", cause: "Cause") -> dict[str, Any]:
    """The story, by agents."""
    flows: dict[str, list[dict[str, Any]]] = {}
    story = cause.first.story
    for index, step in enumerate(story):
        of_agent = step.line_event is not None
        agent = step.line_event.event.agent if step.line_event is not None else step.core or CACHES
        location = _event_location(report, step.line_event) if step.line_event is not None else {}
        decides = index == cause.decided.step
        essential = decides or index == len(story) - 1
        flows.setdefault(agent, []).append(
            {
                "location": {**location, "message": {"text": _said(cause, step, decides=decides)}},
                "kinds": ["agent" if of_agent else "cache", *(["decides"] if decides else [])],
                "state": {name: {"text": text} for name, text in copies_words(step.state).items()},
                "executionOrder": index + 1,
                "importance": "essential" if essential else "important",
            }
        )
    return {"threadFlows": [{"id": agent, "locations": steps} for agent, steps in flows.items()]}


def _said(cause: "Cause", step: "WitnessStep", *, decides: bool) -> str:
    outcome = outcome_words(step)
    times = f" ({step.times:,} times)" if step.times > 1 else ""
    what = f"{step.line_event.event}{times}" if step.line_event is not None else step_words(step)
    marks = [outcome] if outcome else []
    marks += [decided_words(cause.decided)] if decides else []
    return f"{what}: {', '.join(marks)}" if marks else what
