# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline check``."""

import argparse
from collections.abc import Callable, Iterable

from coldline.cli.arguments.profile import given_switches
from coldline.cli.outputs import Outputs
from coldline.cli.progress import Following, Progress
from coldline.cli.status import COHERENT, status_of, worst
from coldline.errors import RepeatError, TraceError
from coldline.events.batch import Batch
from coldline.events.source import Sink, Source
from coldline.report.model import Report
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.verdict import Judgement, check, judge


def run_check(options: argparse.Namespace) -> int:
    """Check each file and report; return the exit status."""
    status = COHERENT
    with (
        Outputs(options.formats, quiet=options.quiet) as outputs,
        Progress(not options.quiet) as progress,
    ):
        stories = 0 if outputs.hazards == 0 else options.stories
        for path in options.files:
            try:
                judgement = check_file(
                    path,
                    most=options.hazards,
                    stories=stories,
                    switches=given_switches(options),
                    following=Following(progress, outputs, path),
                )
                report = Report(subject=path, judgement=judgement)
            except TraceError as error:
                report = Report(subject=path, error=error.message)
            progress.clear()
            status = worst(status, status_of(report.verdict))
            outputs.report(report)
    return status


def check_file(
    path: str,
    *,
    most: int,
    stories: int,
    switches: Iterable[str] = (),
    following: Following | None = None,
) -> Judgement:
    """Judge a trace file of either form, or standard input if `path` is ``-``.

    Parameters
    ----------
    path : str
        The file.
    most, stories : int
        How many hazards to list, and how many of them with a story.
    switches : iterable of str
        Switches of the profile, besides those in the file.
    following : Following, optional
        Shows how far the check is.

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
            first = _Counted(source, following.read) if following is not None else source
            checker = check(first, profile, most=most)
            gaps = [trace.cut_off] if trace.cut_off else []
            return judge(checker, source, most=most, stories=stories, gaps=gaps, watcher=following)
    except RepeatError as error:
        raise TraceError(path, f"the file was changed while it was read: {error}") from error


class _Counted:
    """A source that tells how many events it has handed over."""

    def __init__(self, source: Source, count: Callable[[int], None]) -> None:
        self.repeatable = source.repeatable
        self._source, self._count = source, count

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        """See `Source.run`."""
        events = 0

        def counted(batch: Batch) -> None:
            nonlocal events
            sink(batch)
            events += len(batch)
            self._count(events)

        self._source.run(counted, instructions=instructions)
