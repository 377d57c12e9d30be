# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline check``."""

import argparse

from coldline.cli.arguments.profile import given_switches
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.repairing import Repairing, insertions_of
from coldline.cli.reviewing import Reviewing, reviewed_status
from coldline.cli.status import COHERENT, INTERRUPTED, complain, worst
from coldline.cli.written_events import written_events
from coldline.errors import TraceError
from coldline.jit.code_cache import telling
from coldline.report.model import Report
from coldline.trace_check import check_trace


def run_check(options: argparse.Namespace) -> int:
    """Check each file and report; return the exit status."""
    status = COHERENT
    reviewing = Reviewing(options)
    insertions = insertions_of(options)
    with (
        Outputs(options.formats, quiet=options.quiet) as outputs,
        Progress(not options.quiet) as progress,
        telling(progress.compiled),
    ):
        stories = 0 if outputs.hazards == 0 and not (reviewing.wanted or options.repair) else options.stories
        for path in options.files:
            repairing = Repairing(progress, path) if options.repair else None
            try:
                judgement = check_trace(
                    path,
                    most=options.hazards,
                    stories=stories,
                    switches=given_switches(options),
                    watcher=Following(progress, outputs, path),
                    interruptible=True,
                    insertions=insertions,
                    followed_by=repairing,
                )
                report = Report(subject=path, judgement=judgement)
                report = Report(
                    subject=path,
                    judgement=judgement,
                    written=written_events(path, judgement),
                    triage=reviewing.triage(report),
                    repairs=repairing.found if repairing is not None else {},
                )
            except TraceError as error:
                report = Report(subject=path, error=error.message)
            progress.clear()
            status = worst(status, reviewed_status(report))
            outputs.report(report)
            if report.judgement is not None and report.judgement.interrupted:
                complain("interrupted")
                return INTERRUPTED
    reviewing.finish()
    return status
