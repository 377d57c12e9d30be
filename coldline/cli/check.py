# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline check``."""

import argparse

from coldline.cli.outputs import Outputs
from coldline.cli.status import COHERENT, status_of, worst
from coldline.errors import RepeatError, TraceError
from coldline.report.model import Report
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.verdict import Judgement, check, judge


def run_check(options: argparse.Namespace) -> int:
    """Check each file and report; the exit status."""
    status = COHERENT
    with Outputs(options.formats, quiet=options.quiet) as outputs:
        stories = 0 if outputs.hazards == 0 else options.stories
        for path in options.files:
            try:
                judgement = check_file(path, most=options.max_hazards, stories=stories)
                report = Report(subject=path, judgement=judgement)
            except TraceError as error:
                report = Report(subject=path, error=str(error))
            status = worst(status, status_of(report.verdict))
            outputs.report(report)
    return status


def check_file(path: str, *, most: int, stories: int) -> Judgement:
    """Judge a trace file of either form, or standard input where `path` is ``-``.

    Raises
    ------
    TraceError
        If it is not a trace, or was changed while it was read; ``where`` is ``path:line`` or the like.
    """
    try:
        with TraceFile(path) as trace, Spool(trace) as spool:
            source = spool if stories else trace
            checker = check(source, trace.profile, most=most)
            return judge(checker, source, most=most, stories=stories)
    except RepeatError as error:
        raise TraceError(path, f"the file was changed while it was read: {error}") from error
