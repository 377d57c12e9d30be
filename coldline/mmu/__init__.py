# SPDX-License-Identifier: GPL-2.0-or-later
"""Translation tables: walks, and the aliases that a core's live tables make, with no emulator in sight."""
