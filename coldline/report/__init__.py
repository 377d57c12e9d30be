# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what a check says: `document` for programs, `terminal` for people."""
