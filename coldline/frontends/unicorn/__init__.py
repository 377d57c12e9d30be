# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a built guest's own code on the emulator Unicorn, and makes an event of every access."""

from coldline.frontends.unicorn.outcome import End, Listener, Outcome, Until
from coldline.frontends.unicorn.run import Boot
from coldline.frontends.unicorn.turns import round_robin

__all__ = ["Boot", "End", "Listener", "Outcome", "Until", "round_robin"]
