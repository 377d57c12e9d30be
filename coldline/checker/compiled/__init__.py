# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's inner loops, as Python that Numba compiles.

They contain no rules: the effect of a letter on a byte is looked up in the arrays of `Tables`, and events that
change more than the lines of a page or two are left to `coldline.checker.interpreter`. If the machine code is cached,
only `frame` is imported.
"""
