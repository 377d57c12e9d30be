# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline compare``."""

import argparse
import json
from collections import Counter

from coldline.cli.status import HAZARD, SUCCESS
from coldline.report.baseline import read_reports
from coldline.report.comparison import COMPARISON_SCHEMA, Comparison, compare
from coldline.report.identity import Identity
from coldline.support.printable import one_line


def run_compare(options: argparse.Namespace) -> int:
    """Compare two reports and print the result; return the exit status."""
    found = compare(read_reports(options.old), read_reports(options.new))
    if options.json:
        print(json.dumps(_document(found)))
    else:
        for line in _lines(found):
            print(one_line(line))
    return HAZARD if found.new or found.untold else SUCCESS


def _lines(found: Comparison) -> list[str]:
    causes = {"fixed": found.fixed, "new": found.new, "same": found.same}
    lines = [
        f"{name}: {each}{_counts(found, each, count)}"
        for name, listed in causes.items()
        for each, count in Counter(listed).items()
    ]
    lines += [f"verdict of {subject}: {old}, now {new}" for subject, old, new in found.verdicts]
    if found.untold:
        lines.append(f"not compared: {found.untold:,} hazards of the new report, which have no story")
    return [*lines, ", ".join(f"{len(listed):,} {name}" for name, listed in causes.items())]


def _counts(found: Comparison, identity: Identity, count: int) -> str:
    """How many causes of one identity a line stands for, and how many each report has; empty for a single one."""
    same = found.same.count(identity)
    old, new = found.fixed.count(identity) + same, found.new.count(identity) + same
    if max(old, new) < 2:
        return ""
    return f" ({count:,}: the old report has {old:,} such causes, the new one {new:,})"


def _document(found: Comparison) -> dict[str, object]:
    causes = {"fixed": found.fixed, "new": found.new, "same": found.same}
    return {
        "schema": COMPARISON_SCHEMA,
        **{name: [each._asdict() for each in listed] for name, listed in causes.items()},
        "verdicts": [{"subject": name, "old": old, "new": new} for name, old, new in found.verdicts],
        "untold": found.untold,
    }
