# SPDX-License-Identifier: GPL-2.0-or-later
"""Sorts the causes of a report into new ones, those of a baseline, and suppressed ones."""

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from coldline.report.causes import causes_of
from coldline.report.identity import Identity, identity_of
from coldline.report.triaged import CauseState, Sorted, Triage

if TYPE_CHECKING:
    from coldline.report.model import Report
    from coldline.report.suppressions import Suppression


class Reviewer:
    """Sorts the causes of each report of a command.

    Parameters
    ----------
    baseline : iterable of Identity
        The causes that are known; one that is there twice stands for two.
    suppressions : sequence of Suppression
        What is not to fail the command.
    today : datetime.date
        The date that decides whether a suppression has expired.
    """

    def __init__(
        self, baseline: Iterable[Identity], suppressions: Sequence["Suppression"], today: datetime.date
    ) -> None:
        self._left = Counter(baseline)
        self._suppressions = suppressions
        self._used: set[int] = set()
        self._today = today

    def review(self, report: "Report") -> Triage | None:
        """Sort the causes of a report; None if it has no judgement."""
        judgement = report.judgement
        if judgement is None:
            return None
        causes = causes_of(report)
        untold = judgement.found - sum(cause.count for cause in causes if not cause.final_read)
        untold += sum(each.hazard is None or not each.hazard.story for each in judgement.unread_loaded)
        return Triage([self._sort(identity_of(report, cause)) for cause in causes], max(untold, 0))

    def _sort(self, identity: Identity) -> Sorted:
        for index, each in enumerate(self._suppressions):
            if each.matches(identity):
                self._used.add(index)
                expired = each.until < self._today
                return Sorted(CauseState.EXPIRED if expired else CauseState.SUPPRESSED, each.words)
        if self._left[identity] > 0:
            self._left[identity] -= 1
            return Sorted(CauseState.KNOWN)
        return Sorted(CauseState.NEW)

    def leftovers(self) -> list[str]:
        """What no report had, a line each: causes of the baseline, and suppressions that matched none."""
        gone = [f"no longer found: {identity}" for identity in self._left.elements()]
        unused = [
            f"{each.where}: unused suppression: {each.words}"
            for index, each in enumerate(self._suppressions)
            if index not in self._used
        ]
        return gone + unused
