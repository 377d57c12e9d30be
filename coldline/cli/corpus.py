# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline corpus``."""

import argparse
import json
import shutil
from pathlib import Path

from coldline.cli.arguments.formats import Output
from coldline.cli.outputs import Outputs
from coldline.cli.status import HAZARD, SUCCESS
from coldline.corpus import (
    CORPUS_FOLDER,
    Bug,
    judge_case,
    read_corpus,
)
from coldline.errors import UsageError
from coldline.report.model import Corpus, Report
from coldline.support.choices import choices
from coldline.support.printable import printable
from coldline.trace_check import check_trace

AS_TOLD, NOT_AS_TOLD = SUCCESS, HAZARD
"""Exit statuses."""


def run_corpus(options: argparse.Namespace) -> int:
    """Check a corpus, or one bug of it, and report; return the exit status."""
    bugs = read_corpus(Path(options.folder) if options.folder is not None else CORPUS_FOLDER)
    if options.name is not None:
        bugs = [_named(bugs, options.name)]
    if options.write is not None:
        _write(bugs, Path(options.write))
        return AS_TOLD
    if options.list:
        _list(bugs, options.formats or [])
        return AS_TOLD
    with Outputs(options.formats) as outputs:
        corpus = _check(bugs, told=options.name is not None)
        outputs.corpus(corpus)
    return AS_TOLD if corpus.as_told else NOT_AS_TOLD


def _check(bugs: list[Bug], *, told: bool) -> Corpus:
    """Check every trace; if `told`, also make a report of each with one story."""
    results, reports = {}, {}
    for bug in bugs:
        for case in bug.cases:
            judgement = check_trace(str(case.path), most=1, stories=int(told))
            results[case] = judge_case(judgement)
            if told:
                reports[case] = Report(subject=str(case.path), judgement=judgement)
    return Corpus(bugs=bugs, results=results, reports=reports)


def _named(bugs: list[Bug], name: str) -> Bug:
    for bug in bugs:
        if bug.name == name:
            return bug
    raise UsageError(f"no bug '{name}'; {choices(name, (bug.name for bug in bugs))}")


def _list(bugs: list[Bug], formats: list[Output]) -> None:
    """Print the names and titles of bugs without checking their traces."""
    if any(each != Output("json", None) for each in formats):
        raise UsageError("--list takes no --format but json, on standard output")
    if formats:
        from coldline.report.reporters.json import bug_document

        print(json.dumps([bug_document(bug) for bug in bugs]))
        return
    width = max(len(bug.name) for bug in bugs)
    print(printable("\n".join(f"{bug.name.ljust(width)}  {bug.title}" for bug in bugs)))


def _write(bugs: list[Bug], folder: Path) -> None:
    """Copy the files of `bugs` into a new folder."""
    try:
        folder.mkdir()
        for bug in bugs:
            shutil.copytree(bug.cases[0].path.parent, folder / bug.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot write a corpus: {error.strerror or error}") from None
