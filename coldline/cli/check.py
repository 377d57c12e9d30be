# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline check``."""

import argparse
from collections.abc import Iterable

from coldline.cli.arguments.profile import given_switches
from coldline.cli.outputs import Outputs
from coldline.cli.status import COHERENT, status_of, worst
from coldline.errors import RepeatError, TraceError
from coldline.report.model import Report
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.verdict import Judgement, check, judge


def run_check(options: argparse.Namespace) -> int:
    """Check each file and report; return the exit status."""
    status = COHERENT
    with Outputs(options.formats, quiet=options.quiet) as outputs:
        stories = 0 if outputs.hazards == 0 else options.stories
        for path in options.files:
            try:
                judgement = check_file(
                    path, most=options.hazards, stories=stories, switches=given_switches(options)
                )
                report = Report(subject=path, judgement=judgement)
            except TraceError as error:
                report = Report(subject=path, error=error.message)
            status = worst(status, status_of(report.verdict))
            outputs.report(report)
    return status


def check_file(path: str, *, most: int, stories: int, switches: Iterable[str] = ()) -> Judgement:
    """Judge a trace file of either form, or standard input if `path` is ``-``.

    Parameters
    ----------
    path : str
        The file.
    most, stories : int
        How many hazards to list, and how many of them with a story.
    switches : iterable of str
        Switches of the profile, besides those in the file.

    Raises
    ------
    TraceError
        If the file is not a trace, or changed while it was read. The error's ``where`` is ``path:line`` or similar.
    """
    try:
        with TraceFile(path, partial=True) as trace, Spool(trace) as spool:
            source = spool if stories else trace
            options = (*trace.profile.options, *switches)
            profile = Profile.with_options(options, trace.profile.line)
            checker = check(source, profile, most=most)
            gaps = [trace.cut_off] if trace.cut_off else []
            return judge(checker, source, most=most, stories=stories, gaps=gaps)
    except RepeatError as error:
        raise TraceError(path, f"the file was changed while it was read: {error}") from error
