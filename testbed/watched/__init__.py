# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen and dom0 under `coldline watch`: the machine, the guests that dom0 builds, the verdict on each."""
