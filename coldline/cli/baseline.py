# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline baseline``."""

import argparse

from coldline.cli.status import SUCCESS
from coldline.errors import UsageError
from coldline.report.baseline import baseline_text, read_reports
from coldline.support.whole_file import WholeFile


def run_baseline(options: argparse.Namespace) -> int:
    """Write a baseline of all causes of some reports; return the exit status."""
    reports = []
    for path in options.reports:
        for report in read_reports(path):
            if report.untold:
                raise UsageError(
                    f"{path}: {report.untold:,} hazards of {report.subject} have no story, and so no cause that a "
                    "baseline could name: write the report with more --stories and --hazards"
                )
            reports.append(report)
    with WholeFile(options.output, "a baseline") as whole:
        whole.file.write(baseline_text(reports).encode())
    return SUCCESS
