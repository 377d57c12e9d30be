# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzers of every reader of untrusted input: ``scripts/fuzz``."""
