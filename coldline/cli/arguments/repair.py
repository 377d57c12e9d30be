# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``check`` that put operations into a trace."""

import argparse

from coldline.cli.arguments.values import count


def add_added_operations(parser: argparse.ArgumentParser) -> None:
    """Add ``--repair``, ``--inject`` and ``--with`` of a guest's run."""
    group = parser.add_argument_group("repair and consequence")
    group.add_argument(
        "--repair",
        action="store_true",
        help="for each cause, find the smallest repair, add it to the guest's code and run the guest again",
    )
    group.add_argument(
        "--inject",
        metavar="N|all",
        help="run the guest again with the old bytes that the reads of cause N, or of all causes, may get, and show "
        "what it does then",
    )
    group.add_argument(
        "--with",
        dest="insert",
        metavar="OPERATIONS",
        action="append",
        help="run the guest with operations added to its code, such as 'dc ivac 0x40205000 0x5000; dsb at pc "
        "0x40008010#1': before the instruction at that address or at SYMBOL+OFFSET, the first time that it is "
        "reached; 'on cpu1' at the end for another core (can be repeated)",
    )


def add_repair(parser: argparse.ArgumentParser) -> None:
    """Add ``--repair``, ``--with`` and ``--before``."""
    group = parser.add_argument_group("missing operations")
    group.add_argument(
        "--repair",
        action="store_true",
        help="for each cause, find the smallest repair: the operations that make it impossible, where they can be, "
        "and why others do not help",
    )
    group.add_argument(
        "--with",
        dest="insert",
        metavar="EVENT",
        action="append",
        help="judge the trace with EVENT put in, such as 'cpu0 dc civac 0x40000000 64', before the line of --before "
        "(can be repeated)",
    )
    group.add_argument(
        "--before",
        metavar="LINE",
        type=count,
        action="append",
        help="the line that the event of --with comes before: one for each, in the same order",
    )
