# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a corpus for people: its verdicts as a table, or the story of one bug."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coldline.corpus import Bug, Case, CaseResult, read_lines
from coldline.corpus.fields import case_header
from coldline.report.hazard_text import write_hazards
from coldline.report.line_writer import LineWriter
from coldline.report.markdown import markdown
from coldline.support.printable import printable

if TYPE_CHECKING:
    from coldline.report.model import Corpus

_WIDTH = 100
_HEAD = ("bug", "project", "variant", "before", "after", "beyond the rules")


def write_corpus(lines: LineWriter, corpus: "Corpus") -> None:
    """Write the story of each bug if there are reports; else a table of all bugs."""
    if corpus.reports:
        for bug in corpus.bugs:
            _write_story(lines, bug, corpus)
    else:
        lines.out.write(printable(corpus_table(corpus.bugs, corpus.results)))
    _write_sum(lines, corpus)


def corpus_table(bugs: list[Bug], results: dict[Case, CaseResult]) -> str:
    """The verdicts as a Markdown table: a row a bug, and one for each of its variants."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for bug in bugs:
        for number, variant in enumerate(sorted({case.variant for case in bug.cases})):
            cases = [case for case in bug.cases if case.variant == variant]
            stages = {case.stage: _cell(case, results[case]) for case in cases}
            beyond = sorted({case.beyond for case in cases if case.beyond})
            named = (bug.name, bug.project) if number == 0 else ("", "")
            rows.append(
                (*named, variant, stages.get("before", ""), stages.get("after", ""), "; ".join(beyond))
            )
    return markdown(rows)


def _write_story(lines: LineWriter, bug: Bug, corpus: "Corpus") -> None:
    """Write a bug's story, and each trace with what the checker found in it and one witness."""
    lines.say(f"{bug.name} ({bug.project}): {bug.title}")
    for text in (bug.story, f"fix: {bug.fix}", f"source: {bug.source}"):
        lines.say()
        _say_wrapped(lines, text)
    for case in bug.cases:
        found = corpus.results[case]
        lines.say()
        lines.say(f"== {case.name}: {_cell(case, found)}", "good" if found.agrees(case) else "bad")
        _say_wrapped(lines, case.text)
        if case.beyond:
            _say_wrapped(lines, f"Beyond the rules: {case.beyond}.")
        lines.say()
        for number, line in _events(case):
            lines.say(f"{number:4}  {line}")
        write_hazards(lines, corpus.reports[case])
    lines.say()


def _write_sum(lines: LineWriter, corpus: "Corpus") -> None:
    counted = f"{_count(len(corpus.bugs), 'bug')}, {_count(len(corpus.results), 'trace')}"
    wrong = sum(not found.agrees(case) for case, found in corpus.results.items())
    if wrong:
        lines.say(f"{counted}: {_count(wrong, 'verdict')} not as expected", "bad")
        return
    short = sum(not case.within_rules for case in corpus.results)
    further = f"; {_count(short, 'verdict')} of a story beyond the rules" if short else ""
    lines.say(f"{counted}: every verdict as expected{further}", "good")


def _cell(case: Case, found: CaseResult) -> str:
    text = _words(found.found)
    if not found.agrees(case):
        early = f", early (line {found.early})" if found.early else ""
        return f"WRONG: {text}{early}; expected: {_words(case.by_the_rules)}"
    return text if case.within_rules else f"{text} (story: {_words(case.verdict)})"


def _words(verdict: frozenset[str]) -> str:
    return ", ".join(sorted(verdict)) or "coherent"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _events(case: Case) -> Iterator[tuple[int, str]]:
    """The lines of a trace after its head, numbered as in the file."""
    lines = read_lines(case.path)
    first = sum(1 for _ in case_header(lines))
    for number, line in enumerate(lines[first:], start=first + 1):
        if line.strip():
            yield number, line


def _say_wrapped(lines: LineWriter, text: str) -> None:
    lines.say(textwrap.fill(text, min(_WIDTH, lines.width or _WIDTH)))
