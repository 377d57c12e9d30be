# SPDX-License-Identifier: GPL-2.0-or-later
"""How a hazard comes about: a shortest sequence of cache steps that leads to the bad read."""
