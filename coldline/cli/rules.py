# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline rules``."""

import argparse

from coldline.report.drawing import dot
from coldline.report.machine import portrait, sources_table, states_table, steps_table
from coldline.rules import Profile


def run_rules(options: argparse.Namespace) -> int:
    """Print what was asked for; exit status 0."""
    if options.sources:
        print(sources_table(), end="")
        return 0
    profile = Profile(nc_may_hit=options.nc_may_hit, idc=options.idc, dic=options.dic)
    states = portrait(profile)
    if options.dot:
        print(dot(states, f"{switches_of(profile)}: {len(states)} states"), end="")
    else:
        print(states_table(states), end="\n")
        print(steps_table(states), end="")
    return 0


def switches_of(profile: Profile) -> str:
    """The switches that make the automaton what it is, in words."""
    names = {"nc-may-hit": profile.nc_may_hit, "idc": profile.idc, "dic": profile.dic}
    return " and ".join(name for name, on in names.items() if on) or "no switches"
