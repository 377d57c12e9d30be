# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of ``survey``."""

import argparse
import os
from typing import TYPE_CHECKING

from coldline.cli.arguments.values import count

if TYPE_CHECKING:
    from coldline.cli.arguments.values import Commands


def add_survey(commands: "Commands") -> None:
    """``survey``: run many images on many hosts."""
    parser = commands.add_parser(
        "survey",
        help="run many images on many hosts, and keep the results",
        description="Run each image of a plan on each of its hosts, by each strategy, with each number of cores. "
        "Results are kept, so that a survey that was stopped goes on where it was, and runs again only what changed.",
        epilog="exit status: the worst cell's: 2 if one has no verdict, else 1 hazard, 3 inconclusive, 0 coherent",
    )
    parser.add_argument("plan", metavar="PLAN", help="the plan, a TOML file")
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="keep the results in FILE, a JSON object in each line (default: PLAN.jsonl)",
    )
    parser.add_argument("--site", metavar="DIR", help="write a page with all results into DIR")
    parser.add_argument(
        "--jobs",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="cells that run at once on this machine (default: one on each processor)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run on the workers of this scheduler of Dask's, such as tcp://host:8786",
    )
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="K/N", help="only the K-th of N parts of the cells"
    )
    parser.add_argument("--retry", action="store_true", help="run again what has an error as its result")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be run and how long it may take, and run nothing",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _shard(text: str) -> tuple[int, int]:
    part, slash, of = text.partition("/")
    if not (slash and part.isdecimal() and of.isdecimal() and 1 <= int(part) <= int(of) <= 100_000):
        raise argparse.ArgumentTypeError(f"'{text}' is not K/N, such as 1/4")
    return int(part), int(of)
