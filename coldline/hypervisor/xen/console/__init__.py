# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console, protected against hostile guests."""
