# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for the format of a report, which are the same for every command that judges."""

import argparse
from collections.abc import Iterable
from typing import NamedTuple

from coldline.report.reporters import formats_for


class Output(NamedTuple):
    """A format that the user asked for, and the file for it: None for standard output."""

    format: str
    path: str | None


def add_formats(group: argparse._ActionsContainer, shown: str, short: Iterable[str] = ()) -> None:
    """Add ``--format`` and short forms of it.

    Parameters
    ----------
    group : argparse group
        Where to add them.
    shown : str
        What the command shows: see `coldline.report.reporters`.
    short : iterable of str
        The formats that have a short form besides JSON.
    """
    known = formats_for(shown)

    def output(text: str) -> Output:
        name, equals, path = text.partition("=")
        if name not in known:
            raise argparse.ArgumentTypeError(f"unknown format '{name}'; choose from: {', '.join(known)}")
        if equals and not path:
            raise argparse.ArgumentTypeError(f"'{text}' names no file")
        return Output(name, path or None)

    listed = "; ".join(f"{name}: {each.summary}" for name, each in known.items())
    group.add_argument(
        "--format",
        dest="formats",
        metavar="NAME[=FILE]",
        type=output,
        action="append",
        help=f"write the report in this format, to FILE or to standard output (can be repeated). {listed}",
    )
    for name in ("json", *short):
        group.add_argument(
            f"--{name}",
            dest="formats",
            action="append_const",
            const=Output(name, None),
            help=f"short for --format {name}",
        )


def add_quiet(group: argparse._ActionsContainer) -> None:
    """Add ``--quiet``."""
    group.add_argument(
        "--quiet", action="store_true", help="print only the verdict and its coverage (not for json)"
    )
