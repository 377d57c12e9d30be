# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes that every part of coldline counts in, in bytes."""

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

PAGE_SIZE = 4 * KIB
"""A page: the granule of mappings, placement and ``map`` events, whatever pages a guest's kernel uses."""
