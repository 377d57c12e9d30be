# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a built guest's own code on an emulator and writes down every access that it makes."""

from coldline.frontends.unicorn.run import Boot, End, Listener, Outcome, Until

__all__ = ["Boot", "End", "Listener", "Outcome", "Until"]
