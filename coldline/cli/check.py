# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline check``."""

import argparse
import json
import sys

from coldline.errors import RepeatError, TraceError
from coldline.support.printable import printable
from coldline.trace.files import TraceFile
from coldline.verdict import Judgement, Verdict, check, judge


def run_check(options: argparse.Namespace) -> int:
    """Check each file and report; the exit status."""
    status = 0
    for path in options.files:
        try:
            stories = 0 if options.quiet and not options.json else options.stories
            found = check_file(path, most=options.max_hazards, stories=stories)
        except TraceError as error:
            status = 2
            if options.json:
                print(json.dumps({"file": path, "error": str(error)}))
            else:
                print(f"coldline: {printable(str(error))}", file=sys.stderr)
            continue
        status = max(status, 0 if found.verdict is Verdict.COHERENT else 1)
        _show(path, found, options)
    return status


def check_file(path: str, *, most: int, stories: int) -> Judgement:
    """Judge a trace file of either form, or standard input where `path` is ``-``.

    Raises
    ------
    TraceError
        If it is not a trace, or was changed while it was read; ``where`` is ``path:line`` or the like.
    """
    try:
        with TraceFile(path, again=bool(stories)) as trace:
            checker = check(trace.source, trace.profile, most=most)
            return judge(checker, trace.source, most=most, stories=stories)
    except RepeatError as error:
        raise TraceError(path, f"the file was changed while it was read: {error}") from error


def _show(path: str, found: Judgement, options: argparse.Namespace) -> None:
    if options.json:
        from coldline.report.document import trace_document

        print(json.dumps(trace_document(path, found)))
        return
    from coldline.report import terminal

    if options.witness:
        from coldline.report.witness import witness_lines

        for line in () if options.quiet else witness_lines(found, path):
            print(line)
        terminal.print_verdict(found, path, mark="# ")
        return
    if not options.quiet:
        terminal.print_hazards(found, lambda hazard: f"line {hazard.entry.where}: {hazard.entry.event}")
    terminal.print_verdict(found, path)
