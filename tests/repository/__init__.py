# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the repository itself: its pages, imports, sizes and names."""
