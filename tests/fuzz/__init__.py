# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzers of everything that reads what strangers wrote: ``scripts/fuzz``."""
