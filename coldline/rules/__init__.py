# SPDX-License-Identifier: GPL-2.0-or-later
"""What the architecture allows to happen to one byte of a cache line, and the automaton that follows from it."""

from coldline.rules.microstate import Microstate
from coldline.rules.profile import Profile

__all__ = ["Microstate", "Profile"]
