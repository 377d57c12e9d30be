# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the causes of a report that are one thing that is wrong: the same old lines of caches are in the way.

A guest that runs with its caches off has as many causes as it has instructions that store and load, if a cache has
old lines of its memory. What is wrong is that these lines are there. So causes are alike if they are of one kind, if
stores of the same agent past the caches decide them in the same way, and if the old lines were made, or left to be
filled, by the same operation of an agent. Any other cause is like no other.
"""

from typing import TYPE_CHECKING, NamedTuple

from coldline.explain.old_copy import old_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coldline.explain.old_copy import OldLine
    from coldline.report.causes import Cause
    from coldline.report.model import Report
    from coldline.report.triaged import CauseState
    from coldline.rules.profile import Profile


class Alike(NamedTuple):
    """Causes that are alike.

    Attributes
    ----------
    numbers : list of int
        Their indices, in ascending order.
    line : OldLine or None
        The old line of the first one; None for a cause that is like no other.
    """

    numbers: list[int]
    line: "OldLine | None"


def alike(causes: "Sequence[Cause]", profile: "Profile") -> list[Alike]:
    """The causes of a report, those that are alike together; in the order of their first ones."""
    found: dict[tuple[object, ...], Alike] = {}
    for number, cause in enumerate(causes):
        line = old_line(cause.first.story, cause.decided, profile)
        key = _key(cause, line) if line is not None else (number,)
        found.setdefault(key, Alike([], line)).numbers.append(number)
    return list(found.values())


def told_together(report: "Report", causes: "Sequence[Cause]") -> list[Alike]:
    """The causes of a report, those that are alike and in one state together.

    A known cause must not stand for a new one.
    """
    assert report.judgement is not None
    found = []
    for same in alike(causes, report.judgement.profile):
        by_state: dict[CauseState | None, list[int]] = {}
        for number in same.numbers:
            state = report.triage.causes[number].state if report.triage is not None else None
            by_state.setdefault(state, []).append(number)
        found += [same._replace(numbers=numbers) for numbers in by_state.values()]
    return sorted(found, key=lambda same: same.numbers)


def _key(cause: "Cause", line: "OldLine") -> tuple[object, ...]:
    since = line.since
    who = (since.event.agent, since.event.op, since.code.virtual if since.code is not None else None)
    return cause.kind, cause.final_read, cause.decided.role, cause.event.event.agent, who
