# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Xen with a real dom0, emulated: made from Debian's packages, to try coldline and its driver on."""
