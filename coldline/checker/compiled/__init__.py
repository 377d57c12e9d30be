# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's inner loops, as Python that Numba compiles.

They hold no rule: what a letter makes of a byte is a look-up in the arrays of `Transitions`, and events that change
more than the lines of a page or two are left to `coldline.checker.interpreter`. Only `frame` is imported where the
machine code is kept already.
"""
