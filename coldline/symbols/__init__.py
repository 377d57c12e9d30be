# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of functions and data, and lines of sources, for a guest's addresses."""
