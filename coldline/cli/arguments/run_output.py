# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for what a run leaves: its report, and its events as a trace."""

import argparse

from coldline.cli.arguments.formats import add_formats, add_quiet
from coldline.cli.arguments.values import TRACE_FORMS, count
from coldline.report.reporters import REPORT, default_hazards


def add_run_output(parser: argparse.ArgumentParser) -> None:
    """Add the options for the trace and the report of a run."""
    group = parser.add_argument_group("output")
    group.add_argument("--trace", metavar="FILE", help="write every event to FILE, for 'coldline check'")
    group.add_argument(
        "--trace-format",
        metavar="FORM",
        choices=TRACE_FORMS,
        help="form of that file: text, or binary, which is smaller and faster (default: text if FILE ends in .txt or "
        ".trace, else binary; .gz or .zst after that compresses it)",
    )
    add_formats(group, REPORT)
    add_quiet(group)
    group.add_argument(
        "--hazards",
        metavar="N",
        type=count,
        help=f"number of hazards to list, each with its story (default: {default_hazards(REPORT)})",
    )
