# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles by the values of their switches."""

from coldline.rules.profile import Profile


def profile_with(**switches: bool) -> Profile:
    """The profile with these switches, by the names of its attributes."""
    return Profile.with_options(name.replace("_", "-") for name, on in switches.items() if on)
