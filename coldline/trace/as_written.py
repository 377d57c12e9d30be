# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of events as they stand in a trace's text: in which form its author wrote numbers."""

from collections.abc import Mapping

from coldline.errors import TraceError
from coldline.events import Event, Op
from coldline.trace.text import parse_event

_LONGEST_LINE = 1 << 10
"""Bytes of a line that is looked at."""


def as_written(path: str, events: Mapping[int, Event]) -> dict[int, str]:
    """Return the words of some events of a text trace, by their lines.

    Lines that cannot be read, or that have another event, are left out.

    Parameters
    ----------
    path : str
        The file.
    events : mapping of int to Event
        The events, by the numbers of their lines, from 1.
    """
    found: dict[int, str] = {}
    last = max(events, default=0)
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if number > last:
                    break
                if number in events and len(line) <= _LONGEST_LINE:
                    words = line.decode("utf-8", "replace").split("#", 1)[0].split()
                    if words and _is(words, events[number]):
                        found[number] = " ".join(words)
    except OSError:
        return {}
    return found


def _is(words: list[str], event: Event) -> bool:
    try:
        return parse_event(words, frozenset(Op)) == event
    except TraceError:
        return False
