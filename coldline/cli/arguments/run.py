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
        "--schedule",
        metavar="ORDER",
        default="rr:1000",
        help="order of the vCPUs' turns: rr:N (in turn, N instructions each; the default is rr:1000) or random:SEED",
    )
    group.add_argument(
        "--secondary",
        choices=("psci", "start"),
        default="psci",
        help="how the vCPUs after the first one start: psci (by the guest's CPU_ON; the default) or start (at the "
        "entry, like the first one)",
    )
    group.add_argument(
        "--max-instructions",
        metavar="N",
        type=count,
        default=MAX_INSTRUCTIONS,
        help=f"maximum number of instructions (default {MAX_INSTRUCTIONS:,})",
    )
    group.add_argument(
        "--order",
        action="store_true",
        default=True,
        help="follow each core's barriers: what it has issued takes effect at any time up to its own barrier (the "
        "default)",
    )
    group.add_argument(
        "--no-order",
        dest="order",
        action="store_false",
        help="let everything take effect at once, so that missing barriers are not found",
    )
    add_switches(parser.add_argument_group("profile"))
