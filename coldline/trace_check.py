# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges a trace file by the profile that its header gives."""

from collections.abc import Iterable

from coldline.errors import RepeatError, TraceError
from coldline.events.interruptible import Interruptible
from coldline.rules.profile import Profile
from coldline.trace.files import TraceFile
from coldline.trace.spool import Spool
from coldline.verdict import INTERRUPTED, Judgement, check, judge


def check_trace(
    path: str,
    *,
    most: int | None = None,
    stories: int = 1000,
    switches: Iterable[str] = (),
    interruptible: bool = False,
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

    interruptible : bool
        Whether KeyboardInterrupt, while the file is read first, ends its events, which are judged without stories.

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
            first = Interruptible(source) if interruptible else source
            checker = check(first, profile, most=most)
            if isinstance(first, Interruptible) and first.interrupted:
                return judge(checker, first, most=most, stories=0, gaps=[INTERRUPTED])
            gaps = [trace.cut_off] if trace.cut_off else []
            return judge(checker, source, most=most, stories=stories, gaps=gaps)
    except RepeatError as error:
        raise TraceError(path, f"the file was changed while it was read: {error}") from error
