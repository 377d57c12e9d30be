# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline corpus``."""

import argparse
import json
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coldline.cli.check import check_file
from coldline.corpus import HERE, Bug, Case, Judged, judge, lines_of, read
from coldline.corpus.fields import head_of
from coldline.errors import UsageError
from coldline.report import terminal
from coldline.report.markdown import markdown
from coldline.support.printable import printable

AS_TOLD, NOT_AS_TOLD = 0, 1
"""Exit statuses."""

_WIDTH = 100
_HEAD = ("bug", "project", "variant", "before", "after", "beyond the rules")


def run_corpus(options: argparse.Namespace) -> int:
    """Check a corpus, or one bug of it, and report; the exit status."""
    bugs = read(Path(options.folder) if options.folder is not None else HERE)
    if options.name is not None:
        bugs = [_named(bugs, options.name)]
    if options.write is not None:
        _write(bugs, Path(options.write))
        return AS_TOLD
    if options.list:
        print(json.dumps([_told(bug) for bug in bugs]) if options.json else _names(bugs))
        return AS_TOLD
    if options.name is not None and not options.json:
        judged = dict(_tell(bugs[0]))
    else:
        judged = {
            case: judge(check_file(str(case.path), most=1, stories=0)) for bug in bugs for case in bug.cases
        }
        if not options.json:
            print(printable(table(bugs, judged)), end="")
    if options.json:
        print(json.dumps(_document(bugs, judged)))
    else:
        _conclude(len(bugs), judged)
    return AS_TOLD if all(found.agrees(case) for case, found in judged.items()) else NOT_AS_TOLD


def table(bugs: list[Bug], judged: dict[Case, Judged]) -> str:
    """The verdicts as a Markdown table: a row a bug, and one for each of its variants."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for bug in bugs:
        for number, variant in enumerate(sorted({case.variant for case in bug.cases})):
            cases = [case for case in bug.cases if case.variant == variant]
            stages = {case.stage: _cell(case, judged[case]) for case in cases}
            beyond = sorted({case.beyond for case in cases if case.beyond})
            named = (bug.name, bug.project) if number == 0 else ("", "")
            rows.append(
                (*named, variant, stages.get("before", ""), stages.get("after", ""), "; ".join(beyond))
            )
    return markdown(rows)


def _cell(case: Case, found: Judged) -> str:
    text = _words(found.found)
    if not found.agrees(case):
        early = f", early (line {found.early})" if found.early else ""
        return f"WRONG: {text}{early}; told: {_words(case.by_the_rules)}"
    return text if case.told_in_full else f"{text} (story: {_words(case.verdict)})"


def _words(verdict: frozenset[str]) -> str:
    return ", ".join(sorted(verdict)) or "coherent"


def _named(bugs: list[Bug], name: str) -> Bug:
    for bug in bugs:
        if bug.name == name:
            return bug
    raise UsageError(f"no bug is called '{name}'; choose from: {', '.join(bug.name for bug in bugs)}")


def _names(bugs: list[Bug]) -> str:
    width = max(len(bug.name) for bug in bugs)
    return printable("\n".join(f"{bug.name.ljust(width)}  {bug.title}" for bug in bugs))


def _write(bugs: list[Bug], folder: Path) -> None:
    """Copy the files of `bugs` into a folder that is not there yet."""
    try:
        folder.mkdir()
        for bug in bugs:
            shutil.copytree(bug.cases[0].path.parent, folder / bug.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot write a corpus: {error.strerror or error}") from None


def _tell(bug: Bug) -> Iterator[tuple[Case, Judged]]:
    """Print a bug's story, and each trace with what the checker finds in it and one witness."""
    terminal.say(f"{bug.name} ({bug.project}): {bug.title}")
    for text in (bug.story, f"fix: {bug.fix}", f"source: {bug.source}"):
        terminal.say("")
        _say_wrapped(text)
    for case in bug.cases:
        report = check_file(str(case.path), most=1, stories=1)
        found = judge(report)
        terminal.say("")
        terminal.say(f"== {case.name}: {_cell(case, found)}", "good" if found.agrees(case) else "bad")
        _say_wrapped(case.text)
        if case.beyond:
            _say_wrapped(f"Beyond the rules: {case.beyond}.")
        terminal.say("")
        for number, line in _events(case):
            terminal.say(f"{number:4}  {line}")
        terminal.print_hazards(report, lambda hazard: f"line {hazard.entry.where}: {hazard.entry.event}")
        yield case, found
    terminal.say("")


def _conclude(bugs: int, judged: dict[Case, Judged]) -> None:
    counted = f"{_count(bugs, 'bug')}, {_count(len(judged), 'trace')}"
    wrong = sum(not found.agrees(case) for case, found in judged.items())
    if wrong:
        terminal.say(f"{counted}: {_count(wrong, 'verdict')} not as told", "bad")
        return
    short = sum(not case.told_in_full for case in judged)
    further = f"; {_count(short, 'verdict')} of a story beyond the rules" if short else ""
    terminal.say(f"{counted}: every verdict as told{further}", "good")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _events(case: Case) -> Iterator[tuple[int, str]]:
    """The lines of a trace after its head, numbered as in the file."""
    lines = lines_of(case.path)
    first = sum(1 for _ in head_of(lines))
    for number, line in enumerate(lines[first:], start=first + 1):
        if line.strip():
            yield number, line


def _say_wrapped(text: str) -> None:
    terminal.say(textwrap.fill(text, _WIDTH))


def _told(bug: Bug) -> dict[str, Any]:
    keys = ("name", "title", "project", "fix", "source", "story")
    return {key: getattr(bug, key) for key in keys}


def _document(bugs: list[Bug], judged: dict[Case, Judged]) -> dict[str, Any]:
    return {
        "as_told": all(found.agrees(case) for case, found in judged.items()),
        "bugs": [
            {**_told(bug), "traces": [_case_document(case, judged[case]) for case in bug.cases]}
            for bug in bugs
        ],
    }


def _case_document(case: Case, found: Judged) -> dict[str, Any]:
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
