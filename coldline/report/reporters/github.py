# SPDX-License-Identifier: GPL-2.0-or-later
"""Annotations of GitHub's workflows: an error for each cause, and a notice for each verdict.

The form is that of GitHub's 'Workflow commands': ``::error file=…,line=…,title=…::message``.
"""

from typing import TYPE_CHECKING

from coldline.report.alike import told_together
from coldline.report.alike_text import alike_words
from coldline.report.cause_words import cause_sentence, reader_place
from coldline.report.causes import causes_of
from coldline.report.phrases import coverage_words, triage_words, verdict_words
from coldline.report.reporters.base import Reporter
from coldline.support.printable import printable
from coldline.verdict import Verdict

if TYPE_CHECKING:
    from coldline.report.model import Report


class GithubReporter(Reporter):
    """Writes annotations."""

    def report(self, report: "Report") -> None:
        """Write a report of a trace file or of a run."""
        judgement = report.judgement
        if judgement is None:
            self._say("error", report.error, report.subject, title="not judged")
            return
        for warning in judgement.warnings:
            self._say("warning", warning, report.subject)
        causes = causes_of(report)
        for same in told_together(report, causes):
            number, cause = same.numbers[0], causes[same.numbers[0]]
            known = report.triage.causes[number] if report.triage is not None else None
            place = reader_place(report, cause)
            state = f" ({known.state.value})" if known is not None else ""
            level = "error" if known is None or known.fails else "notice"
            reason = f" [{known.reason}]" if known is not None and known.reason else ""
            more = f"; {alike_words(report, causes, same)}" if len(same.numbers) > 1 else ""
            message = f"{cause_sentence(report, cause)}{more}{reason}"
            self._say(level, message, place.path, place.line, title=f"{cause.kind}{state}")
        counts = f"; {triage_words(report.triage)}" if report.triage is not None else ""
        level = "warning" if report.verdict is Verdict.INCONCLUSIVE else "notice"
        message = f"{report.subject}: {verdict_words(judgement)}{counts}; {coverage_words(report)}"
        self._say(level, message, title="coldline")

    def _say(self, level: str, message: str, path: str = "", line: int = 0, title: str = "") -> None:
        named = {"file": path, "line": str(line) if line else "", "title": title}
        words = ",".join(f"{name}={_property(value)}" for name, value in named.items() if value)
        print(f"::{level}{f' {words}' if words else ''}::{_data(message)}", file=self.out)


def _data(text: str) -> str:
    """A message, with what ends a line or begins an escape as GitHub's escapes."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
