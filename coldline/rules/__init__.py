# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules: what the architecture allows to happen to one byte of a cache line, and the resulting automaton."""

from coldline.rules.microstate import Microstate
from coldline.rules.profile import Profile

__all__ = ["Microstate", "Profile"]
