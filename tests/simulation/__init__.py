# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole guests, built on a simulated host and run on the emulator."""
