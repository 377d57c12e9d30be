# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit's XML, for CI systems that show tests: a suite for each trace or guest, and a test for each cause.

A report without a hazard has one test, which passes if the verdict is *coherent*, and is skipped if it is
*inconclusive*. The form is that of the schema of Jenkins (xunit-plugin junit-10.xsd). Of a test that failed or was
skipped, GitLab shows the element's text, and not its attributes. So the text has all of it.
"""

from collections import Counter
from typing import TYPE_CHECKING, TextIO
from xml.sax.saxutils import escape, quoteattr

from coldline.report.cause_words import cause_sentence, reader_words
from coldline.report.causes import causes_of
from coldline.report.identity import identity_of
from coldline.report.phrases import coverage_words, verdict_words
from coldline.report.reporters.base import Reporter, Settings
from coldline.support.printable import printable
from coldline.verdict import Verdict

if TYPE_CHECKING:
    from coldline.report.causes import Cause
    from coldline.report.model import Report


class JunitReporter(Reporter):
    """Collects a suite for each report, and writes them at the end."""

    def __init__(self, out: TextIO, settings: Settings) -> None:
        super().__init__(out, settings)
        self._suites: list[_Suite] = []

    def report(self, report: "Report") -> None:
        """Add a report of a trace file or of a run."""
        suite = _Suite(report)
        suite.add_tests()
        self._suites.append(suite)

    def finish(self) -> None:
        """Write the document."""
        counts = {
            name: sum(suite.counts[name] for suite in self._suites)
            for name in ("tests", "failures", "errors")
        }
        lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="coldline"{_attributes(counts)}>',
            *(line for suite in self._suites for line in suite.lines()),
            "</testsuites>",
        ]
        self.out.write("\n".join(lines) + "\n")


class _Suite:
    """The suite of one report."""

    def __init__(self, report: "Report") -> None:
        self.report = report
        self.counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        self._tests: list[str] = []
        self._names: Counter[str] = Counter()

    def add_tests(self) -> None:
        """Add the tests of the report."""
        report = self.report
        judgement = report.judgement
        if judgement is None:
            self._add("is judged", "errors", "error", "not judged", report.error, kind="error")
            return
        causes = causes_of(report)
        for number, cause in enumerate(causes):
            self._cause(number, cause)
        untold = report.triage.untold if report.triage is not None else 0
        verdict = verdict_words(judgement)
        if report.verdict is Verdict.HAZARD and (not causes or untold):
            self._add("hazards without a story", "failures", "failure", "hazard", verdict, kind="hazard")
        elif report.verdict is Verdict.INCONCLUSIVE:
            self._add("verdict", "skipped", "skipped", verdict, verdict)
        elif report.verdict is Verdict.COHERENT:
            self._add("verdict", "", "", "", "")

    def _cause(self, number: int, cause: "Cause") -> None:
        report = self.report
        known = report.triage.causes[number] if report.triage is not None else None
        sentence, identity = cause_sentence(report, cause), identity_of(report, cause)
        name = str(identity._replace(subject=""))
        if known is not None and not known.fails:
            why = f"{known.state.value}: {known.reason}".rstrip(": ")
            self._add(name, "skipped", "skipped", why, f"{why}\n{sentence}")
            return
        text = "\n".join((sentence, reader_words(report, cause), "", *_story(report, cause)))
        self._add(name, "failures", "failure", sentence, text, kind=cause.kind)

    def _add(self, name: str, count: str, element: str, message: str, text: str, kind: str = "") -> None:
        """Add a test; `element` says how it ended, and is empty if it passed. A name that is there gets a number."""
        self.counts["tests"] += 1
        self._names[name] += 1
        name += f" ({self._names[name]})" if self._names[name] > 1 else ""
        head = f"  <testcase classname={_quoted(f'coldline.{self.report.subject}')} name={_quoted(name)}"
        if not element:
            self._tests.append(f"{head}/>")
            return
        self.counts[count] += 1
        of_kind = f" type={_quoted(kind)}" if kind else ""
        body = f"    <{element} message={_quoted(message)}{of_kind}>{escape(printable(text))}</{element}>"
        self._tests += [f"{head}>", body, "  </testcase>"]

    def lines(self) -> list[str]:
        """The lines of the suite."""
        system = []
        if self.report.judgement is not None:
            out = (verdict_words(self.report.judgement), coverage_words(self.report))
            system = [f"  <system-out>{escape(printable(chr(10).join(out)))}</system-out>"]
        name = _quoted(self.report.subject)
        return [
            f" <testsuite name={name}{_attributes(self.counts)}>",
            *self._tests,
            *system,
            " </testsuite>",
        ]


def _attributes(counts: dict[str, int]) -> str:
    return "".join(f' {name}="{count}"' for name, count in counts.items())


def _quoted(text: str) -> str:
    return quoteattr(printable(text).replace("\n", " "))


def _story(report: "Report", cause: "Cause") -> list[str]:
    """The story as a table of text."""
    from coldline.report.story_table import story_table

    table = story_table(cause.first, colours=False, width=None, report=report)
    return [line.rstrip() for line in table.splitlines()]
