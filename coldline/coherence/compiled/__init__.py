# SPDX-License-Identifier: GPL-2.0-or-later
"""The check's inner loops, as Python that Numba compiles; only `frame` is imported otherwise.

They hold no rule: what a letter makes of a byte is a look-up in the arrays of `Transitions`, and whatever is not
plain they leave to `coldline.coherence.follow`.
"""
