# SPDX-License-Identifier: GPL-2.0-or-later
"""Many images on many hosts: each combination is a run of its own, kept under a digest of all that it depends on."""
