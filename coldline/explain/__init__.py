# SPDX-License-Identifier: GPL-2.0-or-later
"""Explains a hazard: finds a shortest sequence of cache steps that leads to the bad read."""
