# SPDX-License-Identifier: GPL-2.0-or-later
"""The options and the commands that set causes of an earlier report apart from new ones."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands


def add_review(parser: argparse.ArgumentParser) -> None:
    """Add ``--baseline`` and ``--suppressions``."""
    group = parser.add_argument_group("known causes")
    group.add_argument(
        "--baseline",
        metavar="FILE",
        help="causes that are known, from 'coldline baseline': only others fail the command",
    )
    group.add_argument(
        "--suppressions",
        metavar="FILE",
        help="causes that are not to fail the command, each with a reason and a date",
    )


def add_baseline(commands: "Commands") -> None:
    """``baseline``: write the causes of reports as a baseline."""
    parser = commands.add_parser(
        "baseline",
        help="write the causes of JSON reports as a baseline",
        description="Read reports that --format json wrote, and write the causes of their hazards as a baseline, for "
        "--baseline of 'coldline check' and 'coldline boot'.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", help="file from --format json=REPORT")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="file to write (default: standard output)"
    )


def add_compare(commands: "Commands") -> None:
    """``compare``: compare the causes of two JSON reports."""
    parser = commands.add_parser(
        "compare",
        help="compare two JSON reports: which causes are fixed, new, or the same",
        description="Read two reports that --format json wrote, and list the causes of hazards that only OLD has "
        "(fixed), that only NEW has (new), and that both have (same). Causes are compared by kind, instruction and "
        "offset, and not by line or address.",
        epilog="exit status: 0 nothing is new, 1 a cause is new, 2 error",
    )
    parser.add_argument("old", metavar="OLD", help="the earlier report")
    parser.add_argument("new", metavar="NEW", help="the later report")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
