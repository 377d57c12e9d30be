# SPDX-License-Identifier: GPL-2.0-or-later
"""The options for the switches of a profile."""

import argparse

from coldline.rules.profile import SWITCHES


def add_switches(group: argparse._ActionsContainer) -> None:
    """Add an option for each switch of a profile; `given_switches` reads them."""
    for name, summary in SWITCHES.items():
        group.add_argument(f"--{name}", action="store_true", help=summary)


def given_switches(options: argparse.Namespace) -> tuple[str, ...]:
    """The names of the switches that the command line sets."""
    return tuple(name for name in SWITCHES if getattr(options, name.replace("-", "_")))
