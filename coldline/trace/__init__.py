# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces: events in files, as text or in a binary form."""
