# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's translation tables: walks, and the aliases that its tables make."""
