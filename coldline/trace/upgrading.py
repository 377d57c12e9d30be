# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a trace of version 1 into one of version 2, which says the same and can say more of its cores."""

from collections.abc import Sequence
from dataclasses import replace

from coldline.errors import TraceError
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.rules.order.ordering import Ordering
from coldline.rules.profile import Profile
from coldline.trace.text_head import LATEST_VERSION, HeadParser, is_agent


def upgraded(profile: Profile, cores: Sequence[str]) -> Profile:
    """Return the profile of version 2 that says what `profile` does, and has further cores.

    Parameters
    ----------
    profile : Profile
        The profile of a trace of either version.
    cores : sequence of str
        The words after ``core`` of each further line.

    Raises
    ------
    TraceError
        If a line of a core is malformed, or its agents are on another one; ``where`` is empty.
    """
    head = HeadParser(profile if profile.ordering is not None else replace(profile, ordering=Ordering()))
    for core in cores:
        head.parse(["core", *core.split()])
    return head.profile


def checking_names(sink: Sink) -> Sink:
    """Return a sink that passes batches on to `sink`, and refuses agents that version 2 has other uses for.

    It raises a `TraceError` at such a batch, whose ``where`` is empty.
    """
    known: set[str] = set()

    def checked(batch: Batch) -> None:
        for name in batch.agents:
            if name not in known and not is_agent(name, version=LATEST_VERSION):
                raise TraceError("", f"'{name}' is an agent, and cannot be one in version {LATEST_VERSION}")
            known.add(name)
        sink(batch)

    return checked
