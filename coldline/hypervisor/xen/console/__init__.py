# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console, and what keeps it from doing harm to who looks on."""
