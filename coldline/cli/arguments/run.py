# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for a guest's run, which several commands share."""

import argparse

from coldline.cli.arguments.guest import add_core
from coldline.cli.arguments.profile import add_switches
from coldline.cli.arguments.values import MAX_INSTRUCTIONS, count


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options that control a guest's run."""
    group = parser.add_argument_group("run")
    add_core(group)
    group.add_argument(
        "--until",
        metavar="WHEN",
        help="when to stop: mmu (the MMU is turned on), psci (the first PSCI call; the default), off (SYSTEM_OFF), "
        "console:TEXT (TEXT is printed) or a number of instructions; a run without a hazard that ends before this "
        "is inconclusive",
    )
    group.add_argument(
        "--max-instructions",
        metavar="N",
        type=count,
        default=MAX_INSTRUCTIONS,
        help=f"maximum number of instructions (default {MAX_INSTRUCTIONS:,})",
    )
    add_switches(parser.add_argument_group("profile"))
