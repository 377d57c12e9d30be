# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated machine: its hardware, dom0's file system, its runs and its snapshots."""
