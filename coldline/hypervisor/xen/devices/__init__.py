# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's disks and network interfaces, served by dom0's kernel: their entries in xenstore, and hotplug scripts."""
