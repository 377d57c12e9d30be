# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated machine with a real Xen and dom0 from Debian's packages, to test coldline and its driver."""
