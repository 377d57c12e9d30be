# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page and the shells' completions, which the wheel installs, made from the command's parser.

``scripts/generate`` writes these files.
"""
