# SPDX-License-Identifier: GPL-2.0-or-later
"""Applies ``--baseline`` and ``--suppressions`` to the reports of a command."""

import argparse
import datetime
from typing import TYPE_CHECKING, Final

from coldline.cli.status import COHERENT, INCONCLUSIVE, complain, status_of

if TYPE_CHECKING:
    from coldline.report.model import Report
    from coldline.report.triage import Reviewer
    from coldline.report.triaged import Triage

MOST_OF_REVIEW: Final = 1000
"""How many hazards of a run get a story: those listed; of a review, `MOST_OF_REVIEW` if not asked."""


class Reviewing:
    """The review of a command's reports; without either option, it changes nothing.

    Parameters
    ----------
    options : argparse.Namespace
        The command's options.

    Raises
    ------
    ReportError
        If a file cannot be read.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._reviewer: Reviewer | None = None
        if options.baseline is None and options.suppressions is None:
            return
        from coldline.report.baseline import read_baseline
        from coldline.report.suppressions import read_suppressions
        from coldline.report.triage import Reviewer as Sorting

        known = read_baseline(options.baseline) if options.baseline is not None else []
        suppressed = read_suppressions(options.suppressions) if options.suppressions is not None else []
        self._reviewer = Sorting(known, suppressed, datetime.datetime.now(datetime.UTC).date())

    @property
    def wanted(self) -> bool:
        """Whether there is a review, which needs the stories of hazards."""
        return self._reviewer is not None

    def most(self, listed: int, asked: int | None) -> int:
        """How many hazards of a run get a story: those listed; of a review, `MOST_OF_REVIEW` if not asked."""
        return max(listed, MOST_OF_REVIEW if asked is None else asked) if self.wanted else listed

    def triage(self, report: "Report") -> "Triage | None":
        """What is known of a report's causes; None without either option."""
        return self._reviewer.review(report) if self._reviewer is not None else None

    def finish(self) -> None:
        """Say on standard error what no report had."""
        for line in self._reviewer.leftovers() if self._reviewer is not None else []:
            complain(line)


def reviewed_status(report: "Report") -> int:
    """The exit status for a report: hazards whose causes are all known or suppressed do not count."""
    if report.triage is None or report.triage.fails or report.judgement is None:
        return status_of(report.verdict)
    return INCONCLUSIVE if report.judgement.gaps else COHERENT
