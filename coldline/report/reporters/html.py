# SPDX-License-Identifier: GPL-2.0-or-later
"""A page to look at: one HTML file with everything in it, which fetches nothing.

All text of a trace or of a guest is escaped by the template.
"""

from importlib import resources
from typing import TYPE_CHECKING, Any, TextIO

from coldline import __version__
from coldline.errors import MissingDependencyError
from coldline.report.alike import told_together
from coldline.report.alike_text import alike_words
from coldline.report.cause_words import KIND_SENTENCES, capital, cause_sentence, reader_words
from coldline.report.causes import group
from coldline.report.code_places import data_place
from coldline.report.consequence_words import (
    consequence_summary,
    divergence_words,
    ending_words,
    given_words,
)
from coldline.report.phrases import added_words, coverage_words, repaired_words, triage_words, verdict_words
from coldline.report.repair_words import repair_words
from coldline.report.reporters.base import Reporter, Settings
from coldline.report.stale_map import stale_map
from coldline.report.timeline import LANE_HEIGHT, timeline
from coldline.support.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coldline.consequence.result import Consequence
    from coldline.report.causes import Cause
    from coldline.report.model import Cell, Matrix, Report

_TEMPLATE = "report.html"


class HtmlReporter(Reporter):
    """Collects reports, and writes the page at the end.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    """

    def __init__(self, out: TextIO, settings: Settings) -> None:
        super().__init__(out, settings)
        try:
            import jinja2
        except ImportError as error:
            raise MissingDependencyError("--format html needs jinja2: install coldline[html]") from error
        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        environment.filters["printable"] = printable
        environment.filters["capitalize_first"] = capital
        text = resources.files("coldline.report").joinpath("templates", _TEMPLATE).read_text("utf-8")
        self._template = environment.from_string(text)
        self._reports: list[dict[str, Any]] = []
        self._matrices: list[dict[str, Any]] = []

    def report(self, report: "Report") -> None:
        """Add a report of a trace file or of a run."""
        self._reports.append(_values(report, len(self._reports) + 1))

    def matrix(self, matrix: "Matrix") -> None:
        """Add the verdicts on one guest on every host by every strategy."""
        self._matrices.append(
            {
                "image": printable(matrix.image),
                "core": printable(matrix.core),
                "strategies": matrix.strategies,
                "rows": [
                    (host, [_cell(row[name]) for name in matrix.strategies])
                    for host, row in matrix.cells.items()
                ],
            }
        )

    def finish(self) -> None:
        """Write the page."""
        page = self._template.render(
            reports=self._reports,
            matrices=self._matrices,
            version=__version__,
            lane_height=LANE_HEIGHT,
            kinds=KIND_SENTENCES,
        )
        self.out.write(page + "\n")


def _values(report: "Report", number: int) -> dict[str, Any]:
    """What the template needs of a report."""
    judgement = report.judgement
    head: dict[str, Any] = {
        "number": number,
        "subject": printable(report.subject),
        "triaged": report.triage is not None,
        "injected": bool(report.consequences),
    }
    if judgement is None:
        return {
            **head,
            "verdict": "error",
            "said": printable(report.error),
            "groups": [],
            "facts": [],
            "map": None,
            "more": "",
        }
    grouped = group(judgement)
    facts = [("judged", coverage_words(report).removeprefix("judged: "))]
    if report.guest is not None:
        strategy = f", built by '{report.guest.strategy}'" if report.guest.strategy else ""
        facts.insert(0, ("guest", f"{report.guest.core} on {report.guest.host}{strategy}"))
    if report.triage is not None:
        facts.append(("causes", triage_words(report.triage).removeprefix("causes: ")))
    facts += [("code", added_words(each)) for each in (report.run.added if report.run is not None else ())]
    if report.repaired is not None:
        operations = " ".join(f"--with '{each}'" for each in report.repaired.operations)
        facts.append(("repair", f"{operations}: {repaired_words(report.repaired)}"))
    facts += [("warning", warning) for warning in judgement.warnings]
    facts.append(("not covered", ", ".join(report.not_covered)))
    untold = judgement.found - sum(each.count for each in grouped.causes if not each.final_read)
    return {
        **head,
        "verdict": judgement.verdict.value,
        "said": verdict_words(judgement),
        "facts": [(name, printable(text)) for name, text in facts],
        "groups": _groups(report, grouped.causes),
        "map": stale_map(report.guest.plan, judgement) if report.guest is not None else None,
        "more": f"{untold:,} hazards more have no story, and so no known cause: --hazards N has more stories."
        if untold > 0
        else "",
    }


def _cell(cell: "Cell") -> dict[str, str]:
    """What the template needs of the verdict of one strategy on one host."""
    if cell.verdict is None:
        said = "refused" if cell.refusal else "not tried"
        return {"look": "soft", "said": said, "why": printable(cell.refusal)}
    kinds = ", ".join(cell.kinds)
    why = f"{kinds}, found by the final read" if cell.final_read_only else kinds
    return {"look": cell.verdict.value, "said": cell.verdict.value, "why": why}


def _groups(report: "Report", causes: "Sequence[Cause]") -> list[dict[str, Any]]:
    """What the template needs of the causes, those that are alike together."""
    shown = [_cause(report, index, cause) for index, cause in enumerate(causes)]
    return [
        {
            "first": shown[same.numbers[0]],
            "others": [shown[number] for number in same.numbers[1:]],
            "words": printable(alike_words(report, causes, same)) if len(same.numbers) > 1 else "",
        }
        for same in told_together(report, causes)
    ]


def _cause(report: "Report", index: int, cause: "Cause") -> dict[str, Any]:
    known = report.triage.causes[index] if report.triage is not None else None
    return {
        "number": index + 1,
        "kind": cause.kind,
        "sentence": printable(capital(cause_sentence(report, cause))),
        "count": cause.count,
        "range": f"{cause.address:#x} to {cause.end - 1:#x}",
        "data": printable(data_place(report, cause.first.entry.address)),
        "reader": printable(reader_words(report, cause)),
        "state": f"{known.state.value} {known.reason}".strip() if known is not None else "",
        "consequence": _consequence(report, report.consequences.get(index)),
        "timeline": timeline(report, cause.first),
        "repairs": [printable(line) for line in repair_words(report.repairs[index])]
        if index in report.repairs
        else [],
    }


def _consequence(report: "Report", consequence: "Consequence | None") -> dict[str, Any] | None:
    """What the template needs of a consequence."""
    if consequence is None:
        return None
    shown = not consequence.why_not and consequence.was is not None and consequence.now is not None
    found: dict[str, Any] = {"summary": printable(consequence_summary(consequence)), "shown": shown}
    if not shown or consequence.was is None or consequence.now is None:
        return found
    different = consequence.divergence
    return found | {
        "given": printable(given_words(report, consequence)),
        "difference": printable(divergence_words(report, different)) if different is not None else "",
        "compared": consequence.compared,
        "pages": consequence.pages,
        "runs": [
            (
                name,
                printable(ending_words(each._replace(console=""))),
                printable(each.console.replace("\r\n", "\n").rstrip("\n")),
            )
            for name, each in (("as it was", consequence.was), ("with old bytes", consequence.now))
        ],
    }
