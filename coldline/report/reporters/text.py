# SPDX-License-Identifier: GPL-2.0-or-later
"""Text for people: the verdict in a line, and each hazard as a numbered story.

Most reports have a line or two, so the modules that draw tables are imported only when there is one to draw.
"""

from typing import TYPE_CHECKING, TextIO

from coldline.report.hazard_text import write_hazards, write_unread
from coldline.report.line_writer import LineWriter
from coldline.report.phrases import (
    added_words,
    counted_words,
    coverage_words,
    found_words,
    not_covered_words,
    repaired_words,
    triage_words,
    verdict_words,
)
from coldline.report.reporters.base import Reporter, Settings
from coldline.support.printable import one_line, printable
from coldline.verdict import Verdict

if TYPE_CHECKING:
    from coldline.checker.final_read import Swept
    from coldline.report.model import Corpus, Guest, MachineRun, Matrix, Report, Run
    from coldline.verdict import Judgement

LONG = 1_000_000
"""The number of events from which a pass takes a second or more."""


class TextReporter(Reporter):
    """Writes text for people, with colours on a terminal."""

    def __init__(self, out: TextIO, settings: Settings) -> None:
        super().__init__(out, settings)
        self._lines = LineWriter(out)

    def begin(self, guest: "Guest") -> None:
        """Describe the guest that is about to run."""
        if not self.settings.quiet:
            from coldline.report.plan_layout import guest_lines

            for line in guest_lines(guest):
                self._lines.say(line)
            self.out.flush()

    def found(self, judgement: "Judgement", subject: str, stories: int) -> None:
        """Say what a long first pass found. After a short one, the report comes soon, and says the same."""
        if not self.settings.quiet and judgement.events >= LONG:
            name = f"{subject}: " if subject else ""
            self._lines.say(f"{name}{found_words(judgement, stories)}", "bad" if judgement.kinds else "")
            self.out.flush()

    def report(self, report: "Report") -> None:
        """Write a report of a trace file or of a run."""
        if report.judgement is None:
            print(one_line(f"coldline: {report.error}"), file=self.settings.errors or self.out)
            return
        self.warn(report)
        if not self.settings.quiet:
            write_hazards(self._lines, report, self.settings.hazards)
            if report.run is not None:
                self._lines.say()
                for swept in report.judgement.final_read:
                    self._swept(swept)
                write_unread(self._lines, report, report.judgement, self.settings.hazards)
        for each in report.run.added if report.run is not None else ():
            self._lines.say(added_words(each), "" if each.was_added else "bad")
        if report.repaired is not None:
            for operation in report.repaired.operations:
                self._lines.say(f"repair: --with '{operation}'")
            self._lines.say(repaired_words(report.repaired))
        self._verdict(report)
        if report.guest is not None and report.run is not None and not self.settings.quiet:
            self._run(report.guest, report.run, report.judgement.events)
        if report.machine is not None and not self.settings.quiet:
            self._agents(report.judgement)
            self._machine(report.machine, report.judgement.events)

    def matrix(self, matrix: "Matrix") -> None:
        """Write the verdicts on one guest as a table."""
        from coldline.report.matrix_text import matrix_table

        self.out.write(printable(matrix_table(matrix, self._lines.width)))

    def corpus(self, corpus: "Corpus") -> None:
        """Write the results for the traces of bugs as a table, or the story of one bug."""
        from coldline.report.corpus_text import write_corpus

        write_corpus(self._lines, corpus)

    def _verdict(self, report: "Report") -> None:
        """Write the verdict in a line; for a trace file, with its name."""
        assert report.judgement is not None
        name = f"{report.subject}: " if report.guest is None and report.machine is None else ""
        coherent = report.verdict is Verdict.COHERENT
        style = "good" if coherent else "bad" if report.verdict is Verdict.HAZARD else ""
        self._lines.say(f"{name}{verdict_words(report.judgement)}", style)
        if report.triage is not None:
            self._lines.say(triage_words(report.triage), "bad" if report.triage.fails else "")
        self._lines.say(coverage_words(report), "dim")
        if coherent:
            self._lines.say(not_covered_words(report), "dim")

    def _swept(self, swept: "Swept") -> None:
        """Write what a read of a whole segment would find."""
        if swept.first is None:
            self._lines.say(f"  {swept.region.name:7} all {swept.lines:,} lines read as they were written")
            return
        wrong = f"{swept.stale:,} of {swept.lines:,} lines could be wrong ({', '.join(swept.kinds)})"
        self._lines.say(f"  {swept.region.name:7} {wrong}")

    def _run(self, guest: "Guest", run: "Run", events: int) -> None:
        self._lines.say(
            f"{_ending(guest, run)} after {run.instructions:,} instructions, {run.accesses:,} accesses; "
            f"{events:,} events checked; {run.seconds:.1f} s",
            "dim",
        )
        if run.poll:
            self._lines.say(f"in the loop, {run.poll}", "dim")

    def _agents(self, judgement: "Judgement") -> None:
        """Write how many hazards each agent has, if several have some."""
        for agent, kinds in judgement.kinds_of.items() if len(judgement.kinds_of) > 1 else ():
            self._lines.say(f"{agent}: {counted_words(kinds)}")

    def _machine(self, machine: "MachineRun", events: int) -> None:
        ended = "was ended" if machine.status is None else f"ended with status {machine.status}"
        self._lines.say(
            f"{machine.release} {ended} after {machine.instructions:,} instructions, {machine.accesses:,} accesses, "
            f"{machine.maintained:,} operations of cache maintenance; {events:,} events checked; "
            f"{machine.seconds:.1f} s",
            "dim",
        )


_ENDINGS = {
    "mmu": "the guest turned its MMU on",
    "exit": "the guest exited by semihosting",
    "wait": "the guest waits{at} for an interrupt, and none will come,",
    "loop": "the guest repeats a loop{at} for ever,",
    "fault": "the run could not continue{at},",
    "instructions": "stopped{at}",
}
"""How a run ended, by `Run.end`."""


def _ending(guest: "Guest", run: "Run") -> str:
    if run.end == "console":
        return f"the guest printed '{run.awaited}'"
    if run.psci is not None:
        from coldline.arm import psci

        register = "r1" if guest.plan.architecture == "arm32" else "x1"
        code = f" with {register} = {run.psci[1]:#x}" if run.end == "off" else ""
        return f"the guest called PSCI's {psci.name(run.psci[0])}{code}"
    at = f" at {run.pc:#x}" if run.pc is not None else ""
    return _ENDINGS.get(run.end or "", "stopped").format(at=at)
