# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles Python to machine code that is kept between runs: the intrinsics, the linker and the code cache."""
