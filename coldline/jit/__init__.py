# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles Python functions to machine code, with Numba, and caches it between runs."""
