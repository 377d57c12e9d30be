# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges a trace file by the profile that its header gives."""

from collections.abc import Callable, Iterable, Sequence

from coldline.errors import RepeatError, TraceError
from coldline.events.batch import Batch
from coldline.events.inserting import Inserting, Insertion
from coldline.events.interruptible import Interruptible
from coldline.events.source import Sink, Source
from coldline.first_pass import check
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.verdict import WAS_INTERRUPTED, Judgement, Watcher, judge


def check_trace(
    path: str,
    *,
    most: int | None = None,
    stories: int = 1000,
    switches: Iterable[str] = (),
    watcher: Watcher | None = None,
    interruptible: bool = False,
    insertions: Sequence[Insertion] = (),
    followed_by: Callable[[Source, Profile, Judgement], None] | None = None,
) -> Judgement:
    """Judge a trace file of either form by the profile of its header, or standard input if `path` is ``-``.

    Parameters
    ----------
    path : str
        The file.
    most : int or None
        How many hazards to list; None for all.
    stories : int
        How many of them get a story.
    switches : iterable of str
        Switches of the profile, besides those in the file.
    watcher : Watcher, optional
        Follows the check.
    interruptible : bool
        Whether KeyboardInterrupt ends the check, and the judgement is what was found until then: without stories if
        it comes while the file is read first, else with the stories that are complete. Else it is raised.
    insertions : sequence of Insertion
        Events to put in, each before a line of the file.
    followed_by : callable, optional
        Called with the trace, which can then be run again, its profile and its judgement, before the file is closed.

    Raises
    ------
    TraceError
        If the file is not a trace, or changed while it was read. The error's ``where`` is ``path:line`` or similar.
    """
    try:
        with TraceFile(path, partial=True) as trace, Spool(trace) as spool:
            source: Source = spool if stories or followed_by is not None else trace
            if insertions:
                source = Inserting(source, insertions, by_line=True)
            profile = trace.profile.having(switches)
            counted = _Counted(source, watcher.read) if watcher is not None else source
            first = Interruptible(counted) if interruptible else counted
            checker = check(first, profile, most=most)
            if isinstance(first, Interruptible) and first.interrupted:
                return judge(checker, first, most=most, stories=0, gaps=[WAS_INTERRUPTED])
            gaps = [trace.cut_off] if trace.cut_off else []
            judgement = judge(
                checker,
                source,
                most=most,
                stories=stories,
                gaps=gaps,
                watcher=watcher,
                interruptible=interruptible,
            )
            if followed_by is not None and not judgement.interrupted:
                try:
                    followed_by(source, profile, judgement)
                except KeyboardInterrupt:
                    if not interruptible:
                        raise
                    judgement.gaps.append(WAS_INTERRUPTED)
            return judgement
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
