# SPDX-License-Identifier: GPL-2.0-or-later
"""What the architecture allows to happen to one byte of a cache line, and the automaton that follows from it."""

from coldline.rules.line_rules import Microstate, Profile

__all__ = ["Microstate", "Profile"]
