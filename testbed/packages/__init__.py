# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages, of any architecture and suite: fetched with this host's own apt, unpacked, not installed."""
