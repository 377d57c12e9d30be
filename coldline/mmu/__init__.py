# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows translation tables: walks, and the aliases of a core's live tables. Needs no emulator."""
