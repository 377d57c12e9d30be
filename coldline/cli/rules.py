# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline rules``."""

import argparse

from coldline.cli.arguments.profile import given_switches
from coldline.report.automaton import portrait, sources_table, states_table, steps_table
from coldline.report.automaton_drawing import dot
from coldline.rules.profile import Profile


def run_rules(options: argparse.Namespace) -> int:
    """Print the automaton's tables, its drawing, or the rules' sources; return exit status 0."""
    if options.sources:
        print(sources_table(), end="")
        return 0
    profile = Profile.with_options(given_switches(options))
    states = portrait(profile)
    if options.dot:
        print(dot(states, f"{switches_of(profile)}: {len(states)} states"), end="")
    else:
        print(states_table(states), end="\n")
        print(steps_table(states), end="")
    return 0


def switches_of(profile: Profile) -> str:
    """The switches of an automaton's profile, in words."""
    return " and ".join(profile.options) or "no switches"
