# SPDX-License-Identifier: GPL-2.0-or-later
"""The inner loops of the text form, as Python that Numba compiles.

They contain no grammar. A line is looked up among the *shapes* of earlier lines, which is all of a line but for its
two numbers, and `coldline.trace.text` parses every line whose shape is not known. If the machine code is cached, only
`frame` is imported.
"""
