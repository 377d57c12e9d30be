# SPDX-License-Identifier: GPL-2.0-or-later
"""Second implementations, which share no code with coldline, and their own tests."""
