# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON: one object on each line. The schemas are in ``coldline/report/schema``."""

import json
from typing import TYPE_CHECKING, Any, Final

from coldline.report.cause_documents import cause_documents, source_document, witness
from coldline.report.causes import group
from coldline.report.code_places import data_place
from coldline.report.phrases import listed
from coldline.report.reporters.base import Reporter
from coldline.rules.order.ordering import COLD_START

if TYPE_CHECKING:
    from coldline.checker.final_read import Swept
    from coldline.corpus import Bug, Case, CaseResult
    from coldline.explain.explained import ExplainedHazard, Unread
    from coldline.report.added import AddedOperations, Repaired
    from coldline.report.model import (
        Cell,
        Corpus,
        Guest,
        MachineRun,
        Matrix,
        Report,
        Run,
    )
    from coldline.verdict import Judgement

REPORT_SCHEMA: Final = "coldline.report/1"
MATRIX_SCHEMA: Final = "coldline.matrix/1"
CORPUS_SCHEMA: Final = "coldline.corpus/1"
"""Schemas and their versions. Keys may be added to a version; a key's removal or new meaning makes a new version."""


class JsonReporter(Reporter):
    """Writes each report as an object on a line of its own."""

    def report(self, report: "Report") -> None:
        """Write a report of a trace file or of a run."""
        self._write(report_document(report, self.settings.hazards))

    def matrix(self, matrix: "Matrix") -> None:
        """Write the verdicts on one guest on every host by every strategy."""
        cells = {
            host: {strategy: _cell(cell) for strategy, cell in row.items()}
            for host, row in matrix.cells.items()
        }
        self._write({"schema": MATRIX_SCHEMA, "image": matrix.image, "core": matrix.core, "verdicts": cells})

    def corpus(self, corpus: "Corpus") -> None:
        """Write the results for the traces of bugs."""
        bugs = [
            {**bug_document(bug), "traces": [_case(case, corpus.results[case]) for case in bug.cases]}
            for bug in corpus.bugs
        ]
        self._write({"schema": CORPUS_SCHEMA, "as_told": corpus.as_told, "bugs": bugs})

    def _write(self, document: dict[str, Any]) -> None:
        self.out.write(json.dumps(document) + "\n")


def report_document(report: "Report", most: int | None = None) -> dict[str, Any]:
    """The object of a report, with its first `most` hazards."""
    document: dict[str, Any] = {"schema": REPORT_SCHEMA}
    judgement = report.judgement
    if report.guest is None and report.machine is None:
        document["file"] = report.subject
    if judgement is None:
        return document | {"error": report.error}
    shown = judgement.hazards[:most]
    grouped = group(judgement)
    if report.machine is not None:
        document |= {
            "verdict": judgement.verdict.value,
            "hazards": [
                _hazard_of_run(report, hazard, cause)
                for hazard, cause in zip(shown, grouped.of_hazard, strict=False)
            ],
            "hazards_found": judgement.found,
            "hazard_events": judgement.hazard_events,
            "events": judgement.events,
            "hazards_by_agent": judgement.kinds_of,
            "machine": _machine(report.subject, report.machine),
        }
    elif report.guest is None or report.run is None:
        document |= {
            "verdict": judgement.verdict.value,
            "hazards": [
                {"line": hazard.entry.where, **_hazard(report, hazard, cause)}
                for hazard, cause in zip(shown, grouped.of_hazard, strict=False)
            ],
            **({"hazards_found": judgement.found} if judgement.found > listed(shown) else {}),
        }
    else:
        document |= {
            "verdict": judgement.verdict.value,
            "hazards": [
                _hazard_of_run(report, hazard, cause)
                for hazard, cause in zip(shown, grouped.of_hazard, strict=False)
            ],
            "hazards_found": judgement.found,
            **_boot(report, judgement, report.guest, report.run, most),
        }
    return document | {
        "hazards_by_kind": dict(judgement.kinds),
        "causes": cause_documents(report, grouped.causes),
        "inconclusive_because": list(judgement.gaps),
        "warnings": list(judgement.warnings),
        "coverage": _coverage(report),
        "not_covered": list(report.not_covered),
    }


def _coverage(report: "Report") -> dict[str, Any]:
    assert report.judgement is not None
    coverage = report.judgement.coverage
    document: dict[str, Any] = {
        "cacheable_reads": coverage.cacheable_reads,
        "other_reads": coverage.other_reads,
        "cacheable_fetches": coverage.cacheable_fetches,
        "other_fetches": coverage.other_fetches,
    }
    if report.judgement.profile.start != COLD_START:
        document["start"] = report.judgement.profile.start
    if report.run is not None:
        document |= {
            "mmu_on": report.run.mmu_on,
            "caches_on": report.run.caches_on,
            "not_followed": report.run.page_crossings,
            "turns": list(report.run.turns),
            "devices": list(report.run.devices),
        }
    return document


def _boot(
    report: "Report", judgement: "Judgement", guest: "Guest", run: "Run", most: int | None
) -> dict[str, Any]:
    from coldline.report.memory_map import image_document

    plan = guest.plan
    return {
        "hazard_events": judgement.hazard_events,
        "sweep": [_swept(each) for each in judgement.final_read],
        "unread": [_unread(report, each) for each in judgement.unread[:most]],
        "unread_found": len(judgement.unread),
        **image_document(guest.kernel),
        "host": guest.host,
        "host_by_default": bool(guest.host_default),
        "strategy": guest.strategy,
        "core": guest.core,
        "exception_level": plan.exception_level,
        "entry": plan.registers.pc,
        "banks": [{"address": bank.base, "size": bank.size} for bank in plan.banks],
        "segments": [
            {"name": each.name, "address": each.address, "size": each.size, "loaded": len(each.data)}
            for each in plan.segments
        ],
        "end": run.end,
        "pc": run.pc,
        "fault": run.fault,
        "poll": run.poll,
        "psci": list(run.psci) if run.psci is not None else None,
        "instructions": run.instructions,
        "accesses": run.accesses,
        "events": judgement.events,
        "page_crossings": run.page_crossings,
        "console": run.console,
        **({"repaired": _repaired(report.repaired)} if report.repaired is not None else {}),
        **({"added": [_added(each) for each in run.added]} if run.added else {}),
        "seconds": round(run.seconds, 3),
    }


def _added(added: "AddedOperations") -> dict[str, Any]:
    return {
        "with": added.text,
        "operations": list(added.operations),
        "pcs": list(added.pcs),
        "count": added.count,
        "core": added.core,
        "reached": added.reached,
        "added": added.was_added,
    }


def _repaired(repaired: "Repaired") -> dict[str, Any]:
    return {
        "with": list(repaired.operations),
        "verdict": repaired.verdict.value,
        "kinds": list(repaired.kinds),
    }


def _machine(command: str, machine: "MachineRun") -> dict[str, Any]:
    return {
        "command": command,
        "emulator": machine.release,
        "status": machine.status,
        "instructions": machine.instructions,
        "accesses": machine.accesses,
        "maintenance": machine.maintained,
        "waits": machine.waits,
        "start": machine.start,
        "guests": list(machine.guests),
        "spool": None
        if machine.spool is None
        else {"folder": machine.spool.folder, "bytes": machine.spool.size},
        "seconds": round(machine.seconds, 3),
    }


def _hazard_of_run(report: "Report", hazard: "ExplainedHazard", cause: int | None) -> dict[str, Any]:
    """A hazard of a run: its event's number in place of a line, and the program counter."""
    pc = hazard.code.virtual if hazard.code is not None else None
    named = source_document(report, hazard.code) if hazard.code is not None else {}
    place = data_place(report, hazard.entry.address)
    named |= {"data": place} if place else {}
    return {"event": hazard.entry.number, **_hazard(report, hazard, cause), "pc": pc, **named}


def _hazard(report: "Report", hazard: "ExplainedHazard", cause: int | None) -> dict[str, Any]:
    entry = hazard.entry
    return {
        "kind": entry.kind,
        "agent": entry.event.agent,
        "address": entry.address,
        "size": entry.size,
        "lines": entry.lines,
        **({"cause": cause} if cause is not None else {}),
        "witness": witness(report, hazard),
    }


def _swept(swept: "Swept") -> dict[str, Any]:
    return {
        "name": swept.region.name,
        "address": swept.region.address,
        "size": swept.region.size,
        "lines": swept.lines,
        "stale": swept.stale,
        "kinds": list(swept.kinds),
        "first": swept.first,
    }


def _unread(report: "Report", unread: "Unread") -> dict[str, Any]:
    found, hazard = unread
    return {
        "segment": found.region.name,
        "content": found.content.value,
        "kinds": list(found.kinds),
        "address": found.address,
        "size": found.size,
        "lines": found.lines,
        "witness": witness(report, hazard) if hazard is not None else [],
    }


def _cell(cell: "Cell") -> dict[str, Any]:
    if cell.verdict is None and not cell.refusal:
        return {"verdict": "not-tried"}
    if cell.verdict is None:
        return {"verdict": "refused", "reason": cell.refusal}
    return {
        "verdict": cell.verdict.value,
        "kinds": list(cell.kinds),
        "final_read_only": cell.final_read_only,
    }


def bug_document(bug: "Bug") -> dict[str, Any]:
    """The object of a bug."""
    keys = ("name", "title", "project", "fix", "source", "story")
    return {key: getattr(bug, key) for key in keys}


def _case(case: "Case", found: "CaseResult") -> dict[str, Any]:
    return {
        "trace": case.name,
        "stage": case.stage,
        "variant": case.variant,
        "case": case.text,
        "story": sorted(case.verdict),
        "expected": sorted(case.by_the_rules),
        "found": sorted(found.found),
        "early": found.early,
        "as_told": found.agrees(case),
        "beyond": case.beyond,
    }
