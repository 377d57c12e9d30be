# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the causes of two sets of reports: which are fixed, which are new, and which are the same."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from coldline.report.baseline import SavedReport
from coldline.report.identity import Identity

COMPARISON_SCHEMA: Final = "coldline.comparison/1"


class Comparison(NamedTuple):
    """The result of a comparison.

    Attributes
    ----------
    fixed, new, same : list of Identity
        The causes that only the old reports have, only the new ones, and both.
    verdicts : list of (str, str, str)
        The subjects whose verdict changed, with the old and the new one; ``absent`` where there is no report.
    untold : int
        How many hazards of the new reports have no cause, and so are not compared.
    """

    fixed: list[Identity]
    new: list[Identity]
    same: list[Identity]
    verdicts: list[tuple[str, str, str]]
    untold: int


def compare(old: Sequence[SavedReport], new: Sequence[SavedReport]) -> Comparison:
    """Compare reports. If both have one subject, its name does not matter."""
    anonymous = len(old) == len(new) == 1
    before, after = (_causes(reports, anonymous=anonymous) for reports in (old, new))
    return Comparison(
        sorted((before - after).elements()),
        sorted((after - before).elements()),
        sorted((before & after).elements()),
        _verdicts(old, new, anonymous=anonymous),
        sum(report.untold for report in new),
    )


def _causes(reports: Sequence[SavedReport], *, anonymous: bool) -> "Counter[Identity]":
    causes = (cause for report in reports for cause in report.causes)
    return Counter(cause._replace(subject="") if anonymous else cause for cause in causes)


def _verdicts(
    old: Sequence[SavedReport], new: Sequence[SavedReport], *, anonymous: bool
) -> list[tuple[str, str, str]]:
    if anonymous:
        changed = old[0].verdict != new[0].verdict
        return [(new[0].subject, old[0].verdict, new[0].verdict)] if changed else []
    before = {report.subject: report.verdict for report in old}
    after = {report.subject: report.verdict for report in new}
    subjects = dict.fromkeys((*before, *after))
    pairs = [(name, before.get(name, "absent"), after.get(name, "absent")) for name in subjects]
    return [each for each in pairs if each[1] != each[2]]
